//! Chains that an upload starts, chains that break, and cold starts: real handlers in the local
//! cloud.

use std::collections::BTreeMap;
use std::path::Path;

use darkroom_core::event::{Event, Invocation, PassKey, PipelinePass, Status};

use crate::story::{HOST, Project};

const STAGES: [&str; 5] = ["greyscale", "resize", "colour-depth", "rotate", "convert"];

/// A project with the study's pipeline and its Pillow variant. What is installed once is shared by
/// all stories.
fn study() -> Project {
    let project = Project::new();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let copied = |path: &str| std::fs::read(repository.join(path)).unwrap();
    let pipeline = "experiments/image-pipeline/pipeline.toml";
    project.write(pipeline, copied(pipeline));
    for entry in std::fs::read_dir(repository.join("functions/pillow")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let path = format!("functions/pillow/{}", entry.file_name().to_str().unwrap());
            project.write(&path, copied(&path));
        }
    }
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stories");
    std::fs::create_dir_all(project.root().join(".darkroom")).unwrap();
    for folder in ["runtimes", "packages"] {
        std::fs::create_dir_all(cache.join(folder)).unwrap();
        std::os::unix::fs::symlink(
            cache.join(folder),
            project.root().join(".darkroom").join(folder),
        )
        .unwrap();
    }
    let levels =
        format!("variants = [\"pillow\"]\nimage_sets = [\"photos\"]\narchitectures = [\"{HOST}\"]");
    project.images(&["one"]).manifest(&levels);
    project
}

/// Runs `m.toml` with these levels and returns what it said and the journal of that run.
fn run(project: &Project, code: i32, matrix: &str) -> (String, Vec<Event>) {
    let arguments = [
        "run",
        "m.toml",
        "--set",
        matrix,
        "--set",
        "repetitions.count=2",
        "--set",
        "repetitions.warm_up=1",
    ];
    let said = project.darkroom(&arguments).exits(code).stderr();
    // Logs and metrics, the other witnesses, agree with the journal.
    assert!(
        !said.contains("CloudWatch") && !said.contains("the logs do not show"),
        "{said}"
    );
    let runs = std::fs::read_dir(project.root().join("outputs/test")).unwrap();
    let newest = runs
        .map(|run| run.unwrap().path())
        .filter(|path| !path.is_symlink())
        .max()
        .unwrap();
    let journal = std::fs::read_to_string(newest.join("journal.ndjson")).unwrap();
    (
        said,
        journal
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

/// Passes that count, with their invocations in the order of their stages.
fn counted(events: &[Event]) -> Vec<(&PipelinePass, Vec<&Invocation>)> {
    let mut invocations: BTreeMap<&PassKey, Vec<&Invocation>> = BTreeMap::new();
    for event in events {
        if let Event::InvocationFinished(invocation) = event {
            invocations
                .entry(&invocation.pass)
                .or_default()
                .push(invocation);
        }
    }
    let passes = events.iter().filter_map(|event| match event {
        Event::PipelineFinished(pass) if !pass.pass.warm_up && pass.again.is_none() => Some(pass),
        _ => None,
    });
    passes
        .map(|pass| (pass, invocations.remove(&pass.pass).unwrap_or_default()))
        .collect()
}

fn stages<'a>(invocations: &[&'a Invocation]) -> Vec<&'a str> {
    invocations
        .iter()
        .map(|invocation| invocation.stage.as_str())
        .collect()
}

