//! What the report knows about a run: its tables, read once, and ways to look values up.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use darkroom_core::capability::isolation_in_words;
use darkroom_core::cell::{Architecture, Cell, Factors, Input, SnapStart, Start, Trigger};
use darkroom_core::imported::{IMPORTED, ResultsImported};
use darkroom_tables::read::{Row, Rows, Wanted, provenance, read};
use darkroom_tables::{CellMeasured, Session, TablesError, author_name, with_repair};
use serde::de::DeserializeOwned;

/// Rows of the two big tables that are drawn at most; every statistic is of all of them.
const DRAWN: usize = 20_000;
/// Stage name of rows about the whole pipeline.
pub const PIPELINE: &str = "pipeline";

/// A run as its tables tell it.
pub struct Run {
    /// The tables' key-value metadata, for example `run_id`.
    pub about: BTreeMap<String, String>,
    /// In matrix order.
    pub cells: Vec<CellView>,
    /// Levels that all measured cells share.
    pub shared: Vec<String>,
    /// In pipeline order.
    pub stages: Vec<String>,
    /// How many of each model's samples are right; no rows in tables from before there was such a
    /// table.
    pub correctness: Rows,
    /// Which of them is right more often, and what models were asked and answered; likewise.
    pub correctness_comparisons: Rows,
    pub generation: Rows,
    pub summary: Rows,
    pub comparisons: Rows,
    pub costs: Rows,
    /// Pareto front and memory sizes to take; no rows in tables from before there was such a table.
    pub choices: Rows,
    /// What the packages were made of; no rows in tables from before there was such a table.
    pub builds: Rows,
    /// sha256 of every image that a first stage was fed, hex, by the image's name.
    pub images: BTreeMap<String, String>,
    /// Checks that failed.
    pub wrong: Rows,
    /// Expected, got and difference of wrong outputs, as PNG: cell, stage and bytes, the first of
    /// each.
    pub pictures: Vec<(String, String, Vec<u8>)>,
    /// How many outputs were checked.
    pub checked: usize,
    /// Every row, or every k-th.
    pub invocations: Rows,
    pub pipelines: Rows,
    /// Each time that the run was taken up; empty in tables from before that was recorded.
    pub sessions: Vec<Session>,
    /// When each cell was measured, by its id.
    measured_in: BTreeMap<String, CellMeasured>,
    index: HashMap<(String, String, String), usize>,
}

/// A cell of the plan.
#[derive(Clone, Debug)]
pub struct CellView {
    pub id: String,
    pub cell: Cell,
    /// What tells it apart from the other cells.
    pub label: String,
    /// The LLM that wrote its variant, where one did; with the prompt where there are several.
    pub model: Option<String>,
    /// Place of its variant among the variants, which colours go by.
    pub colour: usize,
    pub outputs_ok: Option<bool>,
    pub reason: Option<String>,
    /// Stages that remember outputs: name, time on fresh pixels / on those of the set, and what it
    /// is at least.
    pub remembers: Vec<(String, f64, f64)>,
    /// Why it has no numbers.
    pub not_measured: Option<String>,
    /// What failed, of a cell that was tried and of which no pass ended well.
    pub failed: Option<String>,
}

/// One row of `summary`.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    pub n: usize,
    pub n_failed: usize,
    pub mean: f64,
    pub sd: Option<f64>,
    pub cv: Option<f64>,
    pub p50: f64,
    pub p95: Option<f64>,
    pub ci: Option<(f64, f64)>,
    pub rank: Option<u32>,
}

