//! A run that never was, for the benchmarks: seeded, five stages, twelve cells; and what a
//! benchmark says of itself.

use std::collections::BTreeMap;

use darkroom_core::cell::{Architecture, Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::cost::billed_ms;
use darkroom_core::event::{
    Event, Invocation, JOURNAL_VERSION, OutputCheck, PassKey, PipelinePass, PlannedCell, Report,
    RunStarted, Status, Verdict,
};

pub const STAGES: [&str; 5] = ["greyscale", "resize", "colour-depth", "rotate", "convert"];
const IMAGES: [&str; 6] = [
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble.png",
    "retina.png",
    "rocket.png",
];

/// Returns the value after an option of this program's.
pub fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.next()?;
    arguments.next()
}

/// CPU time of this process so far, which a busy machine does not stretch; 0 where there is no
/// /proc.
pub fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    // After the command's name: utime and stime are the 12th and 13th, in ticks of 10 ms.
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

/// Most memory that this process ever held, MB.
pub fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kb| kb.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}

/// Three variants, two memory sizes, both starts.
pub fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for variant in ["pillow", "numpy", "rust"] {
        for memory_mb in [512, 1769] {
            for start in [Start::Warm, Start::Cold] {
                cells.push(Cell {
                    runtime: None,
                    variant: variant.into(),
                    architecture: Architecture::X86_64,
                    memory_mb,
                    image_set: "photos".into(),
                    trigger: Trigger::Direct,
                    input: Input::Chained,
                    start,
                    snapstart: SnapStart::Off,
                    concurrency: 1,
                });
            }
        }
    }
    cells
}

/// A run of about `rows` invocations, five to a pass, made up as it is asked for.
pub fn events(rows: usize) -> impl Iterator<Item = Event> {
    let cells = cells();
    let mut random = Random(562);
    let started = Event::RunStarted(run_started(&cells));
    let passes = rows.div_ceil(STAGES.len());
    let of_pass = move |index: usize| {
        let cell = &cells[index % cells.len()];
        pass_events(
            cell,
            cell_speed(index % cells.len()),
            index / cells.len(),
            index,
            &mut random,
        )
    };
    std::iter::once(started).chain((0..passes).flat_map(of_pass))
}

fn cell_speed(index: usize) -> f64 {
    [1.0, 0.5, 0.8, 0.45, 0.2, 0.1][index / 2]
}

fn pass_events(
    cell: &Cell,
    speed: f64,
    round: usize,
    index: usize,
    random: &mut Random,
) -> Vec<Event> {
    let pass = PassKey {
        cell_id: cell.id(),
        deployment: 1,
        image: IMAGES[round % IMAGES.len()].into(),
        warm_up: round < IMAGES.len(),
        probe: false,
        repetition: (round / IMAGES.len()) as u32 + 1,
        attempt: 1,
    };
    let mut events = Vec::with_capacity(STAGES.len() * 2 + 1);
    let mut turnaround_ms = 0.0;
    for stage in 0..STAGES.len() {
        let init_ms = (cell.start == Start::Cold)
            .then(|| (80.0 * random.lognormal(0.2) * 100.0).round() / 100.0);
        let base = [120.0, 80.0, 60.0, 55.0, 200.0][stage]
            * speed
            * (1.0 + 0.3 * (round % IMAGES.len()) as f64);
        let duration_ms = (base * random.lognormal(0.12) * 100.0).round() / 100.0;
        turnaround_ms += duration_ms + init_ms.unwrap_or(0.0) + 2.0;
        events.push(Event::InvocationFinished(invocation(
            &pass,
            stage,
            index,
            duration_ms,
            init_ms,
            cell.memory_mb,
        )));
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
        polls: 0,
        others_under_way: Some(0),
    }));
    events
}

fn invocation(
    pass: &PassKey,
    stage: usize,
    index: usize,
    ms: f64,
    init_ms: Option<f64>,
    memory_mb: u32,
) -> Invocation {
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
        error_at: None,
        request_id: Some(format!("{index:08x}-0000-4000-8000-{stage:012x}")),
        report: Some(Report {
            duration_ms: ms,
            billed_ms: billed_ms(ms, init_ms),
            memory_mb,
            max_memory_mb: 90,
            init_ms,
            restore: None,
        }),
        init_to_start_ms: None,
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
            quality: None,
            orientation: None,
        },
    }
}

/// What such a run says of itself.
pub fn run_started(cells: &[Cell]) -> RunStarted {
    let planned = cells.iter().map(|cell| PlannedCell {
        id: cell.id(),
        cell: cell.clone(),
        model: None,
        sample: None,
        prompt: None,
        not_runnable: None,
        wrong_on_purpose: false,
        missing: std::collections::BTreeMap::new(),
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
        pipeline_sha256: None,
        until: None,
        account_id: None,
        isolation: "none: made up".into(),
        manifest_sha256: "00".repeat(32),
        repetitions: 1,
        warm_up: 1,
        deployments: 1,
        renew_environments_every: None,
        vary_inputs: false,
        order: "interleaved".into(),
        cells: planned.collect(),
        image_sets: BTreeMap::new(),
        machine: BTreeMap::new(),
        darkroom_version: env!("CARGO_PKG_VERSION").into(),
        not_checked: Vec::new(),
    }
}

fn at(index: usize) -> String {
    let ms = i64::try_from(index).expect("a number of rows") * 100;
    let time =
        jiff::Timestamp::from_millisecond(1_795_000_000_000 + ms).expect("a time within range");
    format!("{time:.3}")
}

/// A small generator: the benchmark needs plausible spread, not quality.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn lognormal(&mut self, sigma: f64) -> f64 {
        let normal = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
        (sigma * normal).exp()
    }
}
