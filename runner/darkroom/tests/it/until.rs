//! Runs that measure until their intervals are narrow enough, on the local cloud.

use std::path::{Path, PathBuf};

use darkroom::record::read;
use darkroom_core::event::{Event, Look, PipelinePass};
use darkroom_core::statistics::StoppedBy;
use darkroom_core::until::Watch;
use serde_json::Value as Json;

use crate::runs::{COPY, changing, project, start, variant, wait_for_lines};
use crate::story::{HOST, Project};

fn manifest(project: &Project, variants: &str, until: &str) {
    project.images(&["one"]);
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [{variants}]\narchitectures = [\"{HOST}\"]\n\
             image_sets = [\"photos\"]\n\n[repetitions]\nwarm_up = 1\nuntil = {{ {until} }}\n"
        ),
    );
}

fn latest(project: &Project) -> PathBuf {
    project
        .root()
        .join("outputs/test/latest")
        .canonicalize()
        .unwrap()
}

fn facts(run: &Path) -> Vec<Event> {
    read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn looks(facts: &[Event]) -> Vec<Look> {
    facts
        .iter()
        .filter_map(|fact| {
            if let Event::Looked(look) = fact {
                Some(look.clone())
            } else {
                None
            }
        })
        .collect()
}

/// Counted passes that stand, by cell, each repetition at most once.
#[track_caller]
fn repetitions(facts: &[Event], variant: &str) -> usize {
    let standing: Vec<u32> = facts
        .iter()
        .filter_map(|fact| match fact {
            Event::PipelineFinished(PipelinePass {
                pass, again: None, ..
            }) if !pass.warm_up && pass.cell_id.as_str().starts_with(variant) => {
                Some(pass.repetition)
            }
            _ => None,
        })
        .collect();
    let distinct: std::collections::BTreeSet<u32> = standing.iter().copied().collect();
    assert_eq!(distinct.len(), standing.len(), "{standing:?}");
    standing.len()
}

#[test]
fn a_run_stops_once_every_interval_is_narrow_and_waits_for_no_hopeless_cell() {
    let project = project();
    variant(
        &project,
        "raises",
        &changing("    raise ValueError('no such luck')\n"),
    );
    variant(
        &project,
        "lies",
        "def handler(event, context):\n    return {'success': True}\n",
    );
    // Any interval of ten real turnarounds is within 90% of its mean.
    let until = "metric = \"turnaround\", ci_half_width = 0.9, min = 10, max = 30";
    manifest(&project, "\"copy\", \"raises\", \"lies\"", until);
    let answer = project.darkroom(&["run", "m.toml", "--json"]).exits(1);
    let facts = facts(&latest(&project));
    let looks = looks(&facts);
    let [look] = looks.as_slice() else {
        panic!("{looks:?}")
    };
    assert_eq!(
        (look.repetitions, look.samples, look.stopped_by),
        (10, 1, Some(StoppedBy::CiHalfWidth))
    );
    let excused: Vec<&str> = look
        .excused
        .iter()
        .map(|excuse| excuse.reason.as_str())
        .collect();
    assert_eq!(excused, ["no value", "wrong outputs"]);
    let told = project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .exits(1)
        .stdout();
    assert!(
        told.contains(": no pass succeeded, so there is no turnaround and no cost"),
        "{told}"
    );
    for variant in ["copy", "raises", "lies"] {
        assert_eq!(
            repetitions(&facts, variant),
            10,
            "{variant} is measured as often as the others"
        );
    }
    // What was decided by is what the tables show.
    let summary: Json = serde_json::from_str(&answer.stdout()).unwrap();
    let of = &summary["cells"][0]["turnaround_s"];
    let width = (of["mean_ci"][1].as_f64().unwrap() - of["mean_ci"][0].as_f64().unwrap()) / 2.0;
    assert!(
        (look.widest.unwrap() - width / of["mean"].as_f64().unwrap()).abs() < 1e-12,
        "{look:?} {of}"
    );
    assert_eq!(summary["last_look"]["stopped_by"], "ci_half_width");
    let told = project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .exits(1)
        .stdout();
    let told = told
        .lines()
        .find(|line| line.starts_with("Stopped after 10 repetitions"))
        .unwrap_or_default()
        .to_owned();
    assert!(
        told.contains("every interval is within ±90% of the mean turnaround"),
        "{told}"
    );
    let report = std::fs::read_to_string(latest(&project).join("report.html")).unwrap();
    assert!(report.contains(
        "Repetitions (10 to 30) continued until the 95% interval of the mean turnaround"
    ));
}

#[test]
fn a_run_that_is_never_sure_ends_at_max_and_says_how_wide_its_intervals_are() {
    let project = project();
    let until = "metric = \"duration\", ci_half_width = 0.00001, min = 10, max = 12";
    manifest(&project, "\"copy\"", until);
    let told = project.darkroom(&["run", "m.toml"]).exits(0);
    let facts = facts(&latest(&project));
    let found: Vec<_> = looks(&facts)
        .iter()
        .map(|it| (it.repetitions, it.samples, it.wider, it.stopped_by))
        .collect();
    assert_eq!(found, [(10, 2, 2, None), (12, 2, 2, Some(StoppedBy::Max))]);
    assert_eq!(repetitions(&facts, "copy"), 12);
    let sentence = "Stopped after 12 repetitions, the maximum: 2 of 2 intervals are wider than ±0.001% of the mean duration";
    assert!(told.stdout().contains(sentence), "{}", told.stdout());
    assert!(
        told.stderr().contains("measured 12 of at most 12 · "),
        "the total is not known: {}",
        told.stderr()
    );
}

#[test]
fn a_killed_run_looks_at_the_very_same_places_and_finds_what_its_facts_say() {
    let project = project();
    variant(&project, "twin", COPY);
    let until = "metric = \"turnaround\", ci_half_width = 0.00001, min = 10, max = 24";
    manifest(&project, "\"copy\", \"twin\"", until);
    let mut child = start(&project, &["run", "m.toml"]);
    wait_for_lines(&project, &mut child, 40);
    child.kill().unwrap();
    child.wait().unwrap();
    let refused = project
        .darkroom(&["run", "m.toml", "--cell", "twin.*"])
        .exits(2);
    let refused = refused.says("has not decided its number of repetitions yet");
    // Killed before the first look, about it, and between looks.
    for lines in [75, 130, 170] {
        let mut child = start(&project, &["resume"]);
        wait_for_lines(&project, &mut child, lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let run = latest(&project);
    project
        .shell(&refused.suggestion("darkroom resume"))
        .exits(0);
    let after = facts(&run);
    let made = looks(&after);
    assert_eq!(
        made.iter().map(|look| look.repetitions).collect::<Vec<_>>(),
        [10, 20, 24]
    );
    assert_eq!(
        (repetitions(&after, "copy"), repetitions(&after, "twin")),
        (24, 24)
    );
    // Whoever reads the whole journal finds the same at each place, but for the last bit of a
    // number read from JSON.
    let Some(Event::RunStarted(started)) = after.first() else {
        panic!("no start")
    };
    let mut watch = Watch::new(started).unwrap();
    for fact in &after {
        watch.take(fact);
    }
    for look in &made {
        let again = watch.look(look.repetitions, look.at.clone());
        assert!(
            (again.widest.unwrap() - look.widest.unwrap()).abs() < 1e-12,
            "{again:?} {look:?}"
        );
        assert_eq!(
            &Look {
                widest: look.widest,
                ..again
            },
            look
        );
    }
    // The number is settled: a cell measured again is measured as often.
    project
        .darkroom(&["run", "m.toml", "--cell", "twin.*", "--quiet"])
        .exits(0);
    let again: Vec<Event> = facts(&run).split_off(after.len());
    assert_eq!(
        (
            repetitions(&again, "twin"),
            repetitions(&again, "copy"),
            looks(&again).len()
        ),
        (24, 0, 0)
    );
}

#[test]
fn a_plan_says_the_range_of_what_it_would_take() {
    let project = Project::new();
    let until = "metric = \"turnaround\", ci_half_width = 0.02, min = 30, max = 400";
    manifest(&project, "\"pillow\"", until);
    let plan = project
        .darkroom(&["plan", "m.toml", "--summary"])
        .exits(0)
        .stdout();
    let passes = "30 to 400: 30 to 400 repetitions of every image in 1 deployment of each cell";
    assert!(
        plan.contains(passes) && plan.contains("74 to 902, including warm-ups and probes"),
        "{plan}"
    );
    assert!(
        plan.contains("the 95% interval of the mean turnaround of every cell is within ±2%"),
        "{plan}"
    );
    let json: Json = serde_json::from_str(
        &project
            .darkroom(&["plan", "m.toml", "--json", "--summary"])
            .exits(0)
            .stdout(),
    )
    .unwrap();
    assert_eq!(
        (&json["passes"], &json["shortest"]["passes"]),
        (&Json::from(400), &Json::from(30))
    );
}
