//! How long a large journal takes to become tables, and how much memory: `cargo bench -p darkroom-tables --bench aggregate`.
//!
//! Makes up a run of `--rows` invocations (1,000,000 unless said otherwise), writes its journal, and measures in one
//! process: reading the journal alone, journal to tables, and a bare Polars group-by of the written `invocations`. Aim
//! for 1,000,000 rows: under 5 s and 1 GB. `--keep DIR` leaves the tables there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use darkroom_core::cell::{Architecture, Cell, Input, Start, Trigger};
use darkroom_core::cost::{PriceTable, billed_ms};
use darkroom_core::event::{
    Event, Invocation, JOURNAL_VERSION, OutputCheck, PassKey, PipelinePass, PlannedCell, Report, RunStarted, Status,
    Verdict,
};
use polars::prelude::*;

const STAGES: [&str; 5] = ["greyscale", "resize", "colour-depth", "rotate", "convert"];
const IMAGES: [&str; 6] = ["astronaut.png", "chelsea.png", "coffee.png", "hubble.png", "retina.png", "rocket.png"];

#[expect(clippy::print_stdout, reason = "a benchmark reports to its terminal")]
fn main() {
    let rows = argument("--rows").map_or(1_000_000, |rows| rows.parse().expect("--rows takes a number"));
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = argument("--keep").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).expect("a writable folder");
    let prices = PriceTable::parse(include_str!("../../../experiments/prices/us-east-1.toml")).expect("a price table");
    let journal = dir.join("journal.ndjson");
    write_journal(&journal, rows);

    let (started, cpu) = (Instant::now(), cpu_s());
    let events = read_journal(&journal).count();
    let reading_s = started.elapsed().as_secs_f64();
    println!("read journal       {reading_s:8.2} s   {:.2} s of CPU, {events} events", cpu_s() - cpu);

    let (started, cpu) = (Instant::now(), cpu_s());
    let summary =
        darkroom_tables::aggregate(read_journal(&journal).map(Ok::<_, String>), &prices, &dir).expect("tables");
    let (whole_s, whole_cpu_s) = (started.elapsed().as_secs_f64(), cpu_s() - cpu);
    let peak_mb = peak_rss_mb();
    let rate = rows as f64 / whole_s;
    println!("journal to tables  {whole_s:8.2} s   {whole_cpu_s:.2} s of CPU, {rate:.0} rows/s, peak {peak_mb} MB");

    let started = Instant::now();
    let groups = bare_group_by(&dir.join("invocations.parquet"));
    let bare_s = started.elapsed().as_secs_f64();
    println!("bare group-by      {bare_s:8.2} s   {groups} groups of the same file");
    println!("tables / reading   {:8.2}     aggregation adds this factor to reading the journal", whole_s / reading_s);
    for table in &summary.tables {
        println!("{:>12} {:>10} rows", table.name, table.rows);
    }
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    arguments.next()
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

fn bare_group_by(path: &Path) -> usize {
    let quantile = |p: f64| col("duration_ms").quantile(lit(p), QuantileMethod::Linear).alias(format!("p{p}"));
    let ms = || col("duration_ms");
    LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), ScanArgsParquet::default())
        .expect("the table")
        .filter(col("counts_as").eq(lit("sample")))
        .group_by([col("cell_id"), col("stage")])
        .agg([ms().mean().alias("mean"), ms().std(1).alias("sd"), quantile(0.5), quantile(0.95)])
        .collect()
        .expect("a group-by")
        .height()
}

/// CPU time of this process so far, which a busy machine does not stretch; 0 where there is no /proc.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // After the command's name: utime and stime are the 12th and 13th, in ticks of 10 ms.
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for variant in ["pillow", "numpy", "rust"] {
        for memory_mb in [512, 1769] {
            for start in [Start::Warm, Start::Cold] {
                cells.push(Cell {
                    variant: variant.into(),
                    architecture: Architecture::X86_64,
                    memory_mb,
                    image_set: "photos".into(),
                    trigger: Trigger::Direct,
                    input: Input::Chained,
                    start,
                    concurrency: 1,
                });
            }
        }
    }
    cells
}

/// A run of about `rows` invocations, five to a pass, made up as it is asked for.
fn events(rows: usize) -> impl Iterator<Item = Event> {
    let cells = cells();
    let mut random = Random(562);
    let started = Event::RunStarted(run_started(&cells));
    let passes = rows.div_ceil(STAGES.len());
    let of_pass = move |index: usize| {
        let cell = &cells[index % cells.len()];
        pass_events(cell, cell_speed(index % cells.len()), index / cells.len(), index, &mut random)
    };
    std::iter::once(started).chain((0..passes).flat_map(of_pass))
}

fn cell_speed(index: usize) -> f64 {
    [1.0, 0.5, 0.8, 0.45, 0.2, 0.1][index / 2]
}

