//! Compares two runs of one manifest, cell by cell: what became slower, faster, dearer or cheaper.
//!
//! It uses the same statistics as within a run, over the same rows (`counts_as = 'sample'`); the
//! family of Holm's adjustment is one metric over all cells. Two runs also differ in hour and host,
//! which no statistic here can separate from the code. Cells whose code is the same in both are the
//! only control; their claimed changes are reported as such.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use darkroom_core::statistics::{Comparison, Units, apart, compare, holm, seed_of, verdict};
use rayon::prelude::*;
use serde::Serialize;

use crate::TablesError;
use crate::aggregate::PIPELINE;
use crate::comparisons::{is_claim, samples, units, word};
use crate::parquet::failed;
use crate::read::{self, Row, Rows, Wanted};
use crate::samples::{SampleGroup, of_invocations, of_pipelines};

/// What two runs have to say of each other.
#[derive(Clone, Debug, Serialize)]
pub struct Between {
    pub run_a: String,
    pub run_b: String,
    /// By cell, stage (the pipeline last) and metric.
    pub rows: Vec<Change>,
    /// Cells that only one of the runs has numbers of.
    pub only_in_one: Vec<String>,
    /// What a reader must know before believing it.
    pub notes: Vec<String>,
}

/// One metric of one stage (or the pipeline) of one cell, in run b against run a.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub cell_id: String,
    pub stage: String,
    pub metric: &'static str,
    pub n_a: usize,
    pub n_b: usize,
    /// Mean of b / mean of a: below 1, b is faster or cheaper.
    pub ratio: Option<f64>,
    /// 95%.
    pub ratio_ci: Option<(f64, f64)>,
    /// Of b against a.
    pub cliffs_delta: Option<f64>,
    /// Holm-adjusted within the metric.
    pub p_adjusted: Option<f64>,
    /// As in `comparisons`: whether it is more than environments of the same code differ; `None`
    /// with one of either.
    pub p_units: Option<f64>,
    /// As in `comparisons`.
    pub verdict: &'static str,
    /// How far what is the same came out apart, as larger / smaller less 1: the outer end of the
    /// interval of the cell deployed twice in either run, and the cells whose code did not change
    /// between them. `None` where nothing tells.
    pub noise: Option<f64>,
    /// Whether both runs measured the same package and layers; `None` where a run has no record of
    /// them.
    pub same_code: Option<bool>,
}

impl Change {
    /// Whether the verdict is that something changed.
    pub fn is_claim(&self) -> bool {
        is_claim(self.verdict)
    }

    /// Whether the ratio is further from 1 than what is the same came out apart.
    pub fn is_beyond_noise(&self) -> bool {
        self.ratio
            .is_some_and(|ratio| self.noise.is_none_or(|noise| apart(ratio) > noise))
    }

    fn row_key(&self) -> Place {
        (self.cell_id.clone(), self.stage.clone(), self.metric)
    }

    /// Says in a word whether the code changed.
    pub fn code(&self) -> &'static str {
        match self.same_code {
            Some(true) => "same",
            Some(false) => "changed",
            None => "unknown",
        }
    }
}

