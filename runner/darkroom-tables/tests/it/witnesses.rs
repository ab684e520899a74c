//! What others than the runner saw: logs, CloudWatch's metrics, a look at the code.

use darkroom_core::event::Event;

use crate::journal::{Journal, Pass, cell, environment_seen};
use crate::{Run, everything, texts};

#[test]
fn a_look_at_the_code_is_a_row_and_what_is_not_known_is_null() {
    let rows = Run::of(&everything()).table("code");
    assert_eq!(texts(&rows, "stage"), ["greyscale", "null"]);
    assert_eq!(texts(&rows, "files"), ["greyscale.py objects.py", ""]);
    assert_eq!(texts(&rows, "imports"), ["PIL boto3", "null"]);
    assert_eq!(texts(&rows, "lints"), ["B007:1 F401:2", "null"]);
    assert_eq!(texts(&rows, "note"), ["null", "no lints"]);
    let numbers = |name: &str| -> Vec<Option<i64>> {
        rows.column(name).unwrap().i64().unwrap().iter().collect()
    };
    assert_eq!(numbers("lines_code"), [Some(40), None]);
    assert_eq!(numbers("import_count"), [Some(2), None]);
    assert_eq!(numbers("lint_count"), [Some(3), None]);
    assert_eq!(numbers("complexity_sum"), [Some(7), None]);
}

#[test]
fn the_logs_environment_reaches_the_row_of_its_request() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0));
    journal
        .events
        .push(environment_seen(1, "2026/11/24/[$LATEST]ff"));
    let rows = Run::of(&journal).table("invocations");
    assert_eq!(
        texts(&rows, "environment_id"),
        ["null", "2026/11/24/[$LATEST]ff"]
    );
    assert_eq!(
        texts(&rows, "request_id")[1],
        "00000000-0000-4000-8000-000000000001"
    );
    let bytes = rows.column("bytes_in").unwrap().i64().unwrap().clone();
    assert_eq!(
        (bytes.get(0), bytes.get(1)),
        (Some(5000), Some(1234)),
        "as the pass saw them"
    );
}

#[test]
fn misdeeds_are_named_by_function_over_all_sessions_and_stand_in_the_tables() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0)).misbehaved(
        "one",
        "worked",
        "it used 29 ms after its answer",
        2,
    );
    journal
        .resume()
        .misbehaved("one", "worked", "it used 31 ms after its answer", 1)
        .misbehaved("two", "unwatchable", "it hid", 1);
    let run = Run::of(&journal);
    let said: Vec<String> = run
        .summary
        .misdeeds
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        said,
        [
            "one, function one: it used 29 ms after its answer (3 times)",
            "two, function two: it hid"
        ]
    );
    assert!(String::from_utf8_lossy(&run.bytes("summary")).contains("darkroom.misdeeds"));
}

#[test]
fn what_cloudwatch_counted_otherwise_is_a_row_and_in_the_summary() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0));
    journal
        .reconciled("a", 7.0, Some(7.0))
        .reconciled("b", 7.0, Some(8.0));
    journal.events.push(Event::RunResumed {
        at: "2026-11-24T19:00:00.000Z".into(),
        cells: vec![cell.id()],
    });
    journal.reconciled("a", 3.0, None);
    let run = Run::of(&journal);
    let found = &run.summary.reconciliation;
    assert_eq!(
        (found.sessions, found.sessions_reconciled, found.functions),
        (2, 1, 2)
    );
    assert!((found.invocations - 14.0).abs() < 1e-9);
    let [difference] = &found.differences[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (
            difference.session,
            difference.function.as_str(),
            difference.metric
        ),
        (1, "b", "invocations")
    );
    assert_eq!(found.unknown, ["interrupted"]);
    let table = run.table("reconciliation");
    let agrees: Vec<_> = table
        .column("agrees")
        .unwrap()
        .bool()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(agrees, [Some(true), Some(false), None]);
    let sessions: Vec<_> = table
        .column("session")
        .unwrap()
        .i64()
        .unwrap()
        .iter()
        .flatten()
        .collect();
    assert_eq!(sessions, [1, 1, 2]);
}
