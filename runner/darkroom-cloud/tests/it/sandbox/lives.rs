//! The lives of environments: shared out, renewed, frozen, reaped, ended, and what is left of them.

use super::{
    ECHO, Stage, alone, descendants, own_groups, processes_of_sandboxes, state_of, wait_until,
};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_invocations_run_in_environments_of_their_own_which_are_then_reused() {
    let stage = Stage::new().await;
    let waits = stage.python(
        "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'ok'\n",
    );
    let (one, two) = tokio::join!(
        stage.invoke(&waits, json!(0.5)),
        stage.invoke(&waits, json!(0.5))
    );
    assert_ne!(one.0.report.log_stream, two.0.report.log_stream);
    let (three, four) = tokio::join!(
        stage.invoke(&waits, json!(0.2)),
        stage.invoke(&waits, json!(0.2))
    );
    let mut before = [one.0.report.log_stream, two.0.report.log_stream];
    let mut after = [three.0.report.log_stream, four.0.report.log_stream];
    before.sort();
    after.sort();
    assert_eq!(before, after);
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_revision_starts_anew_and_the_old_environments_go() {
    if !alone("lives::another_revision_starts_anew_and_the_old_environments_go") {
        return;
    }
    let stage = Stage::new().await;
    let mut spec =
        stage.python("count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n");
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 2);
    spec.revision = "2".into();
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    stage.environments.retire(&spec.arn);
    assert_eq!(stage.invoke(&spec, json!({})).await.ok(), 1);
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_thread_stands_still_while_its_environment_is_idle() {
    if !alone("lives::a_background_thread_stands_still_while_its_environment_is_idle") {
        return;
    }
    let stage = Stage::with(|config| config.freeze_after = Some(Duration::from_millis(20))).await;
    let spins = stage.python(
        "import threading, time\nticks = 0\ndef spin():\n    global ticks\n    while True:\n        ticks += 1\n        time.sleep(0.001)\n\
         threading.Thread(target=spin, daemon=True).start()\ndef handler(event, context):\n    return ticks\n",
    );
    stage.invoke(&spins, json!({})).await.ok();
    let frozen = || {
        let states: Vec<String> = processes_of_sandboxes().into_iter().map(state_of).collect();
        states
            .iter()
            .any(|state| ["T", "D"].contains(&state.as_str()))
    };
    wait_until(
        "the runtime is stopped, or frozen by its control group",
        frozen,
    )
    .await;
    assert!(
        stage.invoke(&spins, json!({})).await.ok().as_i64().unwrap() > 0,
        "it goes on when it is needed"
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_idle_for_long_is_reaped() {
    if !alone("lives::an_environment_that_is_idle_for_long_is_reaped") {
        return;
    }
    let stage = Stage::with(|config| config.reap_after = Duration::from_millis(200)).await;
    let echo = stage.python(ECHO);
    stage.invoke(&echo, json!(1)).await.ok();
    wait_until("no process is left", || processes_of_sandboxes().is_empty()).await;
    assert!(
        stage
            .invoke(&echo, json!(1))
            .await
            .0
            .report
            .init_ms
            .is_some()
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_what_runs_and_leaves_no_process_and_no_control_group() {
    if !alone("lives::stopping_ends_what_runs_and_leaves_no_process_and_no_control_group") {
        return;
    }
    let stage = Arc::new(Stage::new().await);
    let hangs = stage.python(
        "import time\ndef handler(event, context):\n    print('began')\n    time.sleep(600)\n",
    );
    let (running, spec) = (Arc::clone(&stage), hangs.clone());
    let invocation = tokio::spawn(async move { running.invoke(&spec, json!({})).await });
    wait_until("the handler runs", || {
        stage.events().iter().any(|line| line == "began\n")
    })
    .await;
    assert!(
        !own_groups(std::process::id()).is_empty()
            || !stage.environments.isolation().label.contains("cgroup")
    );
    stage.environments.stop().await;
    assert_eq!(
        invocation.await.unwrap().error()["errorType"],
        "Darkroom.Unavailable"
    );
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
    assert_eq!(own_groups(std::process::id()), Vec::<PathBuf>::new());
}

/// Not a test by itself: a server that another test kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by a_killed_server_leaves_no_process_and_no_control_group"]
async fn server_to_be_killed() {
    let stage = Stage::new().await;
    let hangs = stage.python(
        "import os, time\ndef handler(event, context):\n    os.fork()\n    time.sleep(600)\n",
    );
    let idle = stage.python(ECHO);
    stage.invoke(&idle, json!({})).await.ok();
    let ready = stage.folder.path().to_owned();
    std::fs::write(
        std::env::var_os("DARKROOM_TEST_READY").unwrap(),
        ready.to_str().unwrap(),
    )
    .unwrap();
    stage.invoke(&hangs, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_process_and_no_control_group() {
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "sandbox::lives::server_to_be_killed",
            "--exact",
            "--ignored",
        ])
        .env("DARKROOM_TEST_READY", &ready)
        .env("TMPDIR", folder.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = server.id();
    wait_until("the server is ready", || ready.exists()).await;
    // The idle environment's two processes of ours and its runtime, and those of the one that
    // hangs.
    wait_until("both environments run", || descendants(pid).len() >= 6).await;
    let family = descendants(pid);
    server.kill().unwrap();
    server.wait().unwrap();
    wait_until("no process is left", || {
        family
            .iter()
            .all(|pid| ["", "Z"].contains(&state_of(*pid).as_str()))
    })
    .await;
    wait_until("no control group is left", || own_groups(pid).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_that_follow_each_other_quickly_do_not_disturb_each_other() {
    if !alone("lives::revisions_that_follow_each_other_quickly_do_not_disturb_each_other") {
        return;
    }
    let stage = Stage::new().await;
    let mut echo = stage.bootstrap("while true; do next; respond \"$event\"; done\n");
    for revision in 0..40 {
        echo.revision = revision.to_string();
        let answer = stage.invoke(&echo, json!(revision)).await;
        assert_eq!(
            answer.0.report.error_type,
            None,
            "revision {revision}: {}",
            answer.tail()
        );
        assert_eq!(answer.ok(), revision);
    }
    stage.environments.stop().await;
    assert_eq!(processes_of_sandboxes(), Vec::<u32>::new());
    assert_eq!(own_groups(std::process::id()), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_served_though_not_all_of_it_can_start_at_once() {
    let stage = Stage::new().await;
    let echo = stage.python(ECHO);
    let calls = (0..60).map(|number| stage.invoke(&echo, json!(number)));
    for (number, answer) in futures::future::join_all(calls)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(answer.ok(), number);
    }
    stage.environments.stop().await;
}