#[test]
fn an_upload_runs_the_whole_chain_and_every_stage_has_its_report() {
    let project = study();
    let (_, events) = run(&project, 0, "matrix.trigger=[\"s3\"]");
    let passes = counted(&events);
    assert_eq!(passes.len(), 2);
    let mut requests = Vec::new();
    for (pass, invocations) in &passes {
        assert!(pass.complete, "{pass:?}");
        let turnaround_s = pass.turnaround_s.unwrap();
        assert!(
            pass.resolution_ms > 0.0 && pass.resolution_ms < turnaround_s * 1e3,
            "{pass:?}"
        );
        assert_eq!(stages(invocations), STAGES);
        let hops: Vec<f64> = invocations
            .iter()
            .map(|it| it.trigger_delay_ms.expect("every hop is timed"))
            .collect();
        let at_ms = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond() as f64;
        for (pair, hop) in invocations.windows(2).zip(&hops[1..]) {
            let between = at_ms(&pair[1].started_at) - at_ms(pair[0].ended_at.as_ref().unwrap());
            assert!((hop - between).abs() < 1e-9, "{hop} is not {between}");
        }
        // Upload, hops and stages lie end to end, from the upload's start to the last END; here by
        // one machine's clock.
        let running: f64 = invocations
            .iter()
            .map(|it| at_ms(it.ended_at.as_ref().unwrap()) - at_ms(&it.started_at))
            .sum();
        let whole = at_ms(invocations[4].ended_at.as_ref().unwrap()) - at_ms(&pass.started_at);
        let sum = pass.upload_ms.unwrap() + hops.iter().sum::<f64>() + running;
        assert!(
            (sum - whole).abs() < 50.0,
            "{sum} ms in parts, {whole} ms as a whole"
        );
        let platform_ms: f64 = invocations
            .iter()
            .map(|it| it.report.as_ref().unwrap().duration_ms)
            .sum();
        assert!(platform_ms > 0.0);
        for invocation in invocations {
            assert_eq!(
                (invocation.status, invocation.client_ms),
                (Status::Ok, None),
                "{invocation:?}"
            );
            assert_eq!(
                invocation.report.as_ref().unwrap().init_ms,
                None,
                "the cell asks for warm starts"
            );
            assert!(invocation.environment_id.is_some());
            requests.push(invocation.request_id.clone().unwrap());
        }
    }
    requests.sort();
    requests.dedup();
    assert_eq!(
        requests.len(),
        10,
        "every invocation has a request of its own"
    );
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::OutputChecked(_)))
    );
    for event in &events {
        if let Event::OutputChecked(check) = event {
            assert!(check.verdict.pass, "{check:?}");
        }
    }

    let (said, events) = run(&project, 0, "matrix.trigger=[\"s3\"]");
    assert!(
        said.contains("0 created, 0 updated, 5 unchanged, 0 layers published"),
        "{said}"
    );
    assert_eq!(
        counted(&events).len(),
        2,
        "the logs of the run before are not this one's"
    );
}

#[test]
fn a_stage_that_raises_breaks_the_chain_and_is_named_with_its_error() {
    let project = study();
    let fake = "REPORT RequestId: {0}\\tDuration: 0.01 ms\\tBilled Duration: 1 ms\\tMemory Size: 1769 MB\\tMax Memory Used: 1 MB\\t";
    let broken = format!(
        "def handler(event, context):\n    print(\"{fake}\".format(context.aws_request_id))\n    raise ValueError(\"no such depth\")\n"
    );
    project.write("functions/pillow/colour_depth.py", broken);
    let (_, events) = run(&project, 1, "matrix.trigger=[\"s3\"]");
    let passes = counted(&events);
    assert_eq!(passes.len(), 2);
    for (pass, invocations) in &passes {
        assert_eq!((pass.complete, pass.turnaround_s), (false, None));
        assert_eq!(pass.failed_stage.as_deref(), Some("colour-depth"));
        assert_eq!(stages(invocations), STAGES[..3]);
        let failed = invocations[2];
        assert_eq!(failed.status, Status::FunctionError);
        assert_eq!(failed.error_type.as_deref(), Some("ValueError"));
        assert_eq!(failed.error.as_deref(), Some("no such depth"));
        // The platform never reports 1 MB of a Python process: the line that the handler printed is
        // not believed.
        assert!(
            failed.report.as_ref().unwrap().max_memory_mb > 1,
            "{failed:?}"
        );
    }
}

