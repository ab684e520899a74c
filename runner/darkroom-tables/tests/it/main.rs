//! Journals in, Parquet tables and the terminal's summary out, read back with Polars.

#![expect(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test may panic, and counts few rows")]

mod between;
mod choices;
mod journal;
mod models;
mod poor;
mod verify;

use std::collections::HashSet;
use std::path::Path;

use darkroom_core::cell::{Architecture, Cell, Input, Start, Trigger};
use darkroom_core::event::{Again, CodeExamined, Event, Status};
use darkroom_core::statistics::describe;
use darkroom_tables::columns::{self, TABLES};
use darkroom_tables::{Summary, TablesError, aggregate};
use journal::{Journal, Pass, cell, environment_seen, prices};
use polars::prelude::*;
use tempfile::TempDir;

/// A run's tables on disk.
struct Run {
    dir: TempDir,
    summary: Summary,
}

impl Run {
    fn of(journal: &Journal) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let summary = aggregate(journal.facts(), &prices(), dir.path()).unwrap();
        Self { dir, summary }
    }

    fn table(&self, name: &str) -> DataFrame {
        read(&self.dir.path().join(format!("{name}.parquet")))
    }

    /// Rows of `summary` of one stage and metric.
    fn summary(&self, cell: &Cell, stage: &str, metric: &str) -> DataFrame {
        let id = cell.id().to_string();
        let frame = self.table("summary").lazy();
        let wanted = col("cell_id").eq(lit(id)).and(col("stage").eq(lit(stage))).and(col("metric").eq(lit(metric)));
        frame.filter(wanted).collect().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(format!("{name}.parquet"))).unwrap()
    }
}

fn read(path: &Path) -> DataFrame {
    ParquetReader::new(std::fs::File::open(path).unwrap()).finish().unwrap()
}

fn integer(frame: &DataFrame, column: &str) -> Option<i64> {
    assert_eq!(frame.height(), 1);
    frame.column(column).unwrap().i64().unwrap().get(0)
}

fn float(frame: &DataFrame, column: &str) -> Option<f64> {
    assert_eq!(frame.height(), 1);
    frame.column(column).unwrap().f64().unwrap().get(0)
}

fn text(frame: &DataFrame, column: &str) -> Option<String> {
    assert_eq!(frame.height(), 1);
    frame.column(column).unwrap().str().unwrap().get(0).map(String::from)
}

fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    frame.column(column).unwrap().str().unwrap().iter().map(|t| t.unwrap_or("null").to_owned()).collect()
}

/// A journal in which every kind of row occurs.
fn everything() -> Journal {
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let cold = Cell { start: Start::Cold, ..cell("rust") };
    let arm = Cell { architecture: Architecture::Arm64, ..cell("rust") };
    let reference = Cell { input: Input::Reference, ..cell("rust") };
    let mut journal = Journal::of(&[pillow.clone(), rust.clone(), cold.clone(), arm, reference.clone()]);
    journal.pass(&Pass::of(&pillow, 1, 900.0)).supersede(&pillow);
    journal.pass(&Pass { warm_up: true, init_ms: Some(150.0), ..Pass::of(&pillow, 1, 300.0) });
    for (repetition, ms) in (1..).zip([102.0, 98.0, 110.0, 95.0, 101.0, 99.0, 130.0, 97.0, 103.0, 100.0]) {
        journal.pass(&Pass::of(&pillow, repetition, ms));
        journal.pass(&Pass::of(&rust, repetition, ms / 10.0));
        journal.pass(&Pass { init_ms: Some(20.0), ..Pass::of(&cold, repetition, ms / 5.0) });
        journal.pass(&Pass::of(&reference, repetition, ms / 9.0));
    }
    journal.pass(&Pass { init_ms: Some(99.0), again: Some(Again::WrongStart), ..Pass::of(&pillow, 11, 400.0) });
    journal.pass(&Pass { attempt: 2, ..Pass::of(&pillow, 11, 104.0) });
    journal.pass(&Pass { status: [Status::Ok, Status::FunctionError], ..Pass::of(&pillow, 12, 50.0) });
    journal.pass(&Pass { finished: false, ..Pass::of(&pillow, 13, 60.0) });
    journal.pass(&Pass { attempt: 2, ..Pass::of(&pillow, 13, 105.0) });
    journal.pass(&Pass { report: false, ..Pass::of(&pillow, 14, 106.0) });
    journal.pass(&Pass {
        status: [Status::Throttled, Status::Ok],
        again: Some(Again::Throttled),
        ..Pass::of(&rust, 11, 9.0)
    });
    journal.pass(&Pass { attempt: 2, ..Pass::of(&rust, 11, 9.0) });
    journal.check_all(&pillow).check_all(&rust).check_all(&cold).check_all(&reference);
    journal.reconciled("darkroom-pillow-greyscale", 15.0, Some(15.0));
    journal.events.splice(1..1, looks().map(Event::CodeExamined));
    journal
}

