//! How long a large journal takes to become tables, and how much memory:
//! `cargo bench -p darkroom-tables --bench aggregate`.
//!
//! Makes up a run of `--rows` invocations (1,000,000 unless said otherwise), writes its journal,
//! and measures in one process: reading the journal alone, and journal to tables. Aim for 1,000,000
//! rows: under 5 s and 1 GB. `--keep DIR` leaves the tables there; the bench `summary` holds a
//! hand-written query of another engine against them.

mod made_up;

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use darkroom_core::cost::PriceTable;
use darkroom_core::event::Event;
use made_up::{argument, cpu_s, events, peak_rss_mb};

#[expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]
fn main() {
    let rows = argument("--rows").map_or(1_000_000, |rows| {
        rows.parse().expect("--rows takes a number")
    });
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = argument("--keep").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).expect("a writable folder");
    let prices = PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml"))
        .expect("a price table");
    let journal = dir.join("journal.ndjson");
    write_journal(&journal, rows);

    let (started, cpu) = (Instant::now(), cpu_s());
    let events = read_journal(&journal).count();
    let reading_s = started.elapsed().as_secs_f64();
    println!(
        "read journal       {reading_s:8.2} s   {:.2} s of CPU, {events} events",
        cpu_s() - cpu
    );

    let (started, cpu) = (Instant::now(), cpu_s());
    let summary =
        darkroom_tables::aggregate(read_journal(&journal).map(Ok::<_, String>), &prices, &dir)
            .expect("tables");
    let (whole_s, whole_cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    let peak_mb = peak_rss_mb();
    let rate = rows as f64 / whole_s;
    println!(
        "journal to tables  {whole_s:8.2} s   {whole_cpu_s:.2} s of CPU, {rate:.0} rows/s, peak {peak_mb} MB"
    );

    println!(
        "tables / reading   {:8.2}     aggregation adds this factor to reading the journal",
        whole_s / reading_s
    );
    for table in &summary.tables {
        println!("{:>12} {:>10} rows", table.name, table.rows);
    }
}

fn read_journal(path: &Path) -> impl Iterator<Item = Event> {
    let lines = BufReader::new(File::open(path).expect("the journal")).lines();
    lines.map(|line| serde_json::from_str(&line.expect("a line")).expect("an event"))
}

fn write_journal(path: &Path, rows: usize) {
    let mut file = BufWriter::new(File::create(path).expect("a writable folder"));
    for event in events(rows) {
        serde_json::to_writer(&mut file, &event).expect("an event is JSON");
        file.write_all(b"\n").expect("room on the disk");
    }
    file.flush().expect("room on the disk");
}
