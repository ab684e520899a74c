//! Groups → the rows of `comparisons`: every two cells that differ in one factor only, in every
//! metric they share.
//!
//! This file decides which pairs there are, how their values are paired or clustered, and which
//! claims are allowed; [`darkroom_core::statistics`] computes. A model is compared through all its
//! samples ([`crate::models`]). A cell whose outputs did not pass is shown, but gets no claim.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use darkroom_core::cell::{Cell, Input, Start};
use darkroom_core::event::PlannedCell;
use darkroom_core::statistics::{
    ClaimVerdict, Comparison, Samples, Units, between_units, compare, effect_word, holm, seed_of,
    verdict,
};
use polars::prelude::{DataFrame, PolarsResult};
use rayon::prelude::*;

use crate::aggregate::{Groups, PIPELINE};
use crate::columns;
use crate::facts::JournalFacts;
use crate::frames::{bools, floats, frame, integers, texts};
use crate::models::{self, Models};
use crate::notes::joined;
use crate::outputs::Outputs;
use crate::samples::{SampleGroup, SampleKey};
use crate::sessions::Times;
use crate::summary::ComparisonSummary;

/// Columns of `invocations` that are compared.
pub const STAGE_COLUMNS: [&str; 2] = ["duration_ms", "cold_total_ms"];
/// Verdict of a comparison with a cell whose times are not those of the work.
pub const REMEMBERS: &str = "remembers outputs";
/// Share of the larger sample that must have a partner for a paired comparison.
const PAIRED_SHARE: f64 = 0.9;
/// Fewest pairs for which Wilcoxon's p can fall below 0.05.
const FEWEST_PAIRS: usize = 6;

/// A factor of the matrix: its name and a cell's level of it.
///
/// `input` is not one of them: what was fed chained bytes and what was fed reference bytes did
/// different work.
type Factor = (&'static str, fn(&Cell) -> String);

const FACTORS: [Factor; 9] = [
    ("variant", |cell| cell.variant.clone()),
    ("runtime", own_or_named),
    ("architecture", |cell| cell.architecture.to_string()),
    ("memory_mb", |cell| cell.memory_mb.to_string()),
    ("image_set", |cell| cell.image_set.clone()),
    ("trigger", |cell| cell.trigger.to_string()),
    ("start", |cell| cell.start.to_string()),
    ("snapstart", |cell| cell.snapstart.to_string()),
    ("concurrency", |cell| cell.concurrency.to_string()),
];

/// Position of `variant` in [`FACTORS`], and of `runtime`.
const VARIANT: usize = 0;
const RUNTIME: usize = 1;

fn own_or_named(cell: &Cell) -> String {
    cell.runtime.clone().unwrap_or_else(|| "own".to_owned())
}

/// One row of `comparisons`.
#[derive(Clone, Debug)]
pub struct ComparisonRow {
    pub pair: Pair,
    /// `None`: the pipeline.
    pub stage: Option<u32>,
    pub metric: &'static str,
    pub comparison: Comparison,
    /// Environments, as independent units of either side.
    pub units: Units,
    pub p_adjusted: Option<f64>,
    pub verdict: &'static str,
    pub note: Option<String>,
    /// Whether the two sides were measured in the same sessions, in turns; `None` where that is not
    /// known.
    pub side_by_side: Option<bool>,
    /// What is pooled, where models are compared.
    pub models: Option<Models>,
}

impl ComparisonRow {
    /// Says whether it claims that two cells, by their places in the plan, differ in a metric of
    /// the whole pipeline.
    pub fn claims_difference_between(&self, one: u32, other: u32, metric: &str) -> bool {
        let it = [(one, other), (other, one)].contains(&(self.pair.a, self.pair.b));
        it && is_claim(self.verdict)
            && self.models.is_none()
            && self.stage.is_none()
            && self.metric == metric
    }
}

/// Not a factor of the matrix: the same cell deployed under other names. Its differences are the
/// run's noise floor.
const DEPLOYMENT: usize = FACTORS.len();
/// Nor one: the variants that one model wrote.
pub const MODEL: usize = FACTORS.len() + 1;

/// Two cells, by their place in the plan, that differ in one factor only, or one cell twice.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Index into [`FACTORS`], or [`DEPLOYMENT`], or [`MODEL`].
    pub factor: usize,
    pub a: u32,
    pub b: u32,
    /// Deployments of the cell, where that is what differs.
    pub deployments: Option<(i64, i64)>,
}