/// A look at one stage that tells all, and one that tells little.
fn looks() -> [CodeExamined; 2] {
    let known = CodeExamined {
        variant: "pillow".into(),
        stage: Some("greyscale".into()),
        language: "python".into(),
        files: vec!["greyscale.py".into(), "objects.py".into()],
        lines_total: Some(53),
        lines_code: Some(40),
        lines_blank: Some(8),
        lines_comment: Some(5),
        imports: Some(vec!["PIL".into(), "boto3".into()]),
        functions: Some(4),
        complexity_max: Some(3),
        complexity_sum: Some(7),
        lints: Some([("B007".to_owned(), 1), ("F401".to_owned(), 2)].into()),
        lint_tool: Some("ruff 0.17.6: E,F".into()),
        note: None,
    };
    let little = CodeExamined {
        variant: "rust".into(),
        language: "rust".into(),
        note: Some("no lints".into()),
        ..CodeExamined::default()
    };
    [known, little]
}

#[test]
fn a_look_at_the_code_is_a_row_and_what_is_not_known_is_null() {
    let rows = Run::of(&everything()).table("code");
    assert_eq!(texts(&rows, "stage"), ["greyscale", "null"]);
    assert_eq!(texts(&rows, "files"), ["greyscale.py objects.py", ""]);
    assert_eq!(texts(&rows, "imports"), ["PIL boto3", "null"]);
    assert_eq!(texts(&rows, "lints"), ["B007:1 F401:2", "null"]);
    assert_eq!(texts(&rows, "note"), ["null", "no lints"]);
    let numbers = |name: &str| -> Vec<Option<i64>> { rows.column(name).unwrap().i64().unwrap().iter().collect() };
    assert_eq!(numbers("lines_code"), [Some(40), None]);
    assert_eq!(numbers("import_count"), [Some(2), None]);
    assert_eq!(numbers("lint_count"), [Some(3), None]);
    assert_eq!(numbers("complexity_sum"), [Some(7), None]);
}

#[test]
fn every_table_has_the_declared_columns_in_order_and_type() {
    let run = Run::of(&everything());
    for table in TABLES {
        let frame = run.table(table.name);
        assert!(frame.height() > 0, "{} is empty", table.name);
        let found: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
        let declared: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(found, declared, "{}", table.name);
        for column in table.columns {
            let expected = match column.kind {
                columns::Kind::Text => DataType::String,
                columns::Kind::Integer => DataType::Int64,
                columns::Kind::Float => DataType::Float64,
                columns::Kind::Bool => DataType::Boolean,
                columns::Kind::Time => DataType::Datetime(TimeUnit::Milliseconds, Some(TimeZone::UTC)),
            };
            assert_eq!(frame.column(column.name).unwrap().dtype(), &expected, "{}.{}", table.name, column.name);
        }
        let written = run.summary.tables.iter().find(|file| file.name == table.name).unwrap();
        assert_eq!(written.rows, frame.height());
    }
}

#[test]
fn the_sample_is_the_last_attempt_of_the_right_start_and_everything_else_is_counted() {
    let run = Run::of(&everything());
    let pillow = cell("pillow");
    let row = run.summary(&pillow, "greyscale", "duration_ms");
    // 10 repetitions, 11 and 13 at their second attempt, 12 whose greyscale stage ended well.
    assert_eq!(integer(&row, "n"), Some(13));
    assert_eq!(integer(&row, "n_warm_up"), Some(1));
    assert_eq!(integer(&row, "n_wrong_start"), Some(1));
    assert_eq!(integer(&row, "n_superseded"), Some(2), "the cell's first life and the pass that was cut off");
    assert_eq!(integer(&row, "n_missing"), Some(1), "no REPORT line");
    assert_eq!(integer(&row, "n_failed"), Some(0));
    let row = run.summary(&pillow, "resize", "duration_ms");
    assert_eq!(integer(&row, "n_failed"), Some(1));
    assert!(text(&row, "note").unwrap().contains("1 of 14 failed: the sample is of the survivors"));
    let row = run.summary(&cell("rust"), "greyscale", "duration_ms");
    assert_eq!(
        (integer(&row, "n"), integer(&row, "n_failed"), integer(&row, "n_superseded")),
        (Some(11), Some(0), Some(1))
    );
}

#[test]
fn n_and_its_companions_add_up_to_all_rows_of_every_group() {
    let run = Run::of(&everything());
    let summary = run.table("summary");
    let count = |name: &str| col(name);
    let parts = ["n", "n_failed", "n_wrong_start", "n_warm_up", "n_superseded", "n_missing"];
    let total = parts.into_iter().map(count).reduce(|a, b| a + b).unwrap();
    let sums = summary.lazy().with_column(total.alias("total")).collect().unwrap();
    let invocations = run.table("invocations");
    let pipelines = run.table("pipelines");
    let rows = |cell_id: &str, stage: &str| {
        let (frame, of_stage) = if stage == "pipeline" { (&pipelines, None) } else { (&invocations, Some(stage)) };
        let cells = texts(frame, "cell_id");
        let stages = of_stage.map(|_| texts(frame, "stage"));
        let hit = |i: usize| cells[i] == cell_id && of_stage.is_none_or(|stage| stages.as_ref().unwrap()[i] == stage);
        (0..frame.height()).filter(|&i| hit(i)).count() as i64
    };
    let totals = sums.column("total").unwrap().i64().unwrap();
    let mut seen = HashSet::new();
    for ((cell_id, stage), total) in texts(&sums, "cell_id").iter().zip(texts(&sums, "stage")).zip(totals.iter()) {
        assert_eq!(total, Some(rows(cell_id, &stage)), "{cell_id} {stage}");
        seen.insert((cell_id.clone(), stage));
    }
    assert_eq!(seen.len(), 5 * 3, "five cells of two stages and the pipeline");
}

