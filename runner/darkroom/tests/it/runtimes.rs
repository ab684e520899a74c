//! One code on several Python runtimes, and packages for a processor that this machine has not.

use serde_json::Value;

use crate::story::{OTHER, Project};

/// Refuses to be on another Python than the function is configured for.
const HELD: &str = r#"
import os
import sys

told = os.environ["AWS_EXECUTION_ENV"]
assert told == "AWS_Lambda_python%d.%d" % sys.version_info[:2], (told, sys.version)
"#;

/// A study of Pillow's own handlers, the first of which holds its Python to what it is told.
fn study() -> Project {
    let project = Project::study("image-pipeline", &["pillow"]);
    let path = "functions/pillow/greyscale.py";
    let own = std::fs::read_to_string(project.root().join(path)).unwrap();
    project.write(path, format!("{HELD}{own}"));
    project.scenes(&[(60, 40)]);
    project
}

const BOTH: &str = "variants = [\"pillow\"]\nimage_sets = [\"photos\"]\nruntimes = [\"python3.13\", \
                    \"python3.14\"]\n\n[repetitions]\ncount = 1\nwarm_up = 0";

#[test]
fn runtimes_are_cells_with_functions_of_their_own() {
    let project = Project::new();
    project.manifest(BOTH);
    let cells = project.darkroom(&["cells", "m.toml"]).exits(0).stdout();
    assert_eq!(
        cells.lines().collect::<Vec<_>>(),
        [
            "pillow.python3.13.x86_64.1769mb.photos.direct.warm.c1",
            "pillow.python3.14.x86_64.1769mb.photos.direct.warm.c1"
        ]
    );
    let plan = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
    assert!(plan.contains("functions    4 to deploy"), "{plan}");
    // One that Lambda lists and this cloud has not, and one that nobody has.
    for (runtime, known) in [("python3.15", "AWS"), ("python3.99", "")] {
        project.manifest(&BOTH.replace("python3.14", runtime));
        let plan = project.darkroom(&["plan", "m.toml"]).exits(0).stdout();
        assert!(
            plan.contains("cells        2, 1 of them runnable"),
            "{plan}"
        );
        assert!(
            plan.contains(&format!("has no runtime {runtime}, only")),
            "{plan}"
        );
        let plan = project
            .darkroom(&["plan", "m.toml", "--target", "aws"])
            .exits(0)
            .stdout();
        assert_eq!(plan.contains("has no runtime"), known.is_empty(), "{plan}");
    }
}

#[test]
fn the_same_code_runs_on_each_python_that_is_there_and_a_missing_one_is_refused_with_its_cure() {
    let project = study();
    project.manifest(BOTH);
    let run = project.darkroom(&["run", "m.toml"]);
    if darkroom_cloud::python::find("3.14").is_err() {
        let told = run.told();
        assert_eq!(run.code(), Some(1), "{told}");
        assert!(told.contains("no working Python 3.14 found"), "{told}");
        assert!(told.contains("uv python install 3.14"), "{told}");
        return;
    }
    run.exits(0);
    let exported = |metric: &[&str]| -> Vec<Value> {
        let arguments = ["export", "outputs/test/latest", "--format", "json"];
        let all: Vec<&str> = arguments.iter().chain(metric).copied().collect();
        serde_json::from_str(&project.darkroom(&all).exits(0).stdout()).unwrap()
    };
    let rows = exported(&["--table", "comparisons"]);
    let compared = rows.iter().filter(|row| row["factor"] == "runtime");
    let levels: Vec<_> = compared
        .map(|row| (&row["level_a"], &row["level_b"]))
        .collect();
    assert!(!levels.is_empty(), "{rows:?}");
    assert!(
        levels
            .iter()
            .all(|levels| *levels == (&"python3.13".into(), &"python3.14".into()))
    );
}

#[test]
fn what_it_takes_to_emulate_a_processor_is_said_where_it_is_missing() {
    let project = study();
    let nothing = [("QEMU_LD_PREFIX", "/nonexistent")];
    let check = ["check", "pillow", "--architecture", OTHER];
    let told = project.darkroom_with(&check, &nothing).exits(2).told();
    assert!(
        told.contains(&format!("cannot run {OTHER} code yet")),
        "{told}"
    );
    assert!(told.contains("a C library for"), "{told}");
    let told = project
        .darkroom(&["check", "pillow", "--runtime", "python3.2"])
        .exits(2)
        .told();
    assert!(told.contains("has no runtime python3.2"), "{told}");
}

#[test]
fn a_package_for_the_other_processor_is_checked_emulated_and_never_timed() {
    let project = study();
    let check = [
        "check",
        "pillow",
        "--architecture",
        OTHER,
        "--stage",
        "greyscale",
    ];
    let there = darkroom_cloud::emulator::find(OTHER)
        .is_ok_and(|emulator| darkroom_cloud::python::find_emulated("3.13", &emulator).is_ok());
    let answer = project.darkroom(&check);
    if !there {
        let told = answer.exits(2).told();
        assert!(
            told.contains("missing") || told.contains("no working Python"),
            "{told}"
        );
        assert!(told.contains("install"), "{told}");
        return;
    }
    let said = answer.exits(0).stdout();
    assert!(
        said.contains(&format!("{OTHER}, emulated by qemu-")),
        "{said}"
    );
    let verdicts = said.lines().filter(|line| line.starts_with("PASS"));
    assert!(verdicts.clone().count() == 1, "{said}");
    assert!(
        verdicts
            .clone()
            .all(|line| line.ends_with("(emulated, not timed)")),
        "{said}"
    );
    let json: Vec<&str> = check.iter().copied().chain(["--json"]).collect();
    let reports: Value = serde_json::from_str(&project.darkroom(&json).exits(0).stdout()).unwrap();
    assert!(
        reports[0]["outputs"][0]["duration_ms"].is_null(),
        "{reports}"
    );
    assert!(
        reports[0]["emulated"].as_str().unwrap().starts_with(OTHER),
        "{reports}"
    );
}