impl Pair {
    fn is_of_images(self) -> bool {
        FACTORS
            .get(self.factor)
            .is_some_and(|(name, _)| *name == "image_set")
    }
}

/// Returns every row of `comparisons`, by factor, pair, stage (the pipeline last) and metric.
pub fn comparison_rows(
    facts: &JournalFacts,
    groups: &Groups,
    outputs: &[Outputs],
    times: &Times,
) -> Vec<ComparisonRow> {
    let mut pairs = pairs(&facts.run.cells);
    pairs.extend(twins(facts));
    let mut rows: Vec<ComparisonRow> = pairs
        .par_iter()
        .flat_map_iter(|&pair| pair_rows(facts, groups, pair, times))
        .collect();
    rows.extend(models::model_rows(facts, groups, outputs));
    judge(&mut rows, outputs);
    for row in &mut rows {
        say_when(row, times);
    }
    rows
}

/// Says of a comparison whether its sides were measured side by side, and if not, when each was.
fn say_when(row: &mut ComparisonRow, times: &Times) {
    let (a, b) = match &row.models {
        Some(models) => (models.a.pooled.clone(), models.b.pooled.clone()),
        None => (vec![row.pair.a], vec![row.pair.b]),
    };
    row.side_by_side = times.side_by_side(&a, &b);
    if row.side_by_side == Some(false) {
        row.note = joined(
            &row.note
                .take()
                .into_iter()
                .chain([times.apart(&a, &b)])
                .collect::<Vec<_>>(),
        );
    }
}

/// Returns the pairs of cells that differ in exactly one factor, the one that comes first in the
/// plan as baseline.
///
/// Variants are compared on the same runtime. One that brings its own, as compiled code does, is
/// compared with every runtime of the others.
fn pairs(cells: &[PlannedCell]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for (factor, _) in FACTORS.iter().enumerate() {
        let mut alike: BTreeMap<(Input, Vec<String>), Vec<u32>> = BTreeMap::new();
        for (index, planned) in (0u32..).zip(cells) {
            let others = FACTORS
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != factor && (factor, *other) != (VARIANT, RUNTIME));
            let levels = others.map(|(_, (_, level))| level(&planned.cell)).collect();
            alike
                .entry((planned.cell.input, levels))
                .or_default()
                .push(index);
        }
        let mut of_factor: Vec<Pair> = Vec::new();
        for members in alike.values() {
            for (i, &a) in members.iter().enumerate() {
                let others = members[i + 1..].iter().filter(|b| {
                    let (a, b) = (&cells[a as usize].cell, &cells[**b as usize].cell);
                    factor != VARIANT || are_of_variants(a, b)
                });
                of_factor.extend(others.map(|&b| Pair {
                    factor,
                    a,
                    b,
                    deployments: None,
                }));
            }
        }
        of_factor.sort_by_key(|pair| (pair.a, pair.b));
        pairs.extend(of_factor);
    }
    pairs
}

/// Whether two cells that share all but variant and runtime compare their variants.
fn are_of_variants(a: &Cell, b: &Cell) -> bool {
    let own = a.runtime.is_none() || b.runtime.is_none();
    a.variant != b.variant && (own || a.runtime == b.runtime)
}

/// Returns every cell against itself under another name, the first deployment as baseline.
fn twins(facts: &JournalFacts) -> Vec<Pair> {
    let others = 2..=i64::from(facts.run.deployments);
    let cells = (0u32..)
        .zip(&facts.run.cells)
        .filter(|(_, planned)| planned.not_runnable.is_none());
    cells
        .flat_map(|(cell, _)| {
            others.clone().map(move |other| Pair {
                factor: DEPLOYMENT,
                a: cell,
                b: cell,
                deployments: Some((1, other)),
            })
        })
        .collect()
}