#[test]
fn the_statistics_are_those_of_the_rows_marked_sample() {
    let run = Run::of(&everything());
    let rust = cell("rust");
    let rows = run.table("invocations").lazy();
    let mine = col("cell_id").eq(lit(rust.id().to_string())).and(col("stage").eq(lit("resize")));
    let sample = rows.filter(mine.and(col("counts_as").eq(lit("sample")))).collect().unwrap();
    let values: Vec<f64> = sample.column("duration_ms").unwrap().f64().unwrap().iter().flatten().collect();
    let expected = describe(&values);
    let row = run.summary(&rust, "resize", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(11));
    for (column, value) in [
        ("mean", expected.mean),
        ("sd", expected.sd),
        ("cv", expected.cv),
        ("min", expected.min),
        ("p50", expected.p50),
        ("p90", expected.p90),
        ("max", expected.max),
        ("iqr", expected.iqr),
        ("mad", expected.mad),
    ] {
        assert!(value.is_some());
        assert_eq!(float(&row, column), value, "{column}");
    }
    assert_eq!((float(&row, "p95"), float(&row, "p99")), (None, None));
    assert!(text(&row, "note").unwrap().contains("p95 needs n >= 20"));
}

#[test]
fn cold_is_read_from_the_report_and_is_unknown_without_one() {
    let run = Run::of(&everything());
    let rows = run.table("invocations");
    let cold = rows.column("cold").unwrap().bool().unwrap().clone();
    let init = rows.column("init_ms").unwrap().f64().unwrap().clone();
    let duration = rows.column("duration_ms").unwrap().f64().unwrap().clone();
    for i in 0..rows.height() {
        assert_eq!(cold.get(i), duration.get(i).map(|_| init.get(i).is_some()), "row {i}");
    }
    assert!((0..rows.height()).any(|i| cold.get(i).is_none()));
    let cold = Cell { start: Start::Cold, ..cell("rust") };
    let total = run.summary(&cold, "greyscale", "cold_total_ms");
    let (init, duration) = (run.summary(&cold, "greyscale", "init_ms"), run.summary(&cold, "greyscale", "duration_ms"));
    assert_eq!(float(&init, "mean"), Some(20.0));
    let sum = float(&init, "mean").unwrap() + float(&duration, "mean").unwrap();
    assert!((float(&total, "mean").unwrap() - sum).abs() < 1e-9);
    assert_eq!(run.summary(&cell("pillow"), "greyscale", "init_ms").height(), 0, "a warm cell has no init to describe");
    assert_eq!(run.summary.cells[2].stages[0].metric, "cold_total_ms");
}

#[test]
fn a_cell_that_cannot_run_here_is_listed_with_its_reason() {
    let run = Run::of(&everything());
    let arm = Cell { architecture: Architecture::Arm64, ..cell("rust") };
    let row = run.summary(&arm, "greyscale", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(0));
    assert_eq!(float(&row, "mean"), None);
    assert_eq!(text(&row, "note").unwrap(), "not runnable here: this host is x86_64");
    assert_eq!(run.summary.not_runnable().count(), 1);
    let costs = run.table("costs");
    assert_eq!(costs.height(), 5);
    assert!(texts(&costs, "note").iter().any(|note| note.contains("not runnable")));
}

#[test]
fn a_cell_that_has_not_run_yet_is_listed_as_not_measured() {
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let mut journal = Journal::of(&[pillow.clone(), rust.clone()]);
    journal.pass(&Pass::of(&pillow, 1, 100.0));
    let run = Run::of(&journal);
    assert_eq!(text(&run.summary(&rust, "pipeline", "turnaround_s"), "note").unwrap(), "not measured");
    assert!(!run.summary.has_failures());
}