type Place = (String, String, &'static str);

/// Compares the runs whose folders these are. Fails if a table is missing.
pub fn between(a: &Path, b: &Path) -> Result<Between, TablesError> {
    let (before, after) = (Half::read(a)?, Half::read(b)?);
    let places: Vec<Place> = before
        .places
        .iter()
        .filter(|place| after.groups.contains_key(*place))
        .cloned()
        .collect();
    let same_images = before.images == after.images;
    let compared: Vec<(Place, Comparison, Units)> = places
        .into_par_iter()
        .map(|place| {
            let seed = seed_of(
                0,
                &[
                    "between",
                    &before.run_id,
                    &after.run_id,
                    &place.0,
                    &place.1,
                    place.2,
                ],
            );
            let (a, b) = (&before.groups[&place], &after.groups[&place]);
            let comparison = compare(&samples(a, b, place.2, same_images), seed);
            // Images are numbered run by run.
            let units = if same_images {
                units(a, b, place.2)
            } else {
                Units::default()
            };
            (place, comparison, units)
        })
        .collect();
    let barred = |cell: &str| match (before.outputs_ok(cell), after.outputs_ok(cell)) {
        (Some(false), _) | (_, Some(false)) => Some("wrong outputs"),
        (None, _) | (_, None) => Some("outputs not checked"),
        _ if [&before, &after]
            .iter()
            .any(|half| half.remembering.contains(cell)) =>
        {
            Some(crate::comparisons::REMEMBERS)
        }
        _ => None,
    };
    let mut rows: Vec<Change> = compared
        .into_iter()
        .map(|(place, found, units)| change(&found, units, barred(&place.0), place))
        .collect();
    judge(&mut rows);
    for row in &mut rows {
        row.same_code = before
            .code_of(&row.cell_id)
            .zip(after.code_of(&row.cell_id))
            .map(|(a, b)| a == b);
    }
    hold_against_noise(&mut rows, [&before, &after]);
    Ok(Between {
        only_in_one: only_in_one(&before, &after),
        notes: notes(&before, &after, &rows),
        rows,
        run_a: before.run_id,
        run_b: after.run_id,
    })
}

/// What is read of one run.
struct Half {
    run_id: String,
    manifest: String,
    target: String,
    /// Why its tables may not mean what this version's do.
    other_schema: Option<String>,
    images: BTreeSet<String>,
    cells: BTreeSet<String>,
    /// Of each cell, the hashes of the package and layers that its variant was measured with.
    code: BTreeMap<String, BTreeSet<String>>,
    /// Whether a cell's outputs passed; `None` where none was checked.
    outputs_ok: HashMap<String, Option<bool>>,
    /// Cells whose code remembers outputs.
    remembering: BTreeSet<String>,
    /// How far a cell deployed twice came out apart at most, by the outer end of its interval.
    twins: HashMap<Place, f64>,
    /// Where repetitions depend on the ones before them.
    dependent: BTreeSet<Place>,
    /// In the order of `summary`.
    places: Vec<Place>,
    groups: HashMap<Place, SampleGroup>,
}

const STAGE_METRICS: [&str; 2] = ["duration_ms", "cold_total_ms"];
const PIPELINE_METRICS: [&str; 2] = ["turnaround_s", "cost_usd"];

impl Half {
    fn read(dir: &Path) -> Result<Self, TablesError> {
        let path = |table: &str| dir.join(format!("{table}.parquet"));
        let about = read::provenance(&path("summary"))?;
        let about = |key: &str| about.get(key).cloned().unwrap_or_default();
        let some = |table: &str, columns: &[&str]| -> Result<Rows, TablesError> {
            read::read(
                &path(table),
                Wanted {
                    columns,
                    ..Wanted::default()
                },
            )
        };
        let images = some("pipelines", &["image"])?;
        let costs = some(
            "costs",
            &[
                "cell_id",
                "variant",
                "runtime",
                "architecture",
                "outputs_ok",
            ],
        )?;
        let summary = some(
            "summary",
            &["cell_id", "stage", "metric", "n", "r1", "remembers"],
        )?;
        let stages = of_invocations(&path("invocations"))
            .and_then(|mut samples| samples.load(&STAGE_METRICS).map(|()| samples))
            .map_err(|error| failed("read", &path("invocations"), &error))?;
        let passes = of_pipelines(&path("pipelines"))
            .and_then(|mut samples| samples.load(&PIPELINE_METRICS).map(|()| samples))
            .map_err(|error| failed("read", &path("pipelines"), &error))?;
        let mut half = Self {
            run_id: about("run_id"),
            manifest: about("manifest_sha256"),
            target: about("target"),
            other_schema: read::other_schema(&path("summary"))?,
            images: images
                .iter()
                .filter_map(|row| row.text("image").map(str::to_owned))
                .collect(),
            cells: BTreeSet::new(),
            code: code(&path("builds"), &costs)?,
            outputs_ok: costs
                .iter()
                .filter_map(|row| Some((row.text("cell_id")?.to_owned(), row.truth("outputs_ok"))))
                .collect(),
            remembering: summary
                .iter()
                .filter(|row| row.truth("remembers") == Some(true))
                .filter_map(|row| row.text("cell_id").map(str::to_owned))
                .collect(),
            twins: twins(&path("comparisons"))?,
            dependent: BTreeSet::new(),
            places: Vec::new(),
            groups: HashMap::new(),
        };
        let mut seen = BTreeSet::new();
        for row in summary.iter() {
            let (Some(cell), Some(stage)) = (row.text("cell_id"), row.text("stage")) else {
                continue;
            };
            half.dependent.extend(dependent(row));
            if !seen.insert((cell.to_owned(), stage.to_owned())) {
                continue;
            }
            let metrics = if stage == PIPELINE {
                PIPELINE_METRICS
            } else {
                STAGE_METRICS
            };
            let group = if stage == PIPELINE {
                passes.get(cell)
            } else {
                stages.get(&(cell.to_owned(), stage.to_owned()))
            };
            half.take(cell, stage, metrics, group);
        }
        Ok(half)
    }

    fn outputs_ok(&self, cell: &str) -> Option<bool> {
        self.outputs_ok.get(cell).copied().flatten()
    }

    fn code_of(&self, cell: &str) -> Option<&BTreeSet<String>> {
        self.code.get(cell)
    }

    /// Keeps a group under each metric that it has values of; a cold start's headline is init +
    /// duration.
    fn take(
        &mut self,
        cell: &str,
        stage: &str,
        metrics: [&'static str; 2],
        group: Option<&SampleGroup>,
    ) {
        let Some(group) = group else { return };
        let cold = !group.present("cold_total_ms").is_empty();
        for metric in metrics {
            if group.present(metric).is_empty() || (cold && metric == "duration_ms") {
                continue;
            }
            let place = (cell.to_owned(), stage.to_owned(), metric);
            self.cells.insert(cell.to_owned());
            self.places.push(place.clone());
            self.groups.insert(place, group.clone());
        }
    }
}

/// Returns the place of a row of `summary` whose values depend on the ones before them (`method.md`
/// section 3).
fn dependent(row: Row<'_>) -> Option<Place> {
    let (r1, n) = (row.number("r1")?, row.number("n")?);
    let metric = row.text("metric")?;
    let metric = STAGE_METRICS
        .into_iter()
        .chain(["turnaround_s"])
        .find(|of| *of == metric)?;
    if r1.abs() <= 2.0 / n.sqrt() {
        return None;
    }
    Some((
        row.text("cell_id")?.to_owned(),
        row.text("stage")?.to_owned(),
        metric,
    ))
}

/// Reads how far the same code came out apart within a run.
fn twins(comparisons: &Path) -> Result<HashMap<Place, f64>, TablesError> {
    let only = Some(("factor", "deployment"));
    let rows = read::read(
        comparisons,
        Wanted {
            only,
            ..Wanted::default()
        },
    )?;
    let mut twins: HashMap<Place, f64> = HashMap::new();
    for row in rows.iter() {
        let ends = ["ratio_mean_ci_low", "ratio_mean_ci_high"]
            .into_iter()
            .filter_map(|end| row.number(end));
        let Some(furthest) = ends.map(apart).max_by(f64::total_cmp) else {
            continue;
        };
        let (Some(cell), Some(stage)) = (row.text("cell_a"), row.text("stage")) else {
            continue;
        };
        let metrics = STAGE_METRICS.into_iter().chain(PIPELINE_METRICS);
        let Some(metric) = metrics
            .into_iter()
            .find(|of| row.text("metric") == Some(of))
        else {
            continue;
        };
        let twin = twins
            .entry((cell.to_owned(), stage.to_owned(), metric))
            .or_insert(furthest);
        *twin = twin.max(furthest);
    }
    Ok(twins)
}

/// Says of every row how far what is the same came out apart in its metric.
fn hold_against_noise(rows: &mut [Change], halves: [&Half; 2]) {
    let mut unchanged: HashMap<&str, f64> = HashMap::new();
    for row in rows.iter().filter(|row| row.same_code == Some(true)) {
        let Some(ratio) = row.ratio else { continue };
        let most = unchanged.entry(row.metric).or_default();
        *most = most.max(apart(ratio));
    }
    for row in rows {
        let place = row.row_key();
        let twins = halves
            .into_iter()
            .filter_map(|half| half.twins.get(&place).copied());
        row.noise = twins
            .chain(unchanged.get(row.metric).copied())
            .max_by(f64::total_cmp);
    }
}

/// Returns the hashes of what the functions of each of these `cells` were made of; nothing for a
/// run without record of it.
fn code(builds: &Path, cells: &Rows) -> Result<BTreeMap<String, BTreeSet<String>>, TablesError> {
    if !builds.exists() {
        return Ok(BTreeMap::new());
    }
    let columns = [
        "variant",
        "architecture",
        "code_sha256",
        "layers_sha256",
        "runtime",
        "dependency",
    ];
    let builds = read::read(
        builds,
        Wanted {
            columns: &columns,
            ..Wanted::default()
        },
    )?;
    let of_whole = builds.iter().filter(|row| row.text("dependency").is_none());
    // By variant, architecture and runtime; the last is open where a run's tables do not say it.
    let mut built: HashMap<(&str, &str, Option<&str>), BTreeSet<String>> = HashMap::new();
    for row in of_whole {
        let (Some(variant), Some(architecture)) = (row.text("variant"), row.text("architecture"))
        else {
            continue;
        };
        let hashes = ["code_sha256", "layers_sha256", "runtime"]
            .map(|column| row.text(column).unwrap_or_default())
            .join(" ");
        for runtime in [None, row.text("runtime")] {
            built
                .entry((variant, architecture, runtime))
                .or_default()
                .insert(hashes.clone());
        }
    }
    let code = cells.iter().filter_map(|row| {
        let (variant, architecture) = (row.text("variant")?, row.text("architecture")?);
        let code = built.get(&(variant, architecture, row.text("runtime")))?;
        Some((row.text("cell_id")?.to_owned(), code.clone()))
    });
    Ok(code.collect())
}

fn change(
    found: &Comparison,
    units: Units,
    barred: Option<&'static str>,
    (cell_id, stage, metric): Place,
) -> Change {
    Change {
        n_a: found.n_a,
        n_b: found.n_b,
        ratio: found.ratio_mean,
        ratio_ci: found.ratio_mean_ci,
        p_adjusted: found.p.filter(|_| barred.is_none()),
        cliffs_delta: found.cliffs_delta,
        p_units: units.p,
        verdict: barred.unwrap_or_default(),
        noise: None,
        same_code: None,
        cell_id,
        stage,
        metric,
    }
}

/// Adjusts p within each metric, and says what may be said where outputs are right.
fn judge(rows: &mut [Change]) {
    let metrics: BTreeSet<&str> = rows.iter().map(|row| row.metric).collect();
    for metric in metrics {
        let family: Vec<usize> = (0..rows.len())
            .filter(|&i| rows[i].metric == metric)
            .collect();
        let p: Vec<Option<f64>> = family.iter().map(|&i| rows[i].p_adjusted).collect();
        for (&i, p) in family.iter().zip(holm(&p)) {
            let row = &mut rows[i];
            row.p_adjusted = p;
            if row.verdict.is_empty() {
                row.verdict = word(verdict(p, row.ratio, row.ratio_ci, row.p_units), row.metric);
            }
        }
    }
}

fn only_in_one(a: &Half, b: &Half) -> Vec<String> {
    a.cells.symmetric_difference(&b.cells).cloned().collect()
}

fn notes(a: &Half, b: &Half, rows: &[Change]) -> Vec<String> {
    let mut notes = Vec::new();
    if a.run_id != b.run_id {
        notes.push(
            "the two runs also differ in hour and host, so a difference may not come from the \
             code"
                .to_owned(),
        );
        let claims: Vec<&Change> = rows.iter().filter(|row| row.is_claim()).collect();
        notes.extend(control(&claims));
        notes.extend(dependence(&claims, [a, b]));
    }
    if a.manifest != b.manifest {
        notes.push(
            "the runs have different manifests; only cells that both have are compared".into(),
        );
    }
    if a.target != b.target {
        notes.push(format!(
            "one run is of {}, the other of {}: their durations come from different machines",
            a.target, b.target
        ));
    }
    notes.extend(
        [a, b]
            .into_iter()
            .filter_map(|half| half.other_schema.clone()),
    );
    if a.images != b.images {
        notes.push(
            "the runs measured different images: repetitions are not paired, and the images may \
             cause a difference"
                .into(),
        );
    }
    notes
}

/// Says of how many claims the repetitions were no independent ones.
fn dependence(claims: &[&Change], halves: [&Half; 2]) -> Option<String> {
    let of = claims
        .iter()
        .filter(|row| {
            halves
                .iter()
                .any(|half| half.dependent.contains(&row.row_key()))
        })
        .count();
    (of > 0).then(|| {
        format!(
            "in {of} of the {} claimed changes, repetitions of one run depend on earlier ones \
             (drift, a busy machine): their p and intervals are too narrow",
            claims.len()
        )
    })
}

/// Says what the cells whose code did not change show of everything else that did.
fn control(claims: &[&Change]) -> Option<String> {
    let of_same: Vec<&&Change> = claims
        .iter()
        .filter(|row| row.same_code == Some(true))
        .collect();
    let far = |row: &Change| row.ratio.map_or(0.0, apart);
    let worst = of_same.iter().max_by(|a, b| far(a).total_cmp(&far(b)))?;
    let percent = (worst.ratio? - 1.0) * 100.0;
    let size = format!("{:.0}% {}", percent.abs(), worst.verdict);
    let place = format!("{} · {}", worst.cell_id, worst.stage);
    Some(if claims.len() == of_same.len() {
        format!(
            "code and layers are the same in both runs wherever a change is claimed (up to \
             {size}: {place}), so the machine, its load or the platform changed, not the code"
        )
    } else {
        format!(
            "{} of the {} claimed changes are in code and layers that both runs share, up to \
             {size} ({place}): a change of that size may not come from the code",
            of_same.len(),
            claims.len()
        )
    })
}