impl Run {
    /// Reads the tables in a run's folder. Fails if one is missing or not Parquet;
    /// `darkroom aggregate` makes them.
    pub fn read(dir: &Path) -> Result<Self, TablesError> {
        let path = |name: &str| dir.join(format!("{name}.parquet"));
        let all = |name: &str| read(&path(name), Wanted::default()).map(Rows::shown);
        let (summary, comparisons, costs) = (all("summary")?, all("comparisons")?, all("costs")?);
        let newer = |name: &str| {
            if path(name).exists() {
                all(name)
            } else {
                Ok(Rows::default())
            }
        };
        let (choices, builds) = (newer("choices")?, newer("builds")?);
        let correctness = newer("correctness")?;
        let correctness_comparisons = newer("correctness_comparisons")?;
        let generation = newer("generation")?;
        let outputs = read(
            &path("outputs"),
            Wanted {
                columns: OUTPUT_COLUMNS,
                ..Wanted::default()
            },
        )?
        .shown();
        let drawn = |name: &str, columns| {
            read(
                &path(name),
                Wanted {
                    columns,
                    about: DRAWN,
                    only: None,
                },
            )
            .map(Rows::shown)
        };
        let index = summary.iter().enumerate().filter_map(|(place, row)| {
            let name = |column| row.text(column).map(str::to_owned);
            Some(((name("cell_id")?, name("stage")?, name("metric")?), place))
        });
        let (cells, shared) = cells(&costs, &summary, &generation);
        let wrong = Rows {
            rows: wrong(&outputs),
            columns: outputs.columns.clone(),
            of: outputs.of,
        };
        let about = provenance(&path("summary"))?;
        Ok(Self {
            sessions: facts(&about, "sessions"),
            measured_in: facts(&about, "measured"),
            pictures: pictures(&wrong, dir),
            about,
            stages: stages(&summary),
            index: index.collect(),
            checked: outputs.rows.len(),
            images: images(&outputs),
            wrong,
            invocations: drawn("invocations", INVOCATION_COLUMNS)?,
            pipelines: drawn("pipelines", PIPELINE_COLUMNS)?,
            cells,
            shared,
            correctness,
            correctness_comparisons,
            generation,
            summary,
            comparisons,
            costs,
            choices,
            builds,
        })
    }

    /// Returns what the metadata says under `key`, or a dash.
    pub fn about(&self, key: &str) -> &str {
        self.about.get(key).map_or("–", String::as_str)
    }

    /// Names, as a sentence, the prices that the price table marks as unconfirmed.
    pub fn unconfirmed_prices(&self) -> String {
        let keys = self.about.get("prices_unconfirmed");
        keys.map_or_else(String::new, |keys| format!(" Unconfirmed prices: {keys}."))
    }

    /// Returns what the metadata holds as JSON under `key`, or nothing.
    pub fn facts<T: DeserializeOwned + Default>(&self, key: &str) -> T {
        facts(&self.about, key)
    }

    /// Cells that have numbers, in matrix order.
    pub fn measured(&self) -> impl Iterator<Item = &CellView> {
        self.cells.iter().filter(|cell| cell.not_measured.is_none())
    }

    /// Cells that were tried and of which no pass ended well, in matrix order, each with what
    /// failed.
    pub fn failed(&self) -> impl Iterator<Item = (&CellView, &str)> {
        self.cells
            .iter()
            .filter_map(|cell| Some((cell, cell.failed.as_deref()?)))
    }

    /// Measured cells of which some passes failed, in matrix order, each with how many did, of how
    /// many that were tried.
    pub fn failed_in_some(&self) -> impl Iterator<Item = (&CellView, usize, usize)> {
        self.measured().filter_map(|cell| {
            let row = self.summary_row(cell, PIPELINE, "turnaround_s")?;
            let count = |column| row.number(column).unwrap_or(0.0) as usize;
            let (n, failed) = (count("n"), count("n_failed"));
            (n > 0 && failed > 0).then(|| (cell, failed, n + failed + count("n_missing")))
        })
    }

    /// Leaves out every other cell, and what is compared with one: for figures of a choice of
    /// cells. Labels stay as they are.
    pub fn keep_cells(&mut self, keep: impl Fn(&str) -> bool) {
        self.cells.retain(|cell| keep(&cell.id));
        self.comparisons.retain(|row| {
            // Of models several cells.
            let ids = ["cell_a", "cell_b"]
                .into_iter()
                .filter_map(|column| row.text(column));
            ids.flat_map(|ids| ids.split(' ')).all(&keep)
        });
    }