#[test]
fn wrong_outputs_are_shown_with_their_reason_and_never_ranked() {
    let (pillow, rust, unchecked) = (cell("pillow"), cell("rust"), cell("numpy"));
    let mut journal = Journal::of(&[pillow.clone(), rust.clone(), unchecked.clone()]);
    for (cell, ms) in [(&pillow, 100.0), (&rust, 10.0), (&unchecked, 50.0)] {
        journal.pass(&Pass::of(cell, 1, ms));
    }
    journal.check_all(&pillow);
    let wrong = Pass::of(&rust, 1, 10.0);
    journal.check(&wrong, 0, None).check(&wrong, 1, Some("blank"));
    let run = Run::of(&journal);
    let fast = run.summary(&rust, "greyscale", "duration_ms");
    assert_eq!(fast.column("outputs_ok").unwrap().bool().unwrap().get(0), Some(false));
    assert_eq!(text(&fast, "reason").unwrap(), "resize: blank (1 of 1)");
    assert_eq!((float(&fast, "mean"), integer(&fast, "rank")), (Some(10.0), None));
    assert_eq!(integer(&run.summary(&pillow, "greyscale", "duration_ms"), "rank"), Some(1));
    let unknown = run.summary(&unchecked, "greyscale", "duration_ms");
    assert_eq!(unknown.column("outputs_ok").unwrap().bool().unwrap().get(0), None);
    assert_eq!(integer(&unknown, "rank"), None);
    assert_eq!(run.summary.wrong_outputs.len(), 1);
    assert_eq!(run.summary.wrong_outputs[0].detail.as_deref(), Some("it is blank"));
    assert!(run.summary.has_failures());
}

#[test]
fn checks_of_a_cell_measured_anew_no_longer_decide() {
    let rust = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&rust));
    let pass = Pass::of(&rust, 1, 10.0);
    journal.pass(&pass).check(&pass, 0, Some("blank")).supersede(&rust);
    journal.pass(&pass).check(&pass, 0, None);
    let run = Run::of(&journal);
    assert_eq!(run.summary.cells[0].outputs_ok, Some(true));
    assert!(run.summary.wrong_outputs.is_empty());
    assert_eq!(run.table("outputs").height(), 2);
}

#[test]
fn comparable_cells_are_ranked_by_mean_and_reference_input_apart_from_chained() {
    let run = Run::of(&everything());
    let rank = |cell: &Cell| integer(&run.summary(cell, "greyscale", "duration_ms"), "rank");
    assert_eq!((rank(&cell("rust")), rank(&cell("pillow"))), (Some(1), Some(2)));
    assert_eq!(rank(&Cell { input: Input::Reference, ..cell("rust") }), Some(1));
    assert_eq!(rank(&Cell { start: Start::Cold, ..cell("rust") }), Some(1));
}

#[test]
fn stages_that_ran_independently_have_a_cost_and_no_turnaround() {
    let run = Run::of(&everything());
    let reference = Cell { input: Input::Reference, ..cell("rust") };
    assert_eq!(run.summary(&reference, "pipeline", "turnaround_s").height(), 0);
    assert_eq!(run.summary.cells[4].turnaround_s, None);
    assert_eq!(run.summary.cells[4].cost_usd_per_100k.n, 10);
}

#[test]
fn costs_are_the_worked_ones_by_part() {
    let (warm, cold) = (cell("pillow"), Cell { start: Start::Cold, ..cell("pillow") });
    let mut journal = Journal::of(&[warm.clone(), cold.clone()]);
    journal.pass(&Pass { ms: [99.2, 99.2], ..Pass::of(&warm, 1, 0.0) });
    journal.pass(&Pass { ms: [99.2, 99.2], init_ms: Some(180.3), ..Pass::of(&cold, 1, 0.0) });
    let run = Run::of(&journal);
    let costs = run.table("costs");
    let usd = |column: &str, row: usize| costs.column(column).unwrap().f64().unwrap().get(row).unwrap();
    // Two stages of the method's one-stage examples.
    assert!((usd("cost_usd_per_100k", 0) - 2.0 * 0.103_333_5).abs() < 1e-9);
    assert!((usd("cost_usd_per_100k", 1) - 2.0 * 0.253_333_8).abs() < 1e-9);
    for row in 0..2 {
        let parts = ["compute", "init", "request", "ephemeral"].map(|part| usd(&format!("{part}_usd_per_100k"), row));
        assert!((parts.iter().sum::<f64>() - usd("cost_usd_per_100k", row)).abs() < 1e-12);
        assert!((usd("s3_usd_per_100k", row) - 2.0 * 0.54).abs() < 1e-9);
    }
    assert!(usd("init_usd_per_100k", 0) == 0.0 && usd("init_usd_per_100k", 1) > 0.29);
    let stage = run.summary(&warm, "greyscale", "cost_usd_per_100k");
    assert!((float(&stage, "mean").unwrap() - 0.103_333_5).abs() < 1e-9);
}

#[test]
fn a_pass_with_a_stage_that_was_never_billed_has_no_cost() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0)).pass(&Pass { report: false, ..Pass::of(&pillow, 2, 100.0) });
    let run = Run::of(&journal);
    let row = run.summary(&pillow, "pipeline", "cost_usd");
    assert_eq!((integer(&row, "n"), integer(&row, "n_missing")), (Some(1), Some(1)));
}

#[test]
fn no_table_holds_a_nan_or_an_infinity_whatever_was_recorded() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass { ms: [f64::NAN, f64::INFINITY], ..Pass::of(&pillow, 1, 0.0) });
    journal.pass(&Pass::of(&pillow, 2, 100.0));
    let run = Run::of(&journal);
    for table in TABLES {
        let frame = run.table(table.name);
        for column in frame.columns().iter().filter(|column| column.dtype() == &DataType::Float64) {
            let finite = column.f64().unwrap().iter().flatten().all(f64::is_finite);
            assert!(finite, "{}.{}", table.name, column.name());
        }
    }
    let row = run.summary(&pillow, "greyscale", "duration_ms");
    assert_eq!((integer(&row, "n"), integer(&row, "n_missing"), float(&row, "mean")), (Some(1), Some(1), Some(100.0)));
}

