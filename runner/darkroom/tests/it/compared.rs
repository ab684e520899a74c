//! Two real runs of one manifest compared: a run with itself, and with one whose code was slowed by
//! a known amount.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom_tables::read::{Wanted, read};
use serde_json::Value;

use crate::story::{HOST, Project};

/// Makes Pillow's greyscale stage take that long, ms: it does its work, then spins until the time
/// is over.
fn takes(project: &Project, ms: u32) {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/pillow/greyscale.py");
    let slowed = format!(
        "\n\nimport time\n\nwork = handler\n\n\ndef handler(event, context):\n    over = time.perf_counter() + {ms} / 1000\n    \
         answer = work(event, context)\n    while time.perf_counter() < over:\n        pass\n    return answer\n"
    );
    project.write(
        "functions/pillow/greyscale.py",
        fs::read_to_string(whole).unwrap() + &slowed,
    );
}

fn run(project: &Project) -> PathBuf {
    project.darkroom(&["run", "m.toml", "--quiet"]).exits(0);
    project
        .root()
        .join("outputs/test/latest")
        .canonicalize()
        .unwrap()
}

fn durations(run: &Path) -> Vec<(String, f64)> {
    let columns = ["stage", "duration_ms"];
    let rows = read(
        &run.join("invocations.parquet"),
        Wanted {
            columns: &columns,
            ..Wanted::default()
        },
    )
    .unwrap();
    rows.iter()
        .map(|row| {
            (
                row.text("stage").unwrap().to_owned(),
                row.number("duration_ms").unwrap(),
            )
        })
        .collect()
}

fn shortest(run: &Path) -> f64 {
    let of_greyscale = durations(run)
        .into_iter()
        .filter(|(stage, _)| stage == "greyscale");
    of_greyscale.map(|(_, ms)| ms).fold(f64::INFINITY, f64::min)
}

/// Writes durations into a run's journal: `greyscale` for that stage, 100 ms for every other, each
/// up to 1% more.
fn settle(project: &Project, run: &Path, greyscale: f64) {
    let journal = run.join("journal.ndjson");
    let mut calls = u32::from(greyscale > 200.0);
    let lines = fs::read_to_string(&journal).unwrap();
    let lines = lines.lines().map(|line| {
        let mut fact: Value = serde_json::from_str(line).unwrap();
        if fact["report"]["duration_ms"].is_number() {
            let base = if fact["stage"] == "greyscale" {
                greyscale
            } else {
                100.0
            };
            fact["report"]["duration_ms"] = (base * (1.0 + f64::from(calls % 7) / 600.0)).into();
            calls += 1;
        }
        fact.to_string() + "\n"
    });
    let settled: String = lines.collect();
    fs::write(&journal, settled).unwrap();
    assert!(calls > 1, "no call of {} has a duration", run.display());
    project
        .darkroom(&["aggregate", run.to_str().unwrap(), "--quiet"])
        .exits(0);
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

    // However busy the machine is: no call can have ended before its time was over.
    assert!(shortest(&before) >= 200.0 && shortest(&after) >= 260.0);
    // What else the machine did in these seconds is not this test's: each call gets a time that
    // only the code decides.
    settle(&project, &before, 200.0);
    settle(&project, &after, 260.0);
    let (before, after) = (before.to_str().unwrap(), after.to_str().unwrap());

    let itself = project
        .darkroom(&["compare", before, before, "--fail-on", "slower:5%"])
        .exits(0)
        .stdout();
    assert!(itself.contains("No change was found."), "{itself}");

    let found: Value = serde_json::from_str(
        &project
            .darkroom(&["compare", before, after, "--json"])
            .exits(0)
            .stdout(),
    )
    .unwrap();
    let rows = found["rows"].as_array().unwrap();
    let row = |stage: &str| rows.iter().find(|row| row["stage"] == stage).unwrap();
    let slowed = row("greyscale");
    assert_eq!(
        (&slowed["verdict"], &slowed["metric"]),
        (&"slower".into(), &"duration_ms".into())
    );
    let ratio = slowed["ratio"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| slowed["ratio_ci"][end].as_f64().unwrap());
    assert!(
        (1.29..1.31).contains(&ratio) && low < ratio && ratio < high && high - low < 0.05,
        "260 ms for 200: {slowed}"
    );
    assert!(slowed["p_adjusted"].as_f64().unwrap() < 0.05, "{slowed}");
    assert_eq!(row("rotate")["verdict"], "equivalent");
    assert_eq!(slowed["same_code"], false, "{slowed}");

    let fail = |limit: &str, code| {
        project
            .darkroom(&["compare", before, after, "--quiet", "--fail-on", limit])
            .exits(code)
    };
    fail("slower:5%", 1).says("· greyscale duration_ms: slower by 30.0%, the limit is 5.0%");
    assert!(!fail("slower:90%", 0).stderr().contains("TOO MUCH"));

    // On one page: what the comparison says, and that the code is another.
    project
        .darkroom(&["report", before, after])
        .exits(0)
        .says("side-by-side.html");
    let page = fs::read_to_string(Path::new(before).join("side-by-side.html")).unwrap();
    assert!(page.contains("The code differs between A and B: pillow ("));
    let row = page
        .split("<tr")
        .find(|row| row.contains("data-stage=\"greyscale\""))
        .unwrap();
    assert!(
        row.contains("slower by") && row.contains(&format!("data-value=\"{ratio}")[..22]),
        "{row}"
    );

    // A table that is not the journal's is named on the page.
    fs::copy(
        Path::new(after).join("costs.parquet"),
        Path::new(before).join("costs.parquet"),
    )
    .unwrap();
    project
        .darkroom(&["report", before])
        .exits(0)
        .says("costs.parquet: row 0");
    let page = fs::read_to_string(Path::new(before).join("report.html")).unwrap();
    assert!(page.contains("DIFFERS from the journal") && page.contains("costs.parquet: row 0, "));
    project.darkroom(&["aggregate", before, "--quiet"]).exits(0);
    let page = fs::read_to_string(Path::new(before).join("report.html")).unwrap();
    assert!(!page.contains("DIFFERS from the journal"));
}
