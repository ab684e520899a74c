//! Rows of `summary` and `costs`, and the facts behind failures → the [`Summary`] that the terminal
//! shows.

use std::collections::{BTreeMap, BTreeSet};

use darkroom_core::besides::LOG_BYTES;
use darkroom_core::cell::Start;
use darkroom_core::cost::{GB_BYTES, OF_TABLES, PriceTable};
use darkroom_core::event::{
    FunctionDeployed, Look, Misbehaved, PassKind, PlannedCell, ReconciledMetric,
};
use darkroom_core::ledger::{AttemptId, CountsAs};
use darkroom_core::snapshots::Snapshots;

use crate::aggregate::SummaryRow;
use crate::comparisons::{self, ComparisonRow};
use crate::correctness::{CorrectnessRow, RatePair};
use crate::costs::CostRow;
use crate::facts::{JournalFacts, Text};
use crate::outputs::Outputs;
use crate::sessions::Session;
use crate::summary::{
    CellSummary, Difference, FailureCount, Misdeed, MissingStage, ReconciliationSummary,
    RefusedCalls, Remembered, Spent, StageSummary, Statistic, Summary, TableFile, WrongOutput,
};

/// What the summary says of single facts.
pub struct Seen {
    failures: Vec<FailureCount>,
    wrong_outputs: Vec<WrongOutput>,
    missing: Vec<MissingStage>,
    reconciliation: ReconciliationSummary,
    refused_calls: Vec<RefusedCalls>,
    misdeeds: Vec<Misdeed>,
    damaged: Vec<String>,
    last_look: Option<Look>,
    sessions: Vec<Session>,
    spent: Option<Spent>,
    snapshots: Snapshots,
}

/// Returns what the summary needs of the facts themselves.
pub fn seen(facts: &JournalFacts) -> Seen {
    Seen {
        failures: failures(facts),
        wrong_outputs: wrong_outputs(facts),
        missing: missing(facts),
        reconciliation: reconciliation(facts),
        refused_calls: refused_calls(facts),
        misdeeds: misdeeds(facts),
        damaged: facts.damaged.clone(),
        snapshots: facts.billed.snapshots(&facts.run),
        last_look: facts.last_look.clone(),
        sessions: facts.sessions.clone(),
        spent: facts.spent,
    }
}

/// Returns the run in a screenful.
#[expect(
    clippy::too_many_arguments,
    reason = "what a run has to show, each from the step that made it"
)]
pub fn overview(
    facts: &JournalFacts,
    prices: &PriceTable,
    rows: &[SummaryRow],
    costs: &[CostRow],
    comparisons: &[ComparisonRow],
    outputs: &[Outputs],
    (correctness, rate_pairs): (&[CorrectnessRow], &[RatePair]),
    seen: Seen,
    tables: Vec<TableFile>,
) -> Summary {
    let run = &facts.run;
    let snapshots = seen.snapshots;
    let ahead = passes_proactive(facts);
    let cells = (0u32..).zip(&run.cells).map(|(index, planned)| {
        let rows: Vec<&SummaryRow> = rows.iter().filter(|row| row.cell == index).collect();
        cell_summary(
            facts,
            planned,
            &rows,
            &costs[index as usize],
            &outputs[index as usize],
            ahead[index as usize],
        )
    });
    Summary {
        run_id: run.run_id.clone(),
        experiment: run.experiment.clone(),
        target: run.target.clone(),
        region: run.region.clone(),
        endpoint: run.endpoint.clone(),
        isolation: run.isolation.clone(),
        price_region: prices.region.clone(),
        price_date: prices.date.clone(),
        prices_unconfirmed: prices.unconfirmed(OF_TABLES),
        logs_usd: seen
            .spent
            .and_then(|spent| logs_usd(spent.invocations, prices)),
        logs_unconfirmed: prices.log_ingest().is_some_and(|price| price.unconfirmed),
        snapshots,
        snapshots_usd: snapshots.usd(prices),
        until: run.until,
        vary_inputs: run.vary_inputs,
        last_look: seen.last_look,
        sessions: seen.sessions,
        spent: seen.spent,
        stages: run.stages.clone(),
        cells: cells.collect(),
        comparisons: comparisons
            .iter()
            .map(|row| comparisons::shown(facts, row))
            .collect(),
        failures: seen.failures,
        wrong_outputs: seen.wrong_outputs,
        missing: seen.missing,
        correctness: correctness.iter().map(|row| row.shown(run)).collect(),
        correctness_comparisons: rate_pairs.iter().map(|row| row.shown(run)).collect(),
        reconciliation: seen.reconciliation,
        refused_calls: seen.refused_calls,
        misdeeds: seen.misdeeds,
        damaged: seen.damaged,
        tables,
    }
}