#[test]
fn failures_are_named_with_cell_stage_and_message() {
    let run = Run::of(&everything());
    assert_eq!(run.summary.failures.len(), 1, "{:?}", run.summary.failures);
    let failure = &run.summary.failures[0];
    assert_eq!(
        (failure.stage.as_deref(), failure.status.as_str(), failure.count),
        (Some("resize"), "function_error", 1)
    );
    assert_eq!(failure.error.as_deref(), Some("no such image"));
}

#[test]
fn an_outlier_is_flagged_in_its_row_and_stays_in_the_statistics() {
    let run = Run::of(&everything());
    let rows = run.table("invocations").lazy();
    let flagged = rows.filter(col("outlier").and(col("cell_id").eq(lit(cell("rust").id().to_string()))));
    let flagged = flagged.collect().unwrap();
    assert_eq!(texts(&flagged, "stage"), ["greyscale", "resize"], "the 13.0 of each stage");
    let row = run.summary(&cell("rust"), "greyscale", "duration_ms");
    assert_eq!((integer(&row, "n_outliers"), float(&row, "max")), (Some(1), Some(13.0)));
}

#[test]
fn the_logs_environment_reaches_the_row_of_its_request() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0));
    journal.events.push(environment_seen(1, "2026/11/24/[$LATEST]ff"));
    let rows = Run::of(&journal).table("invocations");
    assert_eq!(texts(&rows, "environment_id"), ["null", "2026/11/24/[$LATEST]ff"]);
    assert_eq!(texts(&rows, "request_id")[1], "00000000-0000-4000-8000-000000000001");
    let bytes = rows.column("bytes_in").unwrap().i64().unwrap().clone();
    assert_eq!((bytes.get(0), bytes.get(1)), (Some(5000), Some(1234)), "as the pass saw them");
}

#[test]
fn the_same_journal_gives_the_same_files_byte_for_byte() {
    let (one, two) = (Run::of(&everything()), Run::of(&everything()));
    for table in TABLES {
        assert!(one.bytes(table.name) == two.bytes(table.name), "{}", table.name);
    }
}

#[test]
fn the_conclusions_are_the_same_bytes_whatever_the_number_of_threads() {
    let journal = everything();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
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
    let last_marker = reversed.events.iter().rposition(|e| matches!(e, Event::CellsSuperseded { .. })).unwrap();
    reversed.events[last_marker + 1..].reverse();
    let (one, two) = (Run::of(&journal).table("summary"), Run::of(&reversed).table("summary"));
    assert!(one.equals_missing(&two));
}

#[test]
fn every_file_says_where_it_comes_from() {
    let run = Run::of(&everything());
    for table in TABLES {
        let path = run.dir.path().join(format!("{}.parquet", table.name));
        let mut reader = ParquetReader::new(std::fs::File::open(path).unwrap());
        let metadata = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
        let value = |key: &str| metadata.iter().find(|kv| kv.key == key).and_then(|kv| kv.value.clone()).unwrap();
        assert_eq!(value("darkroom.run_id"), "2026-11-24T18-00-00Z-abc");
        assert_eq!(value("darkroom.schema_version"), darkroom_tables::SCHEMA_VERSION.to_string());
        assert_eq!(value("darkroom.seed"), "562");
        assert_eq!(value("darkroom.manifest_sha256"), "ab".repeat(32));
        assert_eq!(value("darkroom.code_sha256"), r#"{"darkroom-a-greyscale":"c29tZSBoYXNo"}"#);
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
    // A folder in the place of one table: that table can't be replaced, and no half-written file is left.
    std::fs::remove_file(run.dir.path().join("pipelines.parquet")).unwrap();
    std::fs::create_dir(run.dir.path().join("pipelines.parquet")).unwrap();
    assert!(aggregate(everything().facts(), &prices(), run.dir.path()).is_err());
    assert!(run.bytes("summary") == before);
    let left: Vec<_> = std::fs::read_dir(run.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".partial")), "{left:?}");
}

#[test]
fn a_journal_that_contradicts_itself_is_refused_with_what_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let refused =
        |events: Vec<Event>| aggregate(events.into_iter().map(Ok::<_, String>), &prices(), dir.path()).unwrap_err();
    assert!(matches!(refused(vec![]), TablesError::NoRunStarted));
    let mut events = everything().events;
    let run_started = events.remove(0);
    assert!(matches!(refused(events), TablesError::NoRunStarted));
    let stray = Event::CellsSuperseded { at: "2026-11-24T18:00:00.000Z".into(), cells: vec![journal::unknown_cell()] };
    assert!(refused(vec![run_started, stray]).to_string().contains("nobody.x86_64"));
    let mut journal = everything();
    for event in &mut journal.events {
        if let Event::InvocationFinished(invocation) = event {
            invocation.started_at = "yesterday".into();
        }
    }
    assert!(refused(journal.events).to_string().contains("yesterday"));
}

