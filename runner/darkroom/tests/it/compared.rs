//! Two real runs of one manifest compared: a run with itself, and with one whose code was slowed by a known amount.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::story::{HOST, Project};

/// Makes Pillow's greyscale stage take that long, ms: it does its work, then spins until the time is over.
fn takes(project: &Project, ms: u32) {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/pillow/greyscale.py");
    let slowed = format!(
        "\n\nimport time\n\nwork = handler\n\n\ndef handler(event, context):\n    over = time.perf_counter() + {ms} / 1000\n    \
         answer = work(event, context)\n    while time.perf_counter() < over:\n        pass\n    return answer\n"
    );
    project.write("functions/pillow/greyscale.py", fs::read_to_string(whole).unwrap() + &slowed);
}

fn run(project: &Project) -> PathBuf {
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    project.root().join("outputs/test/latest").canonicalize().unwrap()
}

#[test]
fn a_run_against_itself_has_not_changed_and_a_slowed_stage_is_found_with_its_size() {
    let project = Project::study("image-pipeline", &["pillow"]);
    project.scenes(&[(160, 120), (90, 120)]);
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"pillow\"]\nimage_sets = [\"photos\"]\n\
             architectures = [\"{HOST}\"]\n\n[repetitions]\ncount = 8\nwarm_up = 1\n"
        ),
    );
    takes(&project, 200);
    let before = run(&project);
    takes(&project, 260);
    let after = run(&project);
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());

    let itself = project.darkroom(&["compare", before, before, "--fail-on", "slower:5%"]).exits(0).stdout();
    assert!(itself.contains("Nothing is claimed to have changed."), "{itself}");

    let found: Value =
        serde_json::from_str(&project.darkroom(&["compare", before, after, "--json"]).exits(0).stdout()).unwrap();
    let rows = found["rows"].as_array().unwrap();
    let slowed = rows.iter().find(|row| row["stage"] == "greyscale").unwrap();
    assert_eq!((&slowed["verdict"], &slowed["metric"]), (&"slower".into(), &"duration_ms".into()));
    let (ratio, low) = (slowed["ratio"].as_f64().unwrap(), slowed["ratio_ci"][0].as_f64().unwrap());
    assert!((1.2..1.4).contains(&ratio) && low > 1.1, "260 ms for 200: {slowed}");
    assert!(slowed["p_adjusted"].as_f64().unwrap() < 0.05, "{slowed}");

    let fail =
        |limit: &str, code| project.darkroom(&["compare", before, after, "--quiet", "--fail-on", limit]).exits(code);
    fail("slower:5%", 1).says("· greyscale duration_ms: slower by").says("5.0% allowed");
    let lenient = fail("slower:90%", 0);
    assert!(!lenient.stderr().contains("greyscale"), "{}", lenient.stderr());

    // On one page: what the comparison says, and that the code is another.
    project.darkroom(&["report", before, after]).exits(0).says("side-by-side.html");
    let page = fs::read_to_string(Path::new(before).join("side-by-side.html")).unwrap();
    assert!(page.contains("The code is not the same in A and B: pillow ("));
    let row = page.split("<tr").find(|row| row.contains("data-stage=\"greyscale\"")).unwrap();
    assert!(row.contains("slower by") && row.contains(&format!("data-value=\"{ratio}")[..22]), "{row}");

    // A table that is not the journal's is named on the page.
    fs::copy(Path::new(after).join("costs.parquet"), Path::new(before).join("costs.parquet")).unwrap();
    project.darkroom(&["report", before]).exits(0).says("costs.parquet: row 0");
    let page = fs::read_to_string(Path::new(before).join("report.html")).unwrap();
    assert!(page.contains("NOT what the journal says") && page.contains("costs.parquet: row 0, "));
    project.darkroom(&["aggregate", before, "--quiet"]).exits(0);
    let page = fs::read_to_string(Path::new(before).join("report.html")).unwrap();
    assert!(!page.contains("NOT what the journal says"));
}