fn pair_rows(
    facts: &JournalFacts,
    groups: &Groups,
    pair: Pair,
    times: &Times,
) -> Vec<ComparisonRow> {
    let (a, b) = (
        &facts.run.cells[pair.a as usize],
        &facts.run.cells[pair.b as usize],
    );
    // Repetitions of different times have nothing in common but their number.
    let in_turns =
        facts.run.order == "interleaved" && times.side_by_side(&[pair.a], &[pair.b]) != Some(false);
    let row = |(stage, metric): (Option<u32>, &'static str)| {
        let empty = SampleGroup::default();
        let [group_a, group_b] = [
            (a, pair.deployments.map(|d| d.0)),
            (b, pair.deployments.map(|d| d.1)),
        ]
        .map(|(cell, deployment)| {
            let group = group(facts, groups, cell, stage).unwrap_or(&empty);
            match deployment {
                Some(deployment) => Cow::Owned(group.deployment(deployment)),
                None => with_init(group, metric),
            }
        });
        // Images of different sets have nothing in common, even of one name: what is drawn is
        // images of either.
        let samples = if pair.is_of_images() {
            Samples::Independent {
                a: clustered(&group_a, metric, false),
                b: clustered(&group_b, metric, false),
            }
        } else {
            samples(&group_a, &group_b, metric, in_turns)
        };
        let name = stage.map_or(PIPELINE, |stage| &facts.run.stages[stage as usize]);
        let seed = match pair.deployments {
            Some((_, b)) => seed_of(
                facts.run.seed,
                &["deployments", a.id.as_str(), &b.to_string(), name, metric],
            ),
            None => seed_of(
                facts.run.seed,
                &["comparison", a.id.as_str(), b.id.as_str(), name, metric],
            ),
        };
        let comparison = compare(&samples, seed);
        let units = if pair.is_of_images() {
            Units::default()
        } else {
            units(&group_a, &group_b, metric)
        };
        let note = note(a, b, &comparison)
            .or_else(|| pair.is_of_images().then(|| OTHER_IMAGES.to_owned()));
        ComparisonRow {
            pair,
            stage,
            metric,
            comparison,
            units,
            p_adjusted: None,
            verdict: "inconclusive",
            note,
            side_by_side: None,
            models: None,
        }
    };
    places(facts, &a.cell, &b.cell)
        .into_iter()
        .map(row)
        .collect()
}

/// A warm call has no init: beside a cold one, its duration is all that it took.
fn with_init<'a>(group: &'a SampleGroup, metric: &'static str) -> Cow<'a, SampleGroup> {
    let warm = metric == "cold_total_ms" && group.present(metric).is_empty();
    match group.values.get("duration_ms").filter(|_| warm) {
        Some(durations) => {
            let mut group = group.clone();
            group.values.insert(metric, durations.clone());
            Cow::Owned(group)
        }
        None => Cow::Borrowed(group),
    }
}

pub fn units(a: &SampleGroup, b: &SampleGroup, metric: &str) -> Units {
    between_units(&a.measured(metric), &b.measured(metric))
}

/// Said of every comparison of image sets.
const OTHER_IMAGES: &str =
    "different images: the ratio compares how heavy the two image sets are for the same code";

/// Returns what two cells are compared in: stage (`None`: the pipeline) and metric.
pub fn places(facts: &JournalFacts, a: &Cell, b: &Cell) -> Vec<(Option<u32>, &'static str)> {
    let with_init = a.start == Start::Cold || b.start == Start::Cold;
    let mut places = Vec::new();
    for (stage, _) in (0u32..).zip(&facts.run.stages) {
        places.push((Some(stage), "duration_ms"));
        places.extend(with_init.then_some((Some(stage), "cold_total_ms")));
    }
    places.extend((a.input == Input::Chained).then_some((None, "turnaround_s")));
    places.push((None, "cost_usd"));
    places
}

