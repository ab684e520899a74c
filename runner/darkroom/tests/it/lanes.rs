//! Several passes under way at once: as many repetitions as planned, never two of the same
//! functions, and nothing lost by kills, Ctrl-C and budgets.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use darkroom_core::event::{Event, Invocation, PassKey, PipelinePass};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::runs::{changing, each_once, facts, latest, manifest, project, start, wait_for_lines};
use crate::story::{HOST, Project};

/// Lets stages take long: several at once on a crowded machine do.
pub fn patient(project: &Project) {
    let path = "experiments/image-pipeline/pipeline.toml";
    let pipeline = std::fs::read_to_string(project.root().join(path)).unwrap();
    project.write(
        path,
        pipeline.replace("timeout_s = 2\n", "timeout_s = 60\n"),
    );
}

/// Its first stage takes so long that passes of several lanes meet.
fn slow_project(seconds: f64, count: u32) -> Project {
    let project = project();
    let slow = format!("    import time\n    time.sleep({seconds})\n    return data\n");
    project.write("functions/copy/first.py", changing(&slow));
    patient(&project);
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), count);
    project
}

fn passes(facts: &[Event]) -> Vec<&PipelinePass> {
    facts
        .iter()
        .filter_map(|event| match event {
            Event::PipelineFinished(pass) => Some(pass),
            _ => None,
        })
        .collect()
}

fn invocations(facts: &[Event]) -> Vec<&Invocation> {
    facts
        .iter()
        .filter_map(|event| match event {
            Event::InvocationFinished(invocation) => Some(invocation),
            _ => None,
        })
        .collect()
}

/// Passes with a row and without an end.
fn cut_off(facts: &[Event]) -> BTreeSet<PassKey> {
    let ended: HashSet<&PassKey> = passes(facts).into_iter().map(|it| &it.pass).collect();
    let begun = invocations(facts).into_iter().map(|it| &it.pass);
    begun.filter(|key| !ended.contains(key)).cloned().collect()
}