    pub fn cell(&self, id: &str) -> Option<&CellView> {
        self.cells.iter().find(|cell| cell.id == id)
    }

    /// Returns a row of `summary` as it stands there.
    pub fn summary_row(&self, cell: &CellView, stage: &str, metric: &str) -> Option<Row<'_>> {
        let key = (cell.id.clone(), stage.to_owned(), metric.to_owned());
        self.summary.row(*self.index.get(&key)?)
    }

    /// Returns a row of `summary` in short; `None` where nothing was measured.
    pub fn stat(&self, cell: &CellView, stage: &str, metric: &str) -> Option<Stat> {
        let row = self.summary_row(cell, stage, metric)?;
        let count = |column| row.number(column).unwrap_or(0.0) as usize;
        Some(Stat {
            n: count("n"),
            n_failed: count("n_failed"),
            mean: row.number("mean")?,
            sd: row.number("sd"),
            cv: row.number("cv"),
            p50: row.number("p50")?,
            p95: row.number("p95"),
            ci: row.number("mean_ci_low").zip(row.number("mean_ci_high")),
            rank: row.number("rank").map(|rank| rank as u32),
        })
    }

    /// Whether two cells were measured at different times: in other sessions, or one after the
    /// other.
    pub fn is_apart(&self, a: &str, b: &str) -> bool {
        let (Some(of_a), Some(of_b)) = (self.measured_in.get(a), self.measured_in.get(b)) else {
            return false;
        };
        let in_turns = self.about("order") != "sequential";
        a != b && (!in_turns || of_a.side_by_side(of_b) == Some(false))
    }

    /// Says when a cell was measured.
    pub fn when(&self, id: &str) -> String {
        self.measured_in
            .get(id)
            .map_or_else(|| "at an unknown time".to_owned(), CellMeasured::when)
    }

    /// When the first and the last repetition that counts began.
    pub fn times(&self) -> CellMeasured {
        CellMeasured::together(self.measured_in.values())
    }

    /// The metric that a stage's time is read from: init included where every start is cold.
    pub fn time_metric(cell: &CellView) -> &'static str {
        if cell.cell.start == Start::Cold {
            "cold_total_ms"
        } else {
            "duration_ms"
        }
    }

    /// What the turnaround of these durations is worth: the target in words.
    pub fn target_in_words(&self) -> String {
        match self.about("target") {
            "local" => format!(
                "this machine's local cloud ({})",
                isolation_in_words(self.about("isolation"))
            ),
            "aws" => format!("AWS in {}", self.about("region")),
            IMPORTED => "another tool's measurements".to_owned(),
            _ => format!("{} (an endpoint that is not AWS)", self.about("endpoint")),
        }
    }

    /// Names the runner's processor, or a dash; on AWS it is not the one that was measured.
    pub fn machine(&self) -> String {
        let machine: serde_json::Value =
            serde_json::from_str(self.about("machine")).unwrap_or_default();
        let fact = |key: &str| machine.get(key).and_then(|value| value.as_str());
        match (fact("cpu_model"), fact("cores")) {
            (Some(model), Some(cores)) => format!("{model}, {cores} cores"),
            (Some(model), None) => model.to_owned(),
            _ => "–".into(),
        }
    }

    /// Whether the numbers are AWS's: those of an endpoint that stands for it are not.
    pub fn is_aws(&self) -> bool {
        self.about("target") == "aws"
    }

    /// Who judged the outputs of imported rows, in words; `None` where nobody did, or Darkroom
    /// itself.
    pub fn checked_by(&self) -> Option<String> {
        let imported: ResultsImported = serde_json::from_str(self.about.get("imported")?).ok()?;
        imported.outputs_checked_by
    }

    /// Where imported rows come from, in words; `None` where Darkroom measured.
    pub fn imported(&self) -> Option<&str> {
        (self.about("target") == IMPORTED).then(|| self.about("isolation"))
    }

    pub fn is_local(&self) -> bool {
        self.about("target") == "local"
    }
}