/// Returns the rows of a cell in a stage, or of its passes.
pub fn group<'a>(
    facts: &JournalFacts,
    groups: &'a Groups,
    cell: &PlannedCell,
    stage: Option<u32>,
) -> Option<&'a SampleGroup> {
    match stage {
        Some(stage) => groups.invocations.get(&(
            cell.id.to_string(),
            facts.run.stages[stage as usize].clone(),
        )),
        None => groups.pipelines.get(cell.id.as_str()),
    }
}

/// Returns the samples of a metric, paired if they were measured in turns and enough of them have a
/// partner.
pub fn samples(a: &SampleGroup, b: &SampleGroup, metric: &'static str, in_turns: bool) -> Samples {
    let (of_a, of_b) = (keyed(a, metric), keyed(b, metric));
    let shared: Vec<(SampleKey, f64, f64)> = of_a
        .iter()
        .filter_map(|(key, value)| Some((*key, *value, *of_b.get(key)?)))
        .collect();
    let enough = shared.len() as f64 >= PAIRED_SHARE * of_a.len().max(of_b.len()) as f64;
    if in_turns && enough && !shared.is_empty() {
        let mut clusters: BTreeMap<u32, Vec<(f64, f64)>> = BTreeMap::new();
        for (key, a, b) in shared {
            clusters.entry(key.image).or_default().push((a, b));
        }
        return Samples::Paired(clusters.into_values().collect());
    }
    let by_environment = [a, b].iter().all(|group| group.knows_environments());
    Samples::Independent {
        a: clustered(a, metric, by_environment),
        b: clustered(b, metric, by_environment),
    }
}

/// Values by their key, in the order of the keys.
fn keyed(group: &SampleGroup, metric: &'static str) -> BTreeMap<SampleKey, f64> {
    let Some(values) = group.values.get(metric) else {
        return BTreeMap::new();
    };
    group
        .keys
        .iter()
        .zip(values)
        .filter_map(|(key, value)| Some((*key, (*value)?)))
        .collect()
}

/// Values in clusters, by environment or by image; within a cluster in the order of the keys.
fn clustered(group: &SampleGroup, metric: &'static str, by_environment: bool) -> Vec<Vec<f64>> {
    let Some(values) = group.values.get(metric) else {
        return Vec::new();
    };
    let mut clusters: BTreeMap<u32, Vec<(SampleKey, f64)>> = BTreeMap::new();
    for (row, (key, value)) in group.keys.iter().zip(values).enumerate() {
        let environment = group.environments.get(row).copied().flatten();
        let cluster = environment.filter(|_| by_environment).unwrap_or(key.image);
        if let Some(value) = value {
            clusters.entry(cluster).or_default().push((*key, *value));
        }
    }
    let ordered = clusters.into_values().map(|mut cluster| {
        cluster.sort_by_key(|(key, _)| *key);
        cluster.into_iter().map(|(_, value)| value).collect()
    });
    ordered.collect()
}

fn note(a: &PlannedCell, b: &PlannedCell, comparison: &Comparison) -> Option<String> {
    for cell in [a, b] {
        if let Some(why) = &cell.not_runnable {
            return Some(format!("{} cannot run here: {why}", cell.id));
        }
    }
    let differing = comparison.n_a - comparison.n_zero.unwrap_or(0);
    (comparison.paired && differing < FEWEST_PAIRS)
        .then(|| format!("fewer than {FEWEST_PAIRS} pairs differ, so p cannot fall below 0.05"))
}