/// Returns what the variants' handlers called and may not, by variant and action.
pub fn refused_calls(facts: &JournalFacts) -> Vec<RefusedCalls> {
    let deployed = deployed(facts);
    let mut found: BTreeMap<(&str, &str), RefusedCalls> = BTreeMap::new();
    for refused in &facts.refused {
        let of = deployed.get(refused.function.as_str());
        let variant = of.map_or(refused.function.as_str(), |it| &it.variant);
        let calls = found
            .entry((variant, &refused.action))
            .or_insert_with(|| RefusedCalls {
                variant: variant.to_owned(),
                action: refused.action.clone(),
                resource: refused.resource.clone(),
                calls: 0,
                stages: BTreeSet::new(),
            });
        calls.calls += refused.calls;
        calls.stages.extend(of.map(|it| it.stage.clone()));
    }
    found.into_values().collect()
}

/// Returns what the variants' handlers did that no honest one does, by function.
pub fn misdeeds(facts: &JournalFacts) -> Vec<Misdeed> {
    let deployed = deployed(facts);
    let mut found: BTreeMap<(&str, &str), Misdeed> = BTreeMap::new();
    for Misbehaved {
        function,
        kind,
        what,
        times,
        ..
    } in &facts.misbehaved
    {
        let of = deployed.get(function.as_str());
        let first = || Misdeed {
            variant: of.map_or(function, |it| &it.variant).clone(),
            stage: of.map(|it| it.stage.clone()).unwrap_or_default(),
            function: function.clone(),
            what: what.clone(),
            times: 0,
        };
        found.entry((function, kind)).or_insert_with(first).times += times;
    }
    found.into_values().collect()
}

/// Returns each function that was deployed, by its name.
fn deployed(facts: &JournalFacts) -> BTreeMap<&str, &FunctionDeployed> {
    let deployed = facts.deployed.iter();
    deployed.map(|it| (it.function.as_str(), it)).collect()
}