/// When each function was being called, ms since 1970, in order.
fn calls(facts: &[Event]) -> BTreeMap<&str, Vec<(f64, f64)>> {
    let mut calls: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for it in invocations(facts) {
        let began: jiff::Timestamp = it.started_at.parse().unwrap();
        let began_ms = began.as_millisecond() as f64;
        let ended_ms = began_ms + it.client_ms.unwrap();
        calls
            .entry(&it.function)
            .or_default()
            .push((began_ms, ended_ms));
    }
    for calls in calls.values_mut() {
        calls.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    calls
}

#[test]
fn lanes_make_every_planned_repetition_once_and_never_call_functions_twice_at_once() {
    let project = slow_project(0.1, 3);
    let answer = project
        .darkroom(&[
            "run",
            "m.toml",
            "--set",
            "repetitions.deployments=4",
            "--set",
            "schedule.lanes=3",
        ])
        .exits(0);
    let told = answer.stderr();
    assert!(
        told.contains("up to 3 lanes, as schedule.lanes says"),
        "{told}"
    );
    let run = latest(&project);
    each_once(&run, 2 * 3 * 4);
    let facts = facts(&run);
    let others: Vec<u32> = passes(&facts)
        .into_iter()
        .map(|pass| pass.others_under_way.unwrap())
        .collect();
    assert_eq!(others.iter().max(), Some(&2), "{others:?}");
    assert!(
        others.iter().filter(|others| **others == 2).count() > others.len() / 2,
        "mostly all lanes are busy: {others:?}"
    );
    let calls = calls(&facts);
    assert_eq!(calls.len(), 8, "two stages in four deployments");
    for (function, calls) in &calls {
        for pair in calls.windows(2) {
            // Times are cut off to 1 ms.
            assert!(pair[0].1 <= pair[1].0 + 1.0, "{function}: {pair:?}");
        }
    }
    let blocks: Vec<u32> = invocations(&facts)
        .into_iter()
        .filter(|it| !it.pass.warm_up && it.stage_index == 0)
        .map(|it| it.pass.repetition)
        .collect();
    let far = blocks.windows(9).any(|pair| pair[0] > pair[8]);
    assert!(!far, "blocks stay blocks: {blocks:?}");
}

#[test]
fn without_lanes_one_pass_is_under_way_at_a_time() {
    let project = slow_project(0.0, 1);
    let set = ["--set", "repetitions.deployments=2"];
    let answer = project.darkroom(&[&["run", "m.toml"], &set[..]].concat());
    assert!(!answer.exits(0).stderr().contains("lanes"));
    let facts = facts(&latest(&project));
    let alone = |pass: &&PipelinePass| pass.others_under_way == Some(0);
    assert!(passes(&facts).iter().all(alone));
}

#[test]
fn kills_at_random_moments_lose_a_pass_a_lane_at_most_and_count_none_twice() {
    const LANES: usize = 3;
    let project = slow_project(0.02, 6);
    let set = [
        "--set",
        "repetitions.deployments=4",
        "--set",
        "schedule.lanes=3",
    ];
    let mut random = StdRng::seed_from_u64(562);
    let mut child = start(&project, &[&["run", "m.toml"], &set[..]].concat());
    wait_for_lines(&project, &mut child, 12);
    let mut lost = 0;
    for _ in 0..6 {
        let before = facts(&latest(&project)).len();
        wait_for_lines(&project, &mut child, before + random.random_range(0..30));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = cut_off(&facts(&latest(&project))).len();
        assert!(now <= lost + LANES, "{now} are cut off, {lost} were before");
        lost = now;
        child = start(&project, &["resume"]);
    }
    child.wait().unwrap();
    let run = latest(&project);
    project
        .darkroom(&["resume", &run.display().to_string()])
        .exits(0);
    each_once(&run, 2 * 6 * 4);
}

#[test]
fn an_interrupt_waits_for_the_passes_of_all_lanes() {
    let project = slow_project(0.5, 8);
    let arguments = [
        "run",
        "m.toml",
        "--set",
        "repetitions.deployments=3",
        "--set",
        "schedule.lanes=3",
    ];
    let mut child = start(&project, &arguments);
    wait_for_lines(&project, &mut child, 30);
    let id = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(id, nix::sys::signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = latest(&project);
    let so_far = facts(&run);
    assert!(
        matches!(so_far.last(), Some(Event::RunInterrupted { .. })),
        "{:?}",
        so_far.last()
    );
    assert_eq!(cut_off(&so_far), BTreeSet::new());
    let more = ["--set", "schedule.lanes=2"];
    let path = run.display().to_string();
    let resumed = project.darkroom(&[&["resume", &path], &more[..]].concat());
    let told = resumed.exits(0).stderr();
    assert!(told.contains("up to 2 lanes"), "lanes may change: {told}");
    each_once(&run, 2 * 8 * 3);
}

#[test]
fn what_is_under_way_counts_for_the_budget() {
    let project = slow_project(0.1, 2);
    let prices = "experiments/prices/us-east-1.toml";
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    project.write(prices, std::fs::read(repository.join(prices)).unwrap());
    let stopped = project
        .darkroom(&[
            "run",
            "m.toml",
            "--set",
            "repetitions.deployments=4",
            "--set",
            "schedule.lanes=4",
            "--set",
            "budget.usd=0.00001",
        ])
        .exits(130);
    assert!(
        stopped.stderr().contains("budget.usd is used up"),
        "{}",
        stopped.stderr()
    );
    // The first pass alone may cost more than that, so no other lane begins.
    assert_eq!(passes(&facts(&latest(&project))).len(), 1);
}

#[test]
fn lanes_of_cells_in_sequence_are_a_mistake() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let wrong = |lanes: &str| {
        let lanes = format!("schedule.lanes={lanes}");
        let set = ["--set", "schedule.order=\"sequential\"", "--set", &lanes];
        project.darkroom(&[&["validate", "m.toml"], &set[..]].concat())
    };
    let told = wrong("2").exits(2).stderr();
    assert!(told.contains("`schedule.lanes` does not work"), "{told}");
    wrong("1").exits(0);
    let told = wrong("0").exits(2).stderr();
    assert!(
        told.contains("expected a whole number from 1 to 1000"),
        "{told}"
    );
    let told = wrong("\"many\"").exits(2).stderr();
    assert!(told.contains("expected \"auto\""), "{told}");
    let told = wrong("true").exits(2).stderr();
    assert!(
        told.contains("a whole number from 1 to 1000 or \"auto\""),
        "{told}"
    );
}

#[test]
fn a_plan_says_how_long_it_takes_on_its_lanes_and_what_bounds_that() {
    let project = project();
    manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 5);
    let plan = |more: &[&str]| {
        let set = [
            "plan",
            "m.toml",
            "--summary",
            "--set",
            "repetitions.deployments=20",
        ];
        project
            .darkroom(&[&set[..], more].concat())
            .exits(0)
            .stdout()
    };
    let lanes = |told: &str| {
        let row = told.lines().find(|line| line.starts_with("lanes "));
        row.map(|row| row.trim_start_matches("lanes").trim().to_owned())
    };
    assert_eq!(lanes(&plan(&[])), None, "one after another on one machine");
    let aws = lanes(&plan(&["--target", "aws"])).unwrap();
    assert!(
        aws.starts_with("at most ")
            && aws.contains("on 8 lanes, bounded by the 10 concurrent executions of a new account")
            && aws.contains("; ask AWS for more: at most ")
            && aws.ends_with("on 20 lanes, one for each deployment"),
        "{aws}"
    );
    let three = lanes(&plan(&["--set", "schedule.lanes=3"])).unwrap();
    assert!(
        three.ends_with("on 3 lanes, as schedule.lanes says"),
        "{three}"
    );
}