/// Adjusts p within each family of one metric and one factor, and says what may be said.
fn judge(rows: &mut [ComparisonRow], outputs: &[Outputs]) {
    let mut families: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        families
            .entry((row.pair.factor, row.metric))
            .or_default()
            .push(i);
    }
    for family in families.into_values() {
        let barred: Vec<Option<&'static str>> =
            family.iter().map(|&i| barred(&rows[i], outputs)).collect();
        let p: Vec<Option<f64>> = family
            .iter()
            .zip(&barred)
            .map(|(&i, why)| rows[i].comparison.p.filter(|_| why.is_none()))
            .collect();
        for ((&i, why), p) in family.iter().zip(barred).zip(holm(&p)) {
            let found = &rows[i].comparison;
            let judged = |p_units| verdict(p, found.ratio_mean, found.ratio_mean_ci, p_units);
            let verdict = judged(rows[i].units.p);
            let only_luck = why.is_none() && judged(None) != verdict;
            let word = match verdict {
                // One sample of a model is no model, however surely it is known.
                _ if rows[i].models.is_some() && found.ratio_mean_ci.is_none() => "inconclusive",
                ClaimVerdict::Lower if rows[i].pair.is_of_images() => "lighter",
                ClaimVerdict::Higher if rows[i].pair.is_of_images() => "heavier",
                _ => word(verdict, rows[i].metric),
            };
            rows[i].p_adjusted = p;
            rows[i].verdict = why.unwrap_or(word);
            if only_luck {
                let said = luck(&rows[i].units);
                rows[i].note = Some(
                    rows[i]
                        .note
                        .take()
                        .map_or(said.clone(), |note| format!("{note}; {said}")),
                );
            }
        }
    }
}

/// Says why a difference that is sure within its environments is not claimed.
pub fn luck(units: &Units) -> String {
    let p = units
        .p
        .map_or(String::new(), |p| format!(" (p_units {p:.2})"));
    format!(
        "not claimed: {} and {} independent environments differ as much among themselves{p}; \
         measure more of them (repetitions.deployments, repetitions.renew_environments_every)",
        units.a, units.b
    )
}

/// Why nothing may be said of a comparison; `None` when something may.
fn barred(row: &ComparisonRow, outputs: &[Outputs]) -> Option<&'static str> {
    if let Some(models) = &row.models {
        return models.barred();
    }
    let of = |cell: u32| outputs[cell as usize].ok;
    match (
        row.comparison.n_a.min(row.comparison.n_b),
        of(row.pair.a),
        of(row.pair.b),
    ) {
        (0, ..) => Some("not measured"),
        (_, Some(false), _) | (_, _, Some(false)) => Some("wrong outputs"),
        (_, None, _) | (_, _, None) => Some("outputs not checked"),
        _ if [row.pair.a, row.pair.b]
            .iter()
            .any(|cell| outputs[*cell as usize].remembers) =>
        {
            Some(REMEMBERS)
        }
        _ => None,
    }
}

pub fn word(verdict: ClaimVerdict, metric: &str) -> &'static str {
    let cost = metric.starts_with("cost");
    match verdict {
        ClaimVerdict::Lower if cost => "cheaper",
        ClaimVerdict::Lower => "faster",
        ClaimVerdict::Higher if cost => "dearer",
        ClaimVerdict::Higher => "slower",
        ClaimVerdict::Equivalent => "equivalent",
        ClaimVerdict::Inconclusive => "inconclusive",
    }
}

/// Whether a verdict claims a difference.
pub fn is_claim(verdict: &str) -> bool {
    [
        "faster", "slower", "cheaper", "dearer", "lighter", "heavier",
    ]
    .contains(&verdict)
}

/// Returns the row as the terminal may show it.
pub fn shown(facts: &JournalFacts, row: &ComparisonRow) -> ComparisonSummary {
    let [a, b] = [row.pair.a, row.pair.b].map(|cell| &facts.run.cells[cell as usize]);
    let (factor, level_a, level_b) = if let Some(models) = &row.models {
        ("model", models.a.model.clone(), models.b.model.clone())
    } else if let Some((a, b)) = row.pair.deployments {
        ("deployment", a.to_string(), b.to_string())
    } else {
        let (factor, level) = FACTORS[row.pair.factor];
        (factor, level(&a.cell), level(&b.cell))
    };
    ComparisonSummary {
        factor,
        level_a,
        level_b,
        cell_a: row
            .models
            .as_ref()
            .map_or_else(|| a.id.to_string(), |models| models.a.cells(facts)),
        cell_b: row
            .models
            .as_ref()
            .map_or_else(|| b.id.to_string(), |models| models.b.cells(facts)),
        stage: row
            .stage
            .map_or(PIPELINE, |stage| &facts.run.stages[stage as usize])
            .into(),
        metric: row.metric,
        ratio: row.comparison.ratio_mean,
        ratio_ci: row.comparison.ratio_mean_ci,
        p_adjusted: row.p_adjusted,
        effect: row.comparison.cliffs_delta.map(effect_word),
        verdict: row.verdict,
        side_by_side: row.side_by_side,
    }
}