const OUTPUT_COLUMNS: &[&str] = &[
    "cell_id",
    "stage",
    "image",
    "repetition",
    "pass",
    "counts",
    "reason",
    "detail",
    "picture",
    "stage_index",
    "input_sha256",
];
const INVOCATION_COLUMNS: &[&str] = &[
    "cell_id",
    "stage",
    "stage_index",
    "image",
    "deployment",
    "repetition",
    "attempt",
    "warm_up",
    "started_at",
    "client_ms",
    "duration_ms",
    "init_ms",
    "restore_ms",
    "cold_total_ms",
    "cold",
    "status",
    "error_type",
    "counts_as",
    "trigger_delay_ms",
    "s3_ms",
    "cpu_user_ms",
    "environment_id",
];
const PIPELINE_COLUMNS: &[&str] = &[
    "cell_id",
    "image",
    "deployment",
    "repetition",
    "attempt",
    "started_at",
    "turnaround_s",
    "counts_as",
    "complete",
    "environment_round",
    "others_under_way",
];

fn facts<T: DeserializeOwned + Default>(about: &BTreeMap<String, String>, key: &str) -> T {
    about
        .get(key)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn stages(summary: &Rows) -> Vec<String> {
    let mut stages = BTreeMap::new();
    for row in summary.iter() {
        if let (Some(index), Some(stage)) = (row.number("stage_index"), row.text("stage")) {
            stages.insert(index as u32, stage.to_owned());
        }
    }
    stages.into_values().collect()
}

fn images(outputs: &Rows) -> BTreeMap<String, String> {
    let first = outputs
        .iter()
        .filter(|row| row.number("stage_index") == Some(0.0));
    first
        .filter_map(|row| {
            Some((
                row.text("image")?.to_owned(),
                row.text("input_sha256")?.to_owned(),
            ))
        })
        .collect()
}

fn wrong(outputs: &Rows) -> Vec<Vec<darkroom_tables::read::Value>> {
    let failed =
        |row: &Row<'_>| row.truth("pass") == Some(false) && row.truth("counts") != Some(false);
    let places = outputs
        .iter()
        .enumerate()
        .filter(|(_, row)| failed(row))
        .map(|(place, _)| place);
    places.map(|place| outputs.rows[place].clone()).collect()
}

/// Pictures of wrong outputs that a page shows at most.
const PICTURES: usize = 12;

/// Reads the first picture of each cell and stage. One that is gone is left out: the row still says
/// what was wrong.
fn pictures(wrong: &Rows, dir: &Path) -> Vec<(String, String, Vec<u8>)> {
    let mut found: Vec<(String, String, Vec<u8>)> = Vec::new();
    for row in wrong.iter() {
        let (Some(cell), Some(stage), Some(file)) =
            (row.text("cell_id"), row.text("stage"), row.text("picture"))
        else {
            continue;
        };
        let known = found
            .iter()
            .any(|(of, at, _)| (of.as_str(), at.as_str()) == (cell, stage));
        if let (false, true, Ok(png)) =
            (known, found.len() < PICTURES, std::fs::read(dir.join(file)))
        {
            found.push((cell.to_owned(), stage.to_owned(), png));
        }
    }
    found
}

/// Returns the cells, which `costs` has one row of each, and the levels that those that were tried
/// share.
fn cells(costs: &Rows, summary: &Rows, generation: &Rows) -> (Vec<CellView>, Vec<String>) {
    let with_values: BTreeSet<&str> = summary
        .iter()
        .filter(|row| row.number("n").is_some_and(|n| n > 0.0))
        .filter_map(|row| row.text("cell_id"))
        .collect();
    let found: Vec<(Cell, Row<'_>)> = costs
        .iter()
        .filter_map(|row| Some((cell(row)?, row)))
        .collect();
    let not_measured = |row: &Row<'_>| {
        // A cell of which no pass was complete may have measured stages all the same.
        let seen = row
            .text("cell_id")
            .is_some_and(|id| with_values.contains(id));
        let nothing = row.number("n").unwrap_or(0.0) == 0.0 && !seen;
        nothing.then(|| row.text("note").unwrap_or("not measured").to_owned())
    };
    let mut of_cells: HashMap<&str, Vec<Row<'_>>> = HashMap::new();
    for row in summary.iter() {
        of_cells
            .entry(row.text("cell_id").unwrap_or_default())
            .or_default()
            .push(row);
    }
    let failed = |row: &Row<'_>| row.text("cell_id").and_then(|id| failed(of_cells.get(id)?));
    let was_tried = |row: &Row<'_>| not_measured(row).is_none() || failed(row).is_some();
    let tried: Vec<&Cell> = found
        .iter()
        .filter(|(_, row)| was_tried(row))
        .map(|(cell, _)| cell)
        .collect();
    let factors = Factors::of(
        if tried.is_empty() {
            found.iter().map(|(c, _)| c).collect()
        } else {
            tried
        }
        .into_iter(),
    );
    let mut variants: Vec<&str> = Vec::new();
    for (cell, _) in &found {
        if !variants.contains(&cell.variant.as_str()) {
            variants.push(&cell.variant);
        }
    }
    let rounds = generation.iter().filter_map(|row| {
        let rounds = row.number("rounds_allowed")? as u32;
        Some((row.text("variant")?, rounds))
    });
    let repairs: HashMap<&str, u32> = rounds.collect();
    let several_repairs = repairs.values().collect::<BTreeSet<_>>().len() > 1;
    let prompts: BTreeSet<&str> = costs.iter().filter_map(|row| row.text("prompt")).collect();
    let author = |row: &Row<'_>| {
        let prompt = row.text("prompt").unwrap_or_default();
        let model = row.text("model")?;
        let rounds = row.text("variant").and_then(|variant| repairs.get(variant));
        let model = match rounds.filter(|_| several_repairs) {
            Some(rounds) => with_repair(model, *rounds),
            None => model.to_owned(),
        };
        Some(author_name(&model, prompt, prompts.len() > 1))
    };
    let view = |(cell, row): &(Cell, Row<'_>)| CellView {
        id: row.text("cell_id").unwrap_or_default().to_owned(),
        label: factors.label(cell),
        colour: variants
            .iter()
            .position(|variant| *variant == cell.variant)
            .unwrap_or(0),
        cell: cell.clone(),
        model: author(row),
        outputs_ok: row.truth("outputs_ok"),
        reason: row.text("reason").map(str::to_owned),
        remembers: row
            .text("cell_id")
            .and_then(|id| of_cells.get(id))
            .map(|rows| remembered(rows))
            .unwrap_or_default(),
        not_measured: not_measured(row),
        failed: failed(row),
    };
    (found.iter().map(view).collect(), factors.shared.clone())
}