#[test]
fn a_run_that_measured_nothing_yet_has_empty_tables_and_a_full_summary() {
    let run = Run::of(&Journal::of(&[cell("pillow")]));
    assert_eq!(run.table("invocations").height(), 0);
    assert_eq!(run.table("costs").height(), 1);
    assert_eq!(integer(&run.summary(&cell("pillow"), "resize", "duration_ms"), "n"), Some(0));
}

#[test]
fn a_last_attempt_of_the_wrong_start_is_not_a_sample_though_nobody_repeated_it() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.pass(&Pass::of(&pillow, 1, 100.0)).pass(&Pass { init_ms: Some(80.0), ..Pass::of(&pillow, 2, 100.0) });
    let run = Run::of(&journal);
    for (stage, metric) in [("greyscale", "duration_ms"), ("pipeline", "turnaround_s")] {
        let row = run.summary(&pillow, stage, metric);
        assert_eq!((integer(&row, "n"), integer(&row, "n_wrong_start")), (Some(1), Some(1)), "{stage}");
    }
}

/// The one row of `comparisons` of these two cells.
fn comparison(run: &Run, a: &Cell, b: &Cell, stage: &str, metric: &str) -> DataFrame {
    let wanted = [("cell_a", a.id().to_string()), ("cell_b", b.id().to_string())];
    let wanted = wanted.into_iter().chain([("stage", stage.to_owned()), ("metric", metric.to_owned())]);
    let wanted = wanted.map(|(column, value)| col(column).eq(lit(value))).reduce(Expr::and).unwrap();
    run.table("comparisons").lazy().filter(wanted).collect().unwrap()
}

#[test]
fn intervals_stand_beside_every_statistic() {
    let run = Run::of(&everything());
    let row = run.summary(&cell("rust"), "resize", "duration_ms");
    let (low, mean, high) = (float(&row, "mean_ci_low"), float(&row, "mean"), float(&row, "mean_ci_high"));
    assert!(low < mean && mean < high, "{low:?} {mean:?} {high:?}");
    for statistic in ["sd", "cv", "p50"] {
        assert!(float(&row, &format!("{statistic}_ci_low")) < float(&row, &format!("{statistic}_ci_high")));
    }
    assert_eq!((float(&row, "p95_ci_low"), float(&row, "p95_ci_high")), (None, None), "there is no p95 at n = 11");
    assert!(text(&row, "ci_method").unwrap().starts_with("bca"));
    assert!(
        float(&row, "r1").is_some() && float(&row, "trend_p_adj").is_some() && float(&row, "halves_ratio").is_some()
    );
    let (usd, per_100k) = (
        run.summary(&cell("rust"), "pipeline", "cost_usd"),
        run.summary(&cell("rust"), "pipeline", "cost_usd_per_100k"),
    );
    assert_eq!(float(&usd, "mean_ci_high").map(|v| v * 100_000.0), float(&per_100k, "mean_ci_high"));
    assert_eq!(run.summary.cells[1].cost_usd_per_100k.mean_ci.map(|ci| ci.1), float(&per_100k, "mean_ci_high"));
    let costs = run.table("costs");
    assert_eq!(
        costs.column("cost_usd_per_100k_ci_high").unwrap().f64().unwrap().get(1),
        float(&per_100k, "mean_ci_high")
    );
}

#[test]
fn a_sample_that_drifts_is_noted_and_kept() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    for repetition in 1..=30 {
        journal.pass(&Pass::of(&pillow, repetition, 100.0 + f64::from(repetition)));
    }
    let row = Run::of(&journal).summary(&pillow, "greyscale", "duration_ms");
    assert_eq!(integer(&row, "n"), Some(30));
    assert!(text(&row, "note").unwrap().contains("rises over the run"));
    assert!(text(&row, "note").unwrap().contains("autocorrelated"));
    assert_eq!(text(&row, "ci_method").unwrap(), "block");
}

#[test]
fn cells_that_differ_in_one_factor_are_compared_pass_by_pass() {
    let run = Run::of(&everything());
    let (pillow, rust) = (cell("pillow"), cell("rust"));
    let row = comparison(&run, &pillow, &rust, "greyscale", "duration_ms");
    assert_eq!(text(&row, "factor").unwrap(), "variant");
    assert_eq!(row.column("paired").unwrap().bool().unwrap().get(0), Some(false), "11 of 13 is less than 90%");
    assert!(float(&row, "ratio_mean_ci_high").unwrap() < 0.12);
    assert_eq!((text(&row, "verdict").unwrap().as_str(), text(&row, "effect").unwrap().as_str()), ("faster", "large"));
    assert_eq!(float(&row, "cliffs_delta"), Some(-1.0));
    assert!(float(&row, "p_adj") >= float(&row, "p"));
    let cost = comparison(&run, &pillow, &rust, "pipeline", "cost_usd");
    assert_eq!(text(&cost, "verdict").unwrap(), "cheaper");
    let cold = Cell { start: Start::Cold, ..cell("rust") };
    let start = comparison(&run, &rust, &cold, "resize", "duration_ms");
    assert_eq!(start.column("paired").unwrap().bool().unwrap().get(0), Some(true));
    assert_eq!(text(&start, "test").unwrap(), "wilcoxon");
    assert_eq!(integer(&start, "n_a"), Some(10));
}