/// Returns the frame of `comparisons`.
pub fn comparison_frame(facts: &JournalFacts, rows: &[ComparisonRow]) -> PolarsResult<DataFrame> {
    let shown: Vec<ComparisonSummary> = rows.iter().map(|row| shown(facts, row)).collect();
    let text = |name: &str, of: fn(&ComparisonSummary) -> &str| {
        texts(name, shown.iter().map(|row| Some(of(row))))
    };
    let float = |name: &str, of: fn(&Comparison) -> Option<f64>| {
        floats(name, rows.iter().map(|row| of(&row.comparison)))
    };
    let measured = |row: &&ComparisonRow| row.comparison.p.is_some();
    let tested = |row: &ComparisonRow| Some(row.units).filter(|units| units.a.min(units.b) > 0);
    let count = |of: fn(&Models) -> usize| {
        rows.iter()
            .map(move |row| row.models.as_ref().map(|m| of(m) as i64))
    };
    let columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&facts.run.run_id))),
        text("factor", |row| row.factor),
        text("level_a", |row| &row.level_a),
        text("level_b", |row| &row.level_b),
        text("cell_a", |row| &row.cell_a),
        text("cell_b", |row| &row.cell_b),
        text("stage", |row| &row.stage),
        integers(
            "stage_index",
            rows.iter().map(|row| row.stage.map(i64::from)),
        ),
        text("metric", |row| row.metric),
        integers(
            "n_a",
            rows.iter().map(|row| Some(row.comparison.n_a as i64)),
        ),
        integers(
            "n_b",
            rows.iter().map(|row| Some(row.comparison.n_b as i64)),
        ),
        integers("samples_a", count(|models| models.a.pooled.len())),
        integers("samples_b", count(|models| models.b.pooled.len())),
        integers("left_out_a", count(|models| models.a.left_out())),
        integers("left_out_b", count(|models| models.b.left_out())),
        bools(
            "paired",
            rows.iter()
                .map(|row| Some(row).filter(measured).map(|row| row.comparison.paired)),
        ),
        float("ratio_mean", |c| c.ratio_mean),
        float("ratio_mean_ci_low", |c| c.ratio_mean_ci.map(|ci| ci.0)),
        float("ratio_mean_ci_high", |c| c.ratio_mean_ci.map(|ci| ci.1)),
        float("ratio_median", |c| c.ratio_median),
        float("ratio_median_ci_low", |c| c.ratio_median_ci.map(|ci| ci.0)),
        float("ratio_median_ci_high", |c| c.ratio_median_ci.map(|ci| ci.1)),
        texts("ci_method", rows.iter().map(|row| row.comparison.ci_method)),
        float("cliffs_delta", |c| c.cliffs_delta),
        texts("effect", shown.iter().map(|row| row.effect)),
        texts("test", rows.iter().map(|row| row.comparison.test)),
        integers(
            "n_zero",
            rows.iter()
                .map(|row| row.comparison.n_zero.map(|n| n as i64)),
        ),
        float("p", |c| c.p),
        floats("p_adj", rows.iter().map(|row| row.p_adjusted)),
        integers(
            "units_a",
            rows.iter()
                .map(|row| tested(row).map(|units| units.a as i64)),
        ),
        integers(
            "units_b",
            rows.iter()
                .map(|row| tested(row).map(|units| units.b as i64)),
        ),
        floats("p_units", rows.iter().map(|row| row.units.p)),
        text("verdict", |row| row.verdict),
        bools("side_by_side", rows.iter().map(|row| row.side_by_side)),
        texts("note", rows.iter().map(|row| row.note.as_ref())),
        texts("target", rows.iter().map(|_| Some(&facts.run.target))),
    ];
    frame(&columns::COMPARISONS, columns)
}
