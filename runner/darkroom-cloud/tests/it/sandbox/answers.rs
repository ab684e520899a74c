//! What a caller gets and what is logged: answers, failures, large outputs, log lines.

use super::{ECHO, Stage};
use darkroom_cloud::lambda::environment::{LogFormat, Status};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_echo_is_answered_and_reported() {
    let stage = Stage::new().await;
    let echo = stage.python(ECHO);
    let first = stage.invoke(&echo, json!({"n": 1})).await;
    assert_eq!(first.ok(), json!({"n": 1}));
    let report = &first.0.report;
    assert_eq!(report.status, Status::Success);
    assert!(report.init_ms.is_some());
    let second = stage.invoke(&echo, json!([2])).await;
    assert_eq!(second.ok(), json!([2]));
    assert_eq!(
        second.0.report.init_ms, None,
        "the second invocation is warm"
    );
    assert_eq!(
        second.0.report.log_stream, report.log_stream,
        "in the same environment"
    );
    let report_line = second.tail().lines().last().unwrap().to_owned();
    assert!(
        report_line.starts_with("REPORT RequestId: ") && report_line.ends_with(" MB\t"),
        "{report_line}"
    );
    let kinds: Vec<String> = stage
        .events()
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        kinds,
        [
            "INIT_START",
            "START",
            "END",
            "REPORT",
            "START",
            "END",
            "REPORT"
        ]
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_function_reach_the_caller_as_awslambdaric_words_them() {
    let stage = Stage::new().await;
    let raises = stage.python("def handler(event, context):\n    raise ValueError('no')\n");
    let error = stage.invoke(&raises, json!({})).await;
    assert_eq!(error.0.report.status, Status::Error);
    assert_eq!(
        (&error.error()["errorType"], &error.error()["errorMessage"]),
        (&json!("ValueError"), &json!("no"))
    );
    assert!(
        error.tail().contains("[ERROR] ValueError: no\nTraceback"),
        "{}",
        error.tail()
    );
    assert_eq!(
        stage.invoke(&raises, json!({})).await.0.report.init_ms,
        None,
        "the environment survives an exception"
    );

    let cases = [
        (
            "import nothing_like_it",
            "Runtime.ImportModuleError",
            "Unable to import module 'handler': No module named 'nothing_like_it'",
        ),
        (
            "def handler(:",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'handler'",
        ),
        (
            "x = 1",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'handler'",
        ),
        ("raise KeyError('k')", "KeyError", "'k'"),
    ];
    for (code, error_type, message) in cases {
        let answer = stage.invoke(&stage.python(code), json!({})).await;
        assert_eq!(answer.error()["errorType"], error_type);
        assert!(
            answer.error()["errorMessage"]
                .as_str()
                .unwrap()
                .contains(message),
            "{}",
            answer.error()
        );
        assert_eq!(answer.0.report.init_ms, None, "no init succeeded");
    }
    assert!(
        !stage
            .invoke(&stage.python("x = 1"), json!({}))
            .await
            .tail()
            .contains("INIT_START Runtime Version")
    );
    let reports = stage
        .events()
        .into_iter()
        .filter(|line| line.starts_with("INIT_REPORT"))
        .collect::<Vec<_>>();
    assert_eq!(
        reports.len(),
        10,
        "each failed init is tried again inside the invocation: {reports:?}"
    );
    assert!(
        reports[1].contains("Phase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError"),
        "{reports:?}"
    );
    assert!(
        reports[6].contains("Phase: init\tStatus: error\tError Type: Runtime.Unknown"),
        "{reports:?}"
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_timeout_files_in_tmp_are_kept_and_globals_are_lost() {
    let stage = Stage::new().await;
    let mut slow = stage.python(
        "import os, time\ncount = 0\ndef handler(event, context):\n    global count\n    count += 1\n    \
         if event == 'hang':\n        open('/tmp/mark', 'w').close()\n        print('hanging')\n        time.sleep(60)\n    \
         return [count, os.path.exists('/tmp/mark'), context.get_remaining_time_in_millis()]\n",
    );
    slow.timeout_s = 2;
    assert_eq!(stage.invoke(&slow, json!("")).await.ok()[1], false);
    let hung = stage.invoke(&slow, json!("hang")).await;
    let message = format!(
        "RequestId: {} Error: Task timed out after 2.00 seconds",
        hung.0.report.request_id
    );
    assert_eq!(
        hung.error(),
        json!({"errorType": "Sandbox.Timedout", "errorMessage": message})
    );
    assert_eq!(
        (hung.0.report.duration_ms, hung.0.report.billed_duration_ms),
        (2000.0, 2000)
    );
    assert!(hung.tail().contains("hanging\n"), "{}", hung.tail());
    assert!(
        hung.tail().contains("Task timed out after 2.00 seconds"),
        "{}",
        hung.tail()
    );
    assert!(
        hung.tail().ends_with("Status: timeout\n"),
        "{}",
        hung.tail()
    );
    let after = stage.invoke(&slow, json!("")).await;
    assert_eq!((&after.ok()[0], &after.ok()[1]), (&json!(1), &json!(true)));
    assert!(after.ok()[2].as_i64().unwrap() <= 2000);
    assert_eq!(
        after.0.report.log_stream, hung.0.report.log_stream,
        "the same environment"
    );
    assert_eq!(
        after.0.report.init_ms, None,
        "a renewed init is part of the duration"
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_init_that_takes_too_long_is_tried_again_in_the_functions_own_time() {
    let stage = Stage::with(|config| config.init_limit = Duration::from_millis(700)).await;
    let mut slow = stage.python(
        "import os, time\nif not os.path.exists('/tmp/tried'):\n    open('/tmp/tried', 'w').close()\n    time.sleep(60)\n\
         def handler(event, context):\n    return 'up'\n",
    );
    slow.timeout_s = 10;
    let answer = stage.invoke(&slow, json!({})).await;
    assert_eq!(answer.ok(), "up");
    assert_eq!(answer.0.report.init_ms, None);
    let events = stage.events();
    assert!(
        events
            .iter()
            .any(|line| line.contains("Phase: init\tStatus: timeout")),
        "{events:?}"
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_dies_is_named_and_replaced_in_the_same_environment() {
    let stage = Stage::new().await;
    let dies = stage.python(
        "import os, signal\ndef handler(event, context):\n    if event == 'kill':\n        os.kill(os.getpid(), signal.SIGKILL)\n    \
         if event == 'segv':\n        os.kill(os.getpid(), signal.SIGSEGV)\n    \
         if isinstance(event, int):\n        os._exit(event)\n    return 'alive'\n",
    );
    let cases = [
        (json!(0), "Runtime exited without providing a reason"),
        (json!(3), "Runtime exited with error: exit status 3"),
        (json!("kill"), "Runtime exited with error: signal: killed"),
        (
            json!("segv"),
            "Runtime exited with error: signal: segmentation fault",
        ),
    ];
    let stream = stage.invoke(&dies, json!("")).await.0.report.log_stream;
    for (event, message) in cases {
        let answer = stage.invoke(&dies, event).await;
        let expected = format!("RequestId: {} Error: {message}", answer.0.report.request_id);
        assert_eq!(
            answer.error(),
            json!({"errorType": "Runtime.ExitError", "errorMessage": expected})
        );
        assert!(
            answer
                .tail()
                .ends_with("Status: error\tError Type: Runtime.ExitError\n"),
            "{}",
            answer.tail()
        );
        let next = stage.invoke(&dies, json!("")).await;
        assert_eq!(next.ok(), "alive");
        assert_eq!(next.0.report.log_stream, stream);
    }
    let at_import = stage.python("import os\nos._exit(1)\n");
    let answer = stage.invoke(&at_import, json!({})).await;
    assert_eq!(answer.error()["errorType"], "Runtime.ExitError");
    assert!(
        answer.error()["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("exit status 1")
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_have_six_megabytes_and_not_seven() {
    let stage = Stage::new().await;
    let big = stage.python("def handler(event, context):\n    return 'x' * event\n");
    let fits = stage.invoke(&big, json!(6_291_000)).await;
    assert_eq!(fits.ok().as_str().unwrap().len(), 6_291_000);
    let too_big = stage.invoke(&big, json!(7_000_000)).await;
    assert_eq!(
        too_big.error(),
        json!({
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        })
    );
    assert_eq!(stage.invoke(&big, json!(1)).await.ok(), "x");
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_of_output_are_logged_and_the_tail_is_four_kilobytes() {
    let stage = Stage::new().await;
    let mut chatty = stage.python(
        "def handler(event, context):\n    line = 'y' * 1023\n    for _ in range(50 * 1024):\n        print(line)\n    return 'done'\n",
    );
    chatty.timeout_s = 120;
    let answer = stage.invoke(&chatty, json!({})).await;
    assert_eq!(answer.ok(), "done");
    assert_eq!(answer.0.log_tail.len(), 4096);
    let printed = stage
        .events()
        .iter()
        .filter(|line| line.starts_with('y'))
        .map(String::len)
        .sum::<usize>();
    assert_eq!(printed, 50 << 20);
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logged_record_is_one_event_and_printed_lines_are_many() {
    let stage = Stage::new().await;
    let logs = stage.python(
        "import logging\nlogging.getLogger().setLevel('INFO')\ndef handler(event, context):\n    print('one\\ntwo')\n    logging.info('three\\nfour')\n    print('five', end='')\n",
    );
    let answer = stage.invoke(&logs, json!({})).await;
    assert_eq!(answer.0.payload, "null");
    let events = stage.events();
    for line in ["one\n", "two\n", "five"] {
        assert!(
            events.iter().any(|event| event == line),
            "{line:?} in {events:?}"
        );
    }
    let record = events
        .iter()
        .find(|event| event.starts_with("[INFO]\t"))
        .unwrap();
    assert!(record.contains("three\nfour"), "{record:?}");
    assert!(record.contains(&answer.0.report.request_id));
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_logs_have_platform_records() {
    let stage = Stage::new().await;
    let mut logs =
        stage.python("import logging\ndef handler(event, context):\n    logging.getLogger().warning('careful')\n");
    logs.log_format = LogFormat::Json;
    let answer = stage.invoke(&logs, json!({})).await;
    answer.ok();
    let records: Vec<Value> = stage
        .events()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = records
        .iter()
        .map(|record| record["type"].as_str().unwrap_or("application"))
        .collect();
    assert_eq!(
        kinds,
        [
            "platform.initStart",
            "platform.start",
            "application",
            "platform.report"
        ]
    );
    assert_eq!(records[2]["message"], "careful");
    assert_eq!(records[2]["requestId"], answer.0.report.request_id);
    let report = &records[3]["record"];
    assert_eq!(report["status"], "success");
    assert_eq!(report["metrics"]["memorySizeMB"], 1769);
    assert!(report["metrics"]["initDurationMs"].as_f64().unwrap() > 0.0);
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_come_after_the_code_and_before_the_runtime() {
    let stage = Stage::new().await;
    let layer = stage.folder.path().join("layer");
    std::fs::create_dir_all(layer.join("python")).unwrap();
    std::fs::write(layer.join("python/helper.py"), "WHO = 'layer'\n").unwrap();
    std::fs::write(
        layer.join("python/handler.py"),
        "raise ImportError('the code comes first')\n",
    )
    .unwrap();
    let mut uses = stage.python(
        "import boto3, helper, sys\ndef handler(event, context):\n    return [helper.WHO, open('/opt/python/helper.py').read(), boto3.__file__, sys.path]\n",
    );
    uses.layer_dirs = vec![layer];
    let answer = stage.invoke(&uses, json!({})).await.ok();
    assert_eq!(
        (&answer[0], &answer[1]),
        (&json!("layer"), &json!("WHO = 'layer'\n"))
    );
    assert!(
        answer[2].as_str().unwrap().starts_with("/var/runtime/"),
        "{answer}"
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_of_any_kind_is_served() {
    let stage = Stage::new().await;
    let echo = stage.bootstrap("while true; do next; respond \"[\\\"bash\\\",$event]\"; done\n");
    assert_eq!(
        stage.invoke(&echo, json!({"n": 1})).await.ok(),
        json!(["bash", {"n": 1}])
    );
    assert_eq!(stage.invoke(&echo, json!(2)).await.ok(), json!(["bash", 2]));

    let wrong_id = stage.bootstrap(
        "next\nreal=$id\nid=other\nrespond 1\nsaid=$answer\nid=$real\nrespond \"\\\"${said%%$'\\n'*}\\\"\"\nnext\n",
    );
    assert_eq!(
        stage.invoke(&wrong_id, json!(0)).await.ok(),
        "HTTP/1.1 400 Bad Request"
    );

    let mut missing = stage.python(ECHO);
    missing.runtime = "provided.al2023".into();
    let answer = stage.invoke(&missing, json!(0)).await;
    assert_eq!(answer.error()["errorType"], "Runtime.InvalidEntrypoint");
    assert!(
        answer.tail().contains("Couldn't find valid bootstrap"),
        "{}",
        answer.tail()
    );
    stage.environments.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_runtime_is_said_to_be_unavailable() {
    let stage = Stage::new().await;
    let mut spec = stage.python(ECHO);
    spec.runtime = "cobol85".into();
    let answer = stage.invoke(&spec, json!(0)).await;
    assert_eq!(answer.error()["errorType"], "Darkroom.Unavailable");
    assert!(
        answer.error()["errorMessage"]
            .as_str()
            .unwrap()
            .contains("cobol85")
    );
    stage.environments.stop().await;
}