fn reconciliation(facts: &JournalFacts) -> ReconciliationSummary {
    let heard: Vec<_> = facts
        .reconciliations
        .iter()
        .filter(|(_, figure)| figure.reported.is_some())
        .collect();
    let sum = |metric| {
        let of_metric = heard.iter().filter(|(_, figure)| figure.metric == metric);
        of_metric.map(|(_, figure)| figure.recorded).sum::<f64>()
    };
    let differing = heard
        .iter()
        .filter(|(_, figure)| figure.agrees() == Some(false));
    ReconciliationSummary {
        sessions: facts.sessions.len(),
        sessions_reconciled: heard
            .iter()
            .map(|(session, _)| session)
            .collect::<BTreeSet<_>>()
            .len(),
        functions: heard
            .iter()
            .map(|(_, figure)| &figure.function)
            .collect::<BTreeSet<_>>()
            .len(),
        invocations: sum(ReconciledMetric::Invocations),
        errors: sum(ReconciledMetric::Errors),
        throttles: sum(ReconciledMetric::Throttles),
        duration_ms: sum(ReconciledMetric::DurationMs),
        differences: differing
            .filter_map(|(session, figure)| {
                Some(Difference {
                    session: *session,
                    function: figure.function.clone(),
                    metric: figure.metric.as_str(),
                    recorded: figure.recorded,
                    reported: figure.reported?,
                })
            })
            .collect(),
        unknown: facts
            .reconciliations
            .iter()
            .filter_map(|(_, figure)| figure.unknown.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
    }
}

fn cell_summary(
    facts: &JournalFacts,
    planned: &PlannedCell,
    rows: &[&SummaryRow],
    cost: &CostRow,
    outputs: &Outputs,
    passes_proactive: usize,
) -> CellSummary {
    let find = |stage: Option<u32>, metric: &str| {
        rows.iter()
            .find(|row| row.stage == stage && row.metric == metric)
            .map(|row| statistic(row))
    };
    let metric = if planned.cell.start == Start::Cold {
        "cold_total_ms"
    } else {
        "duration_ms"
    };
    let stages = (0u32..).zip(&facts.run.stages).map(|(index, stage)| {
        let time = rows
            .iter()
            .find(|row| row.stage == Some(index) && row.metric == metric);
        let memory = rows
            .iter()
            .find(|row| row.stage == Some(index) && row.metric == "max_memory_mb");
        StageSummary {
            stage: stage.clone(),
            metric,
            time_ms: time.map(|row| statistic(row)).unwrap_or_default(),
            cost_usd_per_100k: find(Some(index), "cost_usd_per_100k").unwrap_or_default(),
            trigger_delay_ms: find(Some(index), "trigger_delay_ms"),
            max_memory_mb: memory.and_then(|row| row.description.max),
            n_failed: time.map_or(0, |row| row.group.failed),
            n_wrong_start: time.map_or(0, |row| row.group.wrong_start),
            n_proactive: time.map_or(0, |row| row.group.proactive),
            n_warm_up: time.map_or(0, |row| row.group.warm_up),
            n_probe: time.map_or(0, |row| row.group.probe),
            n_superseded: time.map_or(0, |row| row.group.superseded),
        }
    });
    CellSummary {
        cell_id: planned.id.to_string(),
        cell: planned.cell.clone(),
        model: planned.model.clone(),
        sample: planned.sample,
        prompt: planned.prompt_name().map(str::to_owned),
        not_runnable: planned.not_runnable.clone(),
        wrong_on_purpose: planned.wrong_on_purpose,
        outputs_ok: outputs.ok,
        reason: outputs.reason.clone(),
        remembers: remembered(facts, rows),
        stages: stages.collect(),
        turnaround_s: find(None, "turnaround_s"),
        coarse_resolution: rows
            .iter()
            .find(|row| row.is_coarse() == Some(true))
            .and_then(|row| row.resolution_share),
        cost_usd_per_100k: find(None, "cost_usd_per_100k").unwrap_or_default(),
        s3_usd_per_100k: cost.s3,
        passes: cost.n,
        passes_proactive,
    }
}

/// Returns what the platform's lines of so many invocations cost to ingest, as a plan counts them.
fn logs_usd(invocations: u64, prices: &PriceTable) -> Option<f64> {
    let price = prices.log_ingest()?;
    Some((invocations * LOG_BYTES) as f64 / GB_BYTES * price.usd)
}

/// Counts, by cell, the passes that no further attempt will replace, and that met an environment
/// which was initialised before the call.
fn passes_proactive(facts: &JournalFacts) -> Vec<usize> {
    let mut counts = vec![0; facts.run.cells.len()];
    for id in 0..facts.passes.len() as AttemptId {
        let counts_as = facts.ledger.pass_counts_as(id);
        let is_measured = facts.ledger.repetition(id).kind == PassKind::Measured;
        if counts_as == CountsAs::Proactive && is_measured && facts.ledger.stands(id) {
            counts[facts.cell_of(id) as usize] += 1;
        }
    }
    counts
}

fn remembered(facts: &JournalFacts, rows: &[&SummaryRow]) -> Vec<Remembered> {
    let of = |row: &&SummaryRow| {
        let (stage, fresh) = (row.stage?, row.fresh.filter(|fresh| fresh.remembers)?);
        let stage = facts.run.stages[stage as usize].clone();
        Some(Remembered {
            stage,
            fresh_ratio: fresh.ratio,
            fresh_ratio_low: fresh.low,
            image: row.fresh_image.clone(),
        })
    };
    rows.iter().filter_map(of).collect()
}

fn statistic(row: &SummaryRow) -> Statistic {
    let d = &row.description;
    Statistic {
        n: d.n,
        mean: d.mean,
        sd: d.sd,
        cv: d.cv,
        p50: d.p50,
        p95: d.p95,
        mean_ci: row
            .intervals
            .mean
            .map(|interval| (interval.low, interval.high)),
        rank: row.rank,
        note: row.note.clone(),
    }
}

/// Returns the stages that models gave no code for, each once a variant, in the order of the plan.
pub fn missing(facts: &JournalFacts) -> Vec<MissingStage> {
    let mut seen = BTreeSet::new();
    let runnable = facts.run.cells.iter();
    let runnable = runnable.filter(|planned| planned.not_runnable.is_none());
    let of_variants = runnable.filter(|planned| seen.insert(&planned.cell.variant));
    let of_variant = |planned: &PlannedCell| {
        let stage = |stage: &String| {
            Some(MissingStage {
                variant: planned.cell.variant.clone(),
                stage: stage.clone(),
                outcome: planned.missing.get(stage)?.clone(),
            })
        };
        facts
            .run
            .stages
            .iter()
            .filter_map(stage)
            .collect::<Vec<_>>()
    };
    of_variants.flat_map(of_variant).collect()
}

/// What failed for good: invocations by kind, and passes that broke though none of their
/// invocations is known to have. That a pass ended where a stage has no code is said of the stage.
fn failures(facts: &JournalFacts) -> Vec<FailureCount> {
    /// Cell, stage, status, error type.
    type Kind<'a> = (u32, Option<u32>, &'a str, Option<Text>);
    let mut found: BTreeMap<Kind, (Option<Text>, usize)> = BTreeMap::new();
    let mut failed_passes = std::collections::HashSet::new();
    for row in &facts.invocations {
        if facts.invocation_counts_as(row) == CountsAs::Failed {
            failed_passes.insert(row.pass);
            let cell = facts.cell_of(row.pass);
            let kind = (cell, Some(row.stage), row.status.as_str(), row.error_type);
            found.entry(kind).or_insert((row.error, 0)).1 += 1;
        }
    }
    for id in 0..facts.passes.len() as AttemptId {
        let is_failed = facts.ledger.pass_counts_as(id) == CountsAs::Failed;
        if is_failed && !failed_passes.contains(&id) && !ended_at_a_gap(facts, id) {
            found
                .entry((facts.cell_of(id), None, "incomplete", None))
                .or_insert((None, 0))
                .1 += 1;
        }
    }
    let text = |index: Text| facts.texts[index as usize].clone();
    let failure =
        |((cell, stage, status, error_type), (error, count)): (Kind, (Option<Text>, usize))| {
            FailureCount {
                cell_id: facts.run.cells[cell as usize].id.to_string(),
                stage: stage.map(|stage| facts.run.stages[stage as usize].clone()),
                status: status.into(),
                error_type: error_type.map(text),
                error: error.map(text),
                count,
            }
        };
    found.into_iter().map(failure).collect()
}

