//! Samples that statistics can say little of: one value, equal values, none at all.

use darkroom_core::event::Status;

use crate::journal::{Journal, Pass, cell};
use crate::{Run, comparison, float, integer, text, texts};

#[test]
fn one_value_equal_values_and_no_value_each_have_their_nulls_and_a_note() {
    let (single, equal, failed) = (cell("single"), cell("equal"), cell("failed"));
    let mut journal = Journal::of(&[single.clone(), equal.clone(), failed.clone()]);
    journal.pass(&Pass::of(&single, 1, 100.0));
    for repetition in 1..=12 {
        journal.pass(&Pass::of(&equal, repetition, 100.0));
        journal.pass(&Pass {
            status: [Status::FunctionError; 2],
            ..Pass::of(&failed, repetition, 100.0)
        });
    }
    let run = Run::of(journal.check_all(&single).check_all(&equal));

    let row = run.summary(&single, "pipeline", "turnaround_s");
    assert!(float(&row, "mean").is_some());
    assert_eq!(
        (
            float(&row, "sd"),
            float(&row, "mean_ci_low"),
            float(&row, "p50_ci_low")
        ),
        (None, None, None)
    );
    assert!(
        text(&row, "note")
            .unwrap()
            .starts_with("p95 needs n >= 20, p99 n >= 100; a single value: no SD and no interval")
    );

    let row = run.summary(&equal, "greyscale", "duration_ms");
    assert_eq!(
        (
            float(&row, "sd"),
            float(&row, "cv"),
            float(&row, "mean_ci_low")
        ),
        (Some(0.0), Some(0.0), Some(100.0))
    );
    assert_eq!(text(&row, "ci_method").unwrap(), "degenerate");
    assert!(text(&row, "note").unwrap().contains("all values are equal"));

    let row = run.summary(&failed, "greyscale", "duration_ms");
    assert_eq!(
        (integer(&row, "n"), integer(&row, "n_failed")),
        (Some(0), Some(12))
    );
    for column in ["mean", "sd", "cv", "p50", "mean_ci_low", "r1"] {
        assert_eq!(float(&row, column), None, "{column}");
    }
    assert!(
        text(&row, "note")
            .unwrap()
            .contains("12 of 12 failed: no sample")
    );
    assert!(texts(&run.table("costs"), "note")[2].contains("12 of 12 failed"));

    let compared = comparison(&run, &single, &failed, "pipeline", "turnaround_s");
    assert_eq!(
        (
            text(&compared, "verdict").unwrap().as_str(),
            float(&compared, "ratio_mean")
        ),
        ("not measured", None)
    );
    let compared = comparison(&run, &single, &equal, "pipeline", "turnaround_s");
    assert_eq!(
        (
            text(&compared, "verdict").unwrap().as_str(),
            float(&compared, "ratio_mean_ci_low")
        ),
        ("inconclusive", None)
    );
}