#[test]
fn every_invocation_of_a_cold_cell_is_cold_and_of_a_warm_one_warm() {
    let project = study();
    let (_, events) = run(&project, 0, "matrix.start=[\"cold\", \"warm\"]");
    let passes = counted(&events);
    assert_eq!(passes.len(), 4);
    let mut environments = BTreeMap::new();
    for event in &events {
        if let Event::EnvironmentSeen {
            request_id,
            environment_id,
        } = event
        {
            environments.insert(request_id.as_str(), environment_id.as_str());
        }
    }
    let mut cold_environments = Vec::new();
    for (pass, invocations) in &passes {
        assert_eq!(stages(invocations), STAGES);
        let cold = pass.pass.cell_id.as_str().contains(".cold.");
        for invocation in invocations {
            assert_eq!(
                invocation.report.as_ref().unwrap().init_ms.is_some(),
                cold,
                "{invocation:?}"
            );
            let environment = environments[invocation.request_id.as_deref().unwrap()];
            if cold {
                cold_environments.push(environment);
            }
        }
    }
    cold_environments.sort_unstable();
    cold_environments.dedup();
    assert_eq!(
        cold_environments.len(),
        10,
        "every cold invocation has an environment of its own"
    );
}

#[test]
fn what_s3_delivers_twice_is_recorded_and_counted_once() {
    let project = crate::runs::project();
    project.images(&["one"]);
    let put = "    s3.put_object(";
    let copy = crate::runs::COPY;
    // The first stage writes its output twice while it runs, so the second is started twice.
    let (before, put_line) = copy.split_once(put).unwrap();
    let twice = format!(
        "{before}    import time\n    for _ in range(2):\n    {put}{put_line}        time.sleep(0.4)\n"
    );
    project.write("functions/copy/first.py", twice);
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 2);
    let (_, events) = run(&project, 0, "matrix.trigger=[\"s3\"]");
    let passes = counted(&events);
    assert_eq!(passes.len(), 2);
    for (pass, invocations) in &passes {
        assert_eq!(
            pass.pass.attempt, 2,
            "what came twice is an attempt that does not count"
        );
        assert_eq!(stages(invocations), ["first", "second"]);
    }
    let surplus = events.iter().filter(|event| {
        matches!(event, Event::InvocationFinished(it) if !it.pass.warm_up && it.pass.attempt == 1 && it.stage == "second")
    });
    // One of each pass at least: a delivery that finds its object cleared away fails, and Lambda
    // tries it again.
    assert!(surplus.count() >= 2);
}

#[test]
fn stage_and_reason_are_named_of_a_chain_that_fails_hangs_or_writes_nothing() {
    let project = crate::runs::project();
    project.images(&["one"]);
    crate::runs::variant(
        &project,
        "silent",
        "def handler(event, context):\n    return {'success': True}\n",
    );
    crate::runs::variant(
        &project,
        "hangs",
        &crate::runs::changing("    import time\n    time.sleep(60)\n"),
    );
    crate::runs::manifest(&project, "\"silent\", \"hangs\"", &format!("\"{HOST}\""), 1);
    let arguments = [
        "run",
        "m.toml",
        "--set",
        "matrix.trigger=[\"s3\"]",
        "--set",
        "repetitions.warm_up=0",
    ];
    let began = std::time::Instant::now();
    let shown = project.darkroom(&arguments).exits(1).stdout();
    assert!(
        began.elapsed().as_secs() < 60,
        "a chain that has stopped is not waited for"
    );
    let line = |word: &str, cell: &str| {
        let found = shown.lines().find(|line| {
            line.starts_with(word) && line.contains(cell) && line.contains(" · second")
        });
        found.unwrap_or_else(|| panic!("{word} {cell} is missing from:\n{shown}"))
    };
    assert!(line("WRONG", "silent.").contains("missing"));
    assert!(line("FAILED", "hangs.").contains("Task timed out after 2.00 seconds"));
}