impl CellView {
    /// Whether its numbers may be compared with others': of right outputs, and of the work.
    pub fn may_be_ranked(&self) -> bool {
        self.outputs_ok == Some(true) && self.remembers.is_empty()
    }

    /// What stands behind its name where they may not.
    pub fn mark(&self) -> &'static str {
        match self.outputs_ok {
            Some(true) if !self.remembers.is_empty() => " (REMEMBERS)",
            Some(true) => "",
            Some(false) => " (WRONG)",
            None => " (unchecked)",
        }
    }
}

/// Returns the stages of a cell (its rows of `summary`) that remember outputs.
fn remembered(rows: &[Row<'_>]) -> Vec<(String, f64, f64)> {
    let place = |row: &Row<'_>| {
        let stage = row.text("stage")?;
        Some(match row.text("fresh_image") {
            Some(image) => format!("{stage} of {image}"),
            None => stage.to_owned(),
        })
    };
    let of = |row: &Row<'_>| {
        let found = (
            place(row)?,
            row.number("fresh_ratio")?,
            row.number("fresh_ratio_low")?,
        );
        (row.truth("remembers") == Some(true)).then_some(found)
    };
    rows.iter().filter_map(of).collect()
}

/// Says what failed in a cell (its rows of `summary`) where no pass ended well; `None` where one
/// did, or nothing failed.
fn failed(rows: &[Row<'_>]) -> Option<String> {
    let count = |row: &Row<'_>, column: &str| row.number(column).unwrap_or(0.0) as usize;
    let (passes, stages): (Vec<Row<'_>>, Vec<Row<'_>>) = rows
        .iter()
        .partition(|row| row.text("stage") == Some(PIPELINE));
    if passes.iter().any(|row| count(row, "n") > 0) {
        return None;
    }
    let gaps: Vec<String> = stages
        .iter()
        .filter(|row| row.text("metric") == Some("duration_ms"))
        .filter_map(|row| Some((row.text("stage")?, row.text("note")?)))
        .filter(|(_, note)| note.starts_with("not there"))
        .map(|(stage, note)| format!("{stage} is {note}"))
        .collect();
    if !gaps.is_empty() {
        return Some(gaps.join("; "));
    }
    let broken: Vec<(&str, usize, usize)> = stages
        .iter()
        .filter(|row| row.text("metric") == Some("duration_ms") && count(row, "n_failed") > 0)
        .filter_map(|row| Some((row.text("stage")?, count(row, "n_failed"), count(row, "n"))))
        .collect();
    let of_passes = passes
        .iter()
        .map(|row| (count(row, "n_failed"), count(row, "n_missing")))
        .max()?;
    if let (failed @ 1.., missing) = of_passes {
        let stages: Vec<&str> = broken.iter().map(|(stage, ..)| *stage).collect();
        let place = if stages.is_empty() {
            String::new()
        } else {
            format!(", in {}", stages.join(", "))
        };
        return Some(format!(
            "{failed} of {} passes failed{place}",
            failed + missing
        ));
    }
    // Rows of another harness need not make up passes.
    let told = broken
        .iter()
        .map(|(stage, failed, n)| format!("{failed} of {} calls of {stage} failed", failed + n));
    (!broken.is_empty()).then(|| told.collect::<Vec<_>>().join(", "))
}

/// Returns the runtime of a row where the matrix named it: only then is it part of the cell's id.
fn named_runtime(row: Row<'_>) -> Option<String> {
    let (variant, runtime) = (row.text("variant")?, row.text("runtime")?);
    let begins = format!("{variant}.{runtime}.");
    let is_named = row.text("cell_id")?.starts_with(&begins);
    is_named.then(|| runtime.to_owned())
}

fn cell(row: Row<'_>) -> Option<Cell> {
    fn level<T: Copy + std::fmt::Display>(all: &[T], text: &str) -> Option<T> {
        all.iter().copied().find(|level| level.to_string() == text)
    }
    Some(Cell {
        variant: row.text("variant")?.to_owned(),
        runtime: named_runtime(row),
        architecture: level(Architecture::ALL, row.text("architecture")?)?,
        memory_mb: row.number("memory_mb")? as u32,
        image_set: row.text("image_set")?.to_owned(),
        trigger: level(Trigger::ALL, row.text("trigger")?)?,
        input: level(Input::ALL, row.text("input")?)?,
        start: level(Start::ALL, row.text("start")?)?,
        // Tables of before schema 11 do not have it.
        snapstart: row
            .text("snapstart")
            .and_then(|text| level(SnapStart::ALL, text))
            .unwrap_or_default(),
        concurrency: row.number("concurrency")? as u32,
    })
}
