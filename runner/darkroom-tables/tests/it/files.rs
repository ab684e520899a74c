//! The tables as files: columns, bytes, provenance, and refusals.

use darkroom_core::event::Event;
use darkroom_tables::columns::{self, TABLES};
use darkroom_tables::{TablesError, aggregate};
use polars::prelude::*;

use crate::correctness::of_two_models;
use crate::journal::{Journal, Pass, cell, prices, unknown_cell};
use crate::{Run, everything, float, integer};

#[test]
fn every_table_has_the_declared_columns_in_order_and_type() {
    let (run, of_models) = (Run::of(&everything()), Run::of(&of_two_models()));
    for table in TABLES {
        // Rates are of models, and no model wrote a variant of `everything`.
        let run = match table.name {
            "correctness" | "correctness_comparisons" | "generation" => &of_models,
            _ => &run,
        };
        let frame = run.table(table.name);
        assert!(frame.height() > 0, "{} is empty", table.name);
        let found: Vec<String> = frame
            .get_column_names()
            .iter()
            .map(ToString::to_string)
            .collect();
        let declared: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(found, declared, "{}", table.name);
        for column in table.columns {
            let expected = match column.kind {
                columns::Kind::Text => DataType::String,
                columns::Kind::Integer => DataType::Int64,
                columns::Kind::Float => DataType::Float64,
                columns::Kind::Bool => DataType::Boolean,
                columns::Kind::Time => {
                    DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC))
                }
            };
            assert_eq!(
                frame.column(column.name).unwrap().dtype(),
                &expected,
                "{}.{}",
                table.name,
                column.name
            );
        }
        let written = run
            .summary
            .tables
            .iter()
            .find(|file| file.name == table.name)
            .unwrap();
        assert_eq!(written.rows, frame.height());
    }
}

#[test]
fn no_table_holds_a_nan_or_an_infinity_whatever_was_recorded() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass {
        ms: [f64::NAN, f64::INFINITY],
        ..Pass::of(&pillow, 1, 0.0)
    });
    journal.pass(&Pass::of(&pillow, 2, 100.0));
    let run = Run::of(&journal);
    for table in TABLES {
        let frame = run.table(table.name);
        for column in frame
            .columns()
            .iter()
            .filter(|column| column.dtype() == &DataType::Float64)
        {
            let finite = column.f64().unwrap().iter().flatten().all(f64::is_finite);
            assert!(finite, "{}.{}", table.name, column.name());
        }
    }
    let row = run.summary(&pillow, "greyscale", "duration_ms");
    assert_eq!(
        (
            integer(&row, "n"),
            integer(&row, "n_missing"),
            float(&row, "mean")
        ),
        (Some(1), Some(1), Some(100.0))
    );
}

#[test]
fn the_same_journal_gives_the_same_files_byte_for_byte() {
    let (one, two) = (Run::of(&everything()), Run::of(&everything()));
    for table in TABLES {
        assert!(
            one.bytes(table.name) == two.bytes(table.name),
            "{}",
            table.name
        );
    }
}

#[test]
fn the_conclusions_are_the_same_bytes_whatever_the_number_of_threads() {
    let journal = everything();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| Run::of(&journal))
    };
    let (one, three) = (on(1), on(3));
    for table in ["summary", "comparisons", "costs", "choices"] {
        assert!(one.bytes(table) == three.bytes(table), "{table}");
    }
}

#[test]
fn the_order_of_the_rows_changes_no_statistic() {
    let journal = everything();
    let mut reversed = everything();
    let last_marker = reversed
        .events
        .iter()
        .rposition(|e| matches!(e, Event::CellsSuperseded { .. }))
        .unwrap();
    reversed.events[last_marker + 1..].reverse();
    let (one, two) = (
        Run::of(&journal).table("summary"),
        Run::of(&reversed).table("summary"),
    );
    assert!(one.equals_missing(&two));
}

#[test]
fn every_file_says_where_it_comes_from() {
    let run = Run::of(&everything());
    for table in TABLES {
        let path = run.dir.path().join(format!("{}.parquet", table.name));
        let mut reader = ParquetReader::new(std::fs::File::open(path).unwrap());
        let metadata = reader
            .get_metadata()
            .unwrap()
            .key_value_metadata()
            .clone()
            .unwrap();
        let value = |key: &str| {
            metadata
                .iter()
                .find(|kv| kv.key == key)
                .and_then(|kv| kv.value.clone())
                .unwrap()
        };
        assert_eq!(value("darkroom.run_id"), "2026-11-24T18-00-00Z-abc");
        assert_eq!(
            value("darkroom.schema_version"),
            darkroom_tables::SCHEMA_VERSION.to_string()
        );
        assert_eq!(value("darkroom.seed"), "562");
        assert_eq!(value("darkroom.manifest_sha256"), "ab".repeat(32));
        assert_eq!(
            value("darkroom.code_sha256"),
            r#"{"darkroom-a-greyscale":"c29tZSBoYXNo"}"#
        );
        assert_eq!(value("darkroom.machine"), r#"{"cpu_model":"Test CPU"}"#);
        assert_eq!(value("darkroom.price_date"), "2026-11-25");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_the_old_tables_stay() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "not a folder").unwrap();
    let error = aggregate(everything().facts(), &prices(), &blocked).unwrap_err();
    assert!(matches!(error, TablesError::Io { .. }), "{error}");
    assert!(error.to_string().contains(&blocked.display().to_string()));

    let run = Run::of(&everything());
    let before = run.bytes("summary");
    // A folder in the place of one table: that table can't be replaced, and no half-written file is
    // left.
    std::fs::remove_file(run.dir.path().join("pipelines.parquet")).unwrap();
    std::fs::create_dir(run.dir.path().join("pipelines.parquet")).unwrap();
    assert!(aggregate(everything().facts(), &prices(), run.dir.path()).is_err());
    assert!(run.bytes("summary") == before);
    let left: Vec<_> = std::fs::read_dir(run.dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| !name.to_string_lossy().ends_with(".partial")),
        "{left:?}"
    );
}

#[test]
fn a_journal_that_contradicts_itself_is_refused_with_what_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |events: Vec<Event>| {
        aggregate(
            events.into_iter().map(Ok::<_, String>),
            &prices(),
            dir.path(),
        )
        .unwrap_err()
    };
    assert!(matches!(refused(vec![]), TablesError::NoRunStarted));
    let mut events = everything().events;
    let run_started = events.remove(0);
    assert!(matches!(refused(events), TablesError::NoRunStarted));
    let stray = Event::CellsSuperseded {
        at: "2026-11-24T18:00:00.000Z".into(),
        cells: vec![unknown_cell()],
    };
    assert!(
        refused(vec![run_started, stray])
            .to_string()
            .contains("nobody.x86_64")
    );
    let mut journal = everything();
    for event in &mut journal.events {
        if let Event::InvocationFinished(invocation) = event {
            invocation.started_at = "yesterday".into();
        }
    }
    assert!(refused(journal.events).to_string().contains("yesterday"));
}