fn pass_events(cell: &Cell, speed: f64, round: usize, index: usize, random: &mut Random) -> Vec<Event> {
    let pass = PassKey {
        cell_id: cell.id(),
        deployment: 1,
        image: IMAGES[round % IMAGES.len()].into(),
        warm_up: round < IMAGES.len(),
        repetition: (round / IMAGES.len()) as u32 + 1,
        attempt: 1,
    };
    let mut events = Vec::with_capacity(STAGES.len() * 2 + 1);
    let mut turnaround_ms = 0.0;
    for stage in 0..STAGES.len() {
        let init_ms = (cell.start == Start::Cold).then(|| (80.0 * random.lognormal(0.2) * 100.0).round() / 100.0);
        let base = [120.0, 80.0, 60.0, 55.0, 200.0][stage] * speed * (1.0 + 0.3 * (round % IMAGES.len()) as f64);
        let duration_ms = (base * random.lognormal(0.12) * 100.0).round() / 100.0;
        turnaround_ms += duration_ms + init_ms.unwrap_or(0.0) + 2.0;
        events.push(Event::InvocationFinished(invocation(&pass, stage, index, duration_ms, init_ms, cell.memory_mb)));
    }
    if round < IMAGES.len() {
        events.extend((0..STAGES.len()).map(|stage| Event::OutputChecked(check(&pass, stage))));
    }
    events.push(Event::PipelineFinished(PipelinePass {
        pass,
        started_at: at(index),
        turnaround_s: Some(turnaround_ms / 1000.0),
        resolution_ms: 0.0,
        upload_ms: None,
        complete: true,
        failed_stage: None,
        again: None,
        input_bytes: vec![Some(500_000); STAGES.len()],
        output_bytes: vec![Some(400_000); STAGES.len()],
    }));
    events
}

fn invocation(pass: &PassKey, stage: usize, index: usize, ms: f64, init_ms: Option<f64>, memory_mb: u32) -> Invocation {
    Invocation {
        pass: pass.clone(),
        stage: STAGES[stage].into(),
        stage_index: stage as u32,
        function: format!("darkroom-{}-{}", pass.cell_id, STAGES[stage]),
        sequence: (index * STAGES.len() + stage) as u64,
        scheduled_at: at(index),
        started_at: at(index),
        client_ms: Some(ms + init_ms.unwrap_or(0.0) + 1.7),
        status: Status::Ok,
        error_type: None,
        error: None,
        request_id: Some(format!("{index:08x}-0000-4000-8000-{stage:012x}")),
        report: Some(Report {
            duration_ms: ms,
            billed_ms: billed_ms(ms, init_ms),
            memory_mb,
            max_memory_mb: 90,
            init_ms,
        }),
        environment_id: Some(format!("2026/11/24/[$LATEST]{:032x}", index % 97)),
        code_sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into(),
        bytes_in: Some(500_000),
        bytes_out: Some(400_000),
        environment_round: Some(1),
        ended_at: None,
        trigger_delay_ms: None,
        handler_reported_ms: None,
        profile: None,
    }
}

fn check(pass: &PassKey, stage: usize) -> OutputCheck {
    OutputCheck {
        pass: pass.clone(),
        stage: STAGES[stage].into(),
        stage_index: stage as u32,
        output_sha256: None,
        input_sha256: None,
        picture: None,
        verdict: Verdict {
            pass: true,
            reason: None,
            detail: None,
            format: Some("png".into()),
            mode: Some("L".into()),
            width: Some(800),
            height: Some(600),
            mse: Some(0.5),
            psnr_db: Some(51.1),
            ssim: Some(0.999),
            max_abs: Some(1.0),
            mean_out: Some(400.0),
            mean_reference: Some(400.0),
            levels: Some(1000),
            orientation: None,
        },
    }
}

fn run_started(cells: &[Cell]) -> RunStarted {
    let planned = cells.iter().map(|cell| PlannedCell {
        id: cell.id(),
        cell: cell.clone(),
        model: None,
        sample: None,
        not_runnable: None,
        wrong_on_purpose: false,
    });
    RunStarted {
        journal_version: JOURNAL_VERSION,
        run_id: "benchmark".into(),
        at: at(0),
        experiment: "benchmark".into(),
        pipeline: "image-pipeline".into(),
        stages: STAGES.map(String::from).into(),
        transport: darkroom_core::pipeline::Transport::S3,
        seed: 562,
        target: "local".into(),
        region: "us-east-1".into(),
        endpoint: None,
        isolation: "none: made up".into(),
        manifest_sha256: "00".repeat(32),
        repetitions: 1,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: None,
        order: "interleaved".into(),
        cells: planned.collect(),
        image_sets: BTreeMap::new(),
        machine: BTreeMap::new(),
        darkroom_version: env!("CARGO_PKG_VERSION").into(),
    }
}

fn at(index: usize) -> String {
    let ms = i64::try_from(index).expect("a number of rows") * 100;
    let time = jiff::Timestamp::from_millisecond(1_795_000_000_000 + ms).expect("a time within range");
    format!("{time:.3}")
}

/// A small generator: the benchmark needs plausible spread, not quality.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn lognormal(&mut self, sigma: f64) -> f64 {
        let normal = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
        (sigma * normal).exp()
    }
}