#[test]
fn reference_and_chained_input_are_never_compared() {
    let run = Run::of(&everything());
    let reference = Cell { input: Input::Reference, ..cell("rust") }.id().to_string();
    let table = run.table("comparisons");
    assert_eq!(table.height(), 12, "variant, architecture and start: two stages, turnaround and cost each");
    assert!(texts(&table, "cell_a").iter().chain(&texts(&table, "cell_b")).all(|cell| *cell != reference));
}

#[test]
fn nothing_is_claimed_of_wrong_unchecked_or_unmeasured_cells() {
    let (pillow, rust, numpy) = (cell("pillow"), cell("rust"), cell("numpy"));
    let arm = Cell { architecture: Architecture::Arm64, ..cell("pillow") };
    let mut journal = Journal::of(&[pillow.clone(), rust.clone(), numpy.clone(), arm.clone()]);
    for repetition in 1..=20 {
        for (cell, ms) in [(&pillow, 100.0), (&rust, 10.0), (&numpy, 50.0)] {
            journal.pass(&Pass::of(cell, repetition, ms + f64::from(repetition)));
        }
    }
    journal.check_all(&pillow).check(&Pass::of(&rust, 1, 0.0), 1, Some("blank"));
    let run = Run::of(&journal);
    let verdict = |b: &Cell| {
        let row = comparison(&run, &pillow, b, "greyscale", "duration_ms");
        assert_eq!(float(&row, "p_adj"), None);
        text(&row, "verdict").unwrap()
    };
    assert_eq!((verdict(&rust).as_str(), verdict(&numpy).as_str()), ("wrong outputs", "outputs not checked"));
    assert_eq!(verdict(&arm), "not measured");
    assert!(float(&comparison(&run, &pillow, &rust, "greyscale", "duration_ms"), "p").is_some());
    let row = comparison(&run, &pillow, &arm, "greyscale", "duration_ms");
    assert!(text(&row, "note").unwrap().contains("not runnable here: this host is x86_64"));
    assert_eq!((integer(&row, "n_b"), float(&row, "ratio_mean")), (Some(0), None));
    assert!(run.summary.comparisons.iter().all(|c| c.p_adjusted.is_none()), "{:?}", run.summary.comparisons);
}

#[test]
fn hops_are_a_metric_of_every_stage_and_a_turnaround_is_the_sum_of_its_parts() {
    let cell = Cell { trigger: Trigger::S3, ..cell("rust") };
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    for repetition in 1..=4 {
        journal.pass(&Pass::of(&cell, repetition, 40.0));
    }
    journal.pass(&Pass { status: [Status::Ok, Status::FunctionError], ..Pass::of(&cell, 5, 40.0) });
    let run = Run::of(&journal);
    // Delays of -1.5, -0.5, 0.5 and 1.5 ms: what is negative stays so.
    let hop = run.summary(&cell, "resize", "trigger_delay_ms");
    assert_eq!(
        (integer(&hop, "n"), float(&hop, "min"), float(&hop, "p50"), float(&hop, "max")),
        (Some(4), Some(-1.5), Some(0.0), Some(1.5))
    );
    assert!(text(&hop, "note").unwrap().contains("cross_clock"));
    let invocations = run.table("invocations");
    assert_eq!(invocations.column("trigger_delay_clock").unwrap().null_count(), 0);
    assert_eq!(texts(&invocations, "trigger_delay_clock")[0], "cross_clock");
    let pipelines = run.table("pipelines");
    let part = |name: &str| pipelines.column(name).unwrap().f64().unwrap().iter().collect::<Vec<_>>();
    // 40 + 20 ms and 3 ms of overhead, of which 2 ms are the upload and 2 x the delay are hops.
    for row in 0..4 {
        let [turnaround, upload, hops, running, remainder] =
            ["turnaround_s", "upload_ms", "trigger_delays_ms", "running_ms", "remainder_ms"]
                .map(|name| part(name)[row]);
        assert_eq!((upload, running), (Some(2.0), Some(60.0)));
        assert_eq!(hops, Some(2.0 * (row as f64 + 1.0 - 2.5)));
        assert!((remainder.unwrap() - (1.0 - hops.unwrap())).abs() < 1e-9, "{remainder:?}");
        let sum = upload.unwrap() + hops.unwrap() + running.unwrap() + remainder.unwrap();
        assert!((turnaround.unwrap() * 1e3 - sum).abs() < 1e-9);
    }
    // The chain that broke has no turnaround to take apart.
    assert_eq!(part("remainder_ms")[4], None);
}