/// Says whether the first stage of a pass without an output is one that has no code.
fn ended_at_a_gap(facts: &JournalFacts, id: AttemptId) -> bool {
    let missing = &facts.run.cells[facts.cell_of(id) as usize].missing;
    let finished = facts.passes[id as usize].finished.as_ref();
    let stage = finished.and_then(|finished| finished.failed_stage);
    stage.is_some_and(|stage| missing.contains_key(&facts.texts[stage as usize]))
}

fn wrong_outputs(facts: &JournalFacts) -> Vec<WrongOutput> {
    let mut checked: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    let mut wrong: BTreeMap<(u32, u32, &str), (Option<String>, usize)> = BTreeMap::new();
    for check in facts
        .checks
        .iter()
        .filter(|check| facts.ledger.check_counts(check.pass))
    {
        let cell = facts.cell_of(check.pass);
        *checked.entry((cell, check.stage)).or_default() += 1;
        if !check.verdict.pass {
            let reason = check.verdict.reason.as_deref().unwrap_or("wrong");
            wrong
                .entry((cell, check.stage, reason))
                .or_insert_with(|| (check.verdict.detail.clone(), 0))
                .1 += 1;
        }
    }
    let row =
        |((cell, stage, reason), (detail, count)): ((u32, u32, &str), (Option<String>, usize))| {
            WrongOutput {
                cell_id: facts.run.cells[cell as usize].id.to_string(),
                stage: facts.run.stages[stage as usize].clone(),
                reason: reason.into(),
                detail,
                count,
                checked: checked[&(cell, stage)],
            }
        };
    wrong.into_iter().map(row).collect()
}
