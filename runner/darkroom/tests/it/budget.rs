//! What a run may cost, and who agrees to it.

use std::path::Path;

use darkroom_core::event::Event;

use crate::runs::{each_once, facts, latest};
use crate::story::{HOST, Project, suggestions};

/// Two repetitions of two images, with prices.
fn priced() -> Project {
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 2);
    let prices = "experiments/prices/us-east-1.toml";
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    project.write(prices, std::fs::read(repository.join(prices)).unwrap());
    project
}

fn spent(run: &Path) -> Vec<f64> {
    facts(run)
        .into_iter()
        .filter_map(|event| {
            if let Event::Spent { usd, .. } = event {
                Some(usd)
            } else {
                None
            }
        })
        .collect()
}

#[test]
fn a_run_stops_when_its_money_is_spent_and_goes_on_when_there_is_more() {
    let project = priced();
    // One pass, here the warm-up, costs more than this for S3's requests alone.
    let stopped = project
        .darkroom(&["run", "m.toml", "--set", "budget.usd=0.00001"])
        .exits(130);
    assert!(
        stopped.stderr().contains("budget.usd is used up"),
        "{}",
        stopped.stderr()
    );
    let run = latest(&project);
    let [first] = spent(&run)[..] else {
        panic!("one session says what was spent")
    };
    let passes = facts(&run)
        .iter()
        .filter(|event| matches!(event, Event::PipelineFinished(_)))
        .count();
    assert!(
        passes == 1 && first >= 0.000_01,
        "it stops after the pass under way: {passes} passes, {first} USD"
    );
    assert!(facts(&run).iter().any(
        |event| matches!(event, Event::RunInterrupted { reason, .. } if reason == "budget.usd")
    ));

    let path = run.display().to_string();
    let refused = project.darkroom(&["resume", &path]).exits(2).stderr();
    assert!(
        refused.contains("has spent") && refused.contains("--set budget.usd="),
        "{refused}"
    );
    // What each message suggests leads on, as it stands, and so to the end.
    let mut said = refused;
    for _ in 0..5 {
        let suggested = suggestions(&said, "darkroom resume")[0];
        let next = project.shell(suggested);
        assert!(
            matches!(next.code(), Some(0 | 130)),
            "{suggested}: {}",
            next.stderr()
        );
        if next.code() == Some(0) {
            break;
        }
        said = next.stderr();
    }
    each_once(&run, 4);
    let [_, .., all] = spent(&run)[..] else {
        panic!("each session says what was spent")
    };
    assert!(all > first, "a session counts what earlier ones have spent");
    let cost = project
        .darkroom(&["cost", "outputs"])
        .exits(2)
        .suggestion("darkroom cost");
    project.shell(&cost).exits(0);
    let other = [
        "resume",
        &path,
        "--set",
        "budget.usd=1",
        "--set",
        "repetitions.count=3",
    ];
    project
        .darkroom(&other)
        .exits(0)
        .says("is finished: there is nothing to resume");
}

#[test]
fn a_budget_that_cannot_be_kept_to_is_refused_before_any_effect() {
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let said = project
        .darkroom(&["run", "m.toml", "--set", "budget.usd=1"])
        .exits(2);
    let said = said.says("prices for us-east-1 are unknown");
    assert!(
        !project.root().join("outputs").exists(),
        "{}",
        said.stderr()
    );
}

#[test]
fn a_budget_is_refused_where_snapshots_have_no_price() {
    let project = priced();
    let prices = "experiments/prices/eu-west-1.toml";
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    project.write(prices, std::fs::read(repository.join(prices)).unwrap());
    let in_region = |region: &'static str, snapstart: &'static str| {
        let sets = ["budget.usd=1", region, snapstart];
        let sets = sets.iter().flat_map(|set| ["--set", *set]);
        let arguments: Vec<&str> = ["run", "m.toml", "--target", "aws"]
            .into_iter()
            .chain(sets)
            .collect();
        project.darkroom(&arguments).exits(2)
    };
    let on = "matrix.snapstart=[\"off\", \"on\"]";
    let without = "target.region=\"eu-west-1\"";
    in_region(without, on)
        .says("the prices of SnapStart in eu-west-1 are unknown")
        .says("session::no_snapstart_price");
    assert!(!project.root().join("outputs").exists());
    // Else the next question is asked.
    in_region(without, "matrix.snapstart=[\"off\"]").says("AWS bills this run");
    in_region("target.region=\"us-east-1\"", on).says("AWS bills this run");
}

#[test]
fn a_run_that_is_billed_is_not_begun_without_a_yes() {
    let project = priced();
    let said = project
        .darkroom(&["run", "m.toml", "--target", "aws", "--set", "budget.usd=2"])
        .exits(2);
    let said = said.says("AWS bills this run: 2 functions, 10 invocations; at most");
    let said = said
        .says("S3 requests, logs and metrics add about $0.00")
        .says("; not counting data transfer.");
    let said = said
        .says("The run stops when $2.00 are spent")
        .says("to agree,");
    assert!(
        !project.root().join("outputs").exists(),
        "{}",
        said.stderr()
    );
    let command = "darkroom run m.toml --target aws --set budget.usd=2";
    let nobody = [
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nonexistent/config"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials"),
    ];
    let agreed = project.shell_with(&format!("{command} {}", said.suggestion("--yes")), &nobody);
    agreed.exits(1).says("no AWS credentials found");
    project
        .shell(&format!("{command} {}", said.suggestion("--target local")))
        .exits(0);
}
