//! How long ten million invocations take to become a summary, and how much memory:
//! `cargo bench -p darkroom-tables --bench summary -- [--rows N] [--keep DIR] [--duckdb PYTHON]`.
//!
//! Makes up a run's tables in a process of its own, then makes `summary.parquet` of
//! `invocations.parquet` and `pipelines.parquet` in another, by the code that `darkroom aggregate`
//! uses. Aim for 10,000,000 rows: 30 s and 1.5 GB. With `--duckdb` a Python that has DuckDB runs
//! `summary.sql`, a hand-written query of the same file, beside it, and what both say is compared.

mod made_up;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use darkroom_core::cost::PriceTable;
use darkroom_tables::{aggregate, summarise};
use made_up::{argument, cells, cpu_s, events, peak_rss_mb, run_started};

#[expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]
fn main() {
    let rows: usize = argument("--rows").map_or(10_000_000, |rows| {
        rows.parse().expect("--rows takes a number")
    });
    if let Some(dir) = argument("--make") {
        return make(Path::new(&dir), rows);
    }
    if let Some(dir) = argument("--measure") {
        return measure(Path::new(&dir));
    }
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = argument("--keep").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).expect("a writable folder");
    println!("{rows} invocations");
    if !dir.join("invocations.parquet").exists() {
        again(&[
            "--make",
            &dir.to_string_lossy(),
            "--rows",
            &rows.to_string(),
        ]);
    }
    again(&["--measure", &dir.to_string_lossy()]);
    if let Some(python) = argument("--duckdb") {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/summary.py");
        let done = Command::new(python)
            .arg(script)
            .arg(&dir)
            .status()
            .expect("that Python");
        assert!(done.success(), "DuckDB says otherwise");
    }
}

/// Runs this program again, so that each step's peak memory is its own.
fn again(arguments: &[&str]) {
    let program = std::env::current_exe().expect("this program");
    assert!(
        Command::new(program)
            .args(arguments)
            .status()
            .expect("this program runs")
            .success()
    );
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]
fn make(dir: &Path, rows: usize) {
    let prices = PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml"))
        .expect("a price table");
    let (started, cpu) = (Instant::now(), cpu_s());
    aggregate(events(rows).map(Ok::<_, String>), &prices, dir).expect("tables");
    let (s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    println!(
        "facts to all tables  {s:7.2} s   {cpu_s:7.2} s of CPU, peak {} MB (facts made up, no journal)",
        peak_rss_mb()
    );
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]
fn measure(dir: &Path) {
    let (started, cpu) = (Instant::now(), cpu_s());
    let table = summarise(run_started(&cells()), dir).expect("a summary");
    let (s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    println!(
        "darkroom summary     {s:7.2} s   {cpu_s:7.2} s of CPU, peak {} MB, {} rows",
        peak_rss_mb(),
        table.rows
    );
}