#[test]
fn a_cell_that_the_runner_calls_has_no_hops() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0));
    let run = Run::of(&journal);
    assert_eq!(run.summary(&cell, "resize", "trigger_delay_ms").height(), 0);
    assert_eq!(run.table("invocations").column("trigger_delay_clock").unwrap().null_count(), 2);
    assert_eq!(run.summary.cells[0].stages[0].trigger_delay_ms, None);
}

#[test]
fn polls_more_than_two_hundredths_of_the_median_apart_are_said_and_flagged() {
    // 1.5 ms apart in turnarounds of 3 ms more than the stages' 1.5 x `ms`.
    for (ms, coarse, share) in [(47.0, Some(true), 1.5 / 73.5), (50.0, Some(false), 1.5 / 78.0)] {
        let cell = Cell { trigger: Trigger::S3, ..cell("rust") };
        let mut journal = Journal::of(std::slice::from_ref(&cell));
        journal.pass(&Pass::of(&cell, 1, ms)).pass(&Pass::of(&cell, 2, ms));
        let run = Run::of(&journal);
        let row = run.summary(&cell, "pipeline", "turnaround_s");
        assert_eq!(row.column("coarse").unwrap().bool().unwrap().get(0), coarse);
        assert!((float(&row, "resolution_share").unwrap() - share).abs() < 1e-12);
        let warned = text(&row, "note").unwrap_or_default().contains("seen late by up to");
        assert_eq!(
            (warned, run.summary.cells[0].coarse_resolution.is_some()),
            (coarse == Some(true), coarse == Some(true))
        );
    }
}

#[test]
fn what_cloudwatch_counted_otherwise_is_a_row_and_in_the_summary() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0));
    journal.reconciled("a", 7.0, Some(7.0)).reconciled("b", 7.0, Some(8.0));
    journal.events.push(Event::RunResumed { at: "2026-11-24T19:00:00.000Z".into(), cells: vec![cell.id()] });
    journal.reconciled("a", 3.0, None);
    let run = Run::of(&journal);
    let found = &run.summary.reconciliation;
    assert_eq!((found.sessions, found.sessions_reconciled, found.functions), (2, 1, 2));
    assert!((found.invocations - 14.0).abs() < 1e-9);
    let [difference] = &found.differences[..] else { panic!("{found:?}") };
    assert_eq!((difference.session, difference.function.as_str(), difference.metric), (1, "b", "invocations"));
    assert_eq!(found.unknown, ["interrupted"]);
    let table = run.table("reconciliation");
    let agrees: Vec<_> = table.column("agrees").unwrap().bool().unwrap().iter().collect();
    assert_eq!(agrees, [Some(true), Some(false), None]);
    let sessions: Vec<_> = table.column("session").unwrap().i64().unwrap().iter().flatten().collect();
    assert_eq!(sessions, [1, 1, 2]);
}

#[test]
fn a_cell_that_never_ends_well_with_one_of_its_images_is_not_right() {
    let cell = cell("rust");
    let mut journal = Journal::of(std::slice::from_ref(&cell));
    journal.pass(&Pass::of(&cell, 1, 40.0)).check_all(&cell);
    let failing =
        Pass { image: "chelsea.png", status: [Status::Ok, Status::FunctionError], ..Pass::of(&cell, 1, 40.0) };
    journal.pass(&failing);
    let found = |journal: &Journal| {
        let cells = Run::of(journal).summary.cells;
        (cells[0].outputs_ok, cells[0].reason.clone())
    };
    assert_eq!(found(&journal), (Some(false), Some("no output of 1 of 2 images".into())));
    // Once is enough to show that it can.
    journal.pass(&Pass { status: [Status::Ok; 2], repetition: 2, ..failing });
    assert_eq!(found(&journal), (Some(true), None));
}

#[test]
fn the_same_code_deployed_twice_is_compared_and_its_share_of_the_variance_told() {
    let pillow = cell("pillow");
    let mut journal = Journal::of(std::slice::from_ref(&pillow));
    journal.deployments(2).check_all(&pillow);
    for repetition in 1..=20 {
        for (deployment, slower) in [(1, 1.0), (2, 1.3)] {
            for image in ["astronaut.png", "chelsea.png"] {
                let ms = (100.0 + f64::from(repetition % 5)) * slower;
                journal.pass(&Pass { image, deployment, ..Pass::of(&pillow, repetition, ms) });
            }
        }
    }
    let run = Run::of(&journal);
    let twins = run.table("comparisons").lazy().filter(col("factor").eq(lit("deployment"))).collect().unwrap();
    let duration = twins.lazy().filter(col("metric").eq(lit("duration_ms")).and(col("stage").eq(lit("resize"))));
    let row = duration.collect().unwrap();
    assert_eq!((text(&row, "level_a").as_deref(), text(&row, "level_b").as_deref()), (Some("1"), Some("2")));
    assert!((float(&row, "ratio_mean").unwrap() - 1.3).abs() < 1e-9);
    assert_eq!(text(&row, "verdict").as_deref(), Some("slower"));
    let summary = run.summary(&pillow, "resize", "duration_ms");
    assert!(float(&summary, "variance_deployment").unwrap() > 0.9);
    assert_eq!(float(&summary, "variance_environment"), None, "no environment is known");
}
