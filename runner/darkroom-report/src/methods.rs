//! The methods paragraph: what a paper must say of this run, from its metadata.

use std::collections::BTreeSet;

use darkroom_core::event::Look;
use darkroom_core::manifest::{StoppingMetric, Until};
use darkroom_core::statistics::{LOOK_EVERY, StoppedBy};

use crate::number::count;
use crate::run::Run;

/// Returns the paragraph, in the past tense, ready to be pasted.
pub fn methods(run: &Run) -> String {
    let measured = run.measured().count();
    let numbers: Vec<usize> = run
        .summary
        .iter()
        .filter(|row| row.text("metric") == Some("duration_ms"))
        .filter_map(|row| row.number("n"))
        .map(|n| n as usize)
        .filter(|n| *n > 0)
        .collect();
    let (fewest, most) = (numbers.iter().min().copied().unwrap_or(0), numbers.iter().max().copied().unwrap_or(0));
    let n = if fewest == most { format!("n = {most}") } else { format!("n = {fewest} to {most}") };
    let sum = |column: &str| -> usize {
        run.summary
            .iter()
            .filter(|row| row.text("metric") == Some("duration_ms"))
            .filter_map(|row| row.number(column))
            .sum::<f64>() as usize
    };
    let machine = machine(run);
    let methods: BTreeSet<&str> = run.summary.iter().filter_map(|row| row.text("ci_method")).collect();
    let unmeasured = run.cells.len() - measured;
    let not_run = if unmeasured == 0 {
        String::new()
    } else {
        format!(" {} of the plan could not be or were not measured.", count(unmeasured, "further cell"))
    };
    let stopped = stopping_rule(run);
    let local = if run.is_local() {
        " Durations are of that machine and compare code on it; they are not AWS's, and costs are what AWS would charge for them."
    } else {
        ""
    };
    format!(
        "{} of the pipeline {} ({}) were measured with Darkroom {} on {}{machine}, {n} invocations a stage and cell, in {} order \
         (seed {}).{stopped}{not_run} Durations are those of Lambda's REPORT lines, turnaround is the runner's monotonic clock from just \
         before the first call or upload to the final object. Start kinds were read from each REPORT. Not in any statistic, \
         but kept as rows: {} warm-ups, {} invocations of the wrong start, {} superseded, {} failed; no outlier was removed. \
         Outputs were checked against an independent reference, stage by stage; cells that failed are not ranked. Intervals \
         are 95% ({}; order statistics for quantiles). Ratios were bootstrapped over images and repetitions; p-values are \
         Wilcoxon's or Mann-Whitney's, Holm-adjusted within a metric and factor; a difference is claimed only if p < 0.05, \
         the interval excludes 1 and it is 2% or more. Costs: {} prices of {}, first tier, without the free one.{local} Run {}, \
         manifest sha256 {}, code sha256 {}.",
        count(measured, "cell"),
        run.about("pipeline"),
        run.stages.join(", "),
        run.about("version"),
        run.place(),
        run.about("order"),
        run.about("seed"),
        sum("n_warm_up"),
        sum("n_wrong_start"),
        sum("n_superseded"),
        sum("n_failed"),
        methods.into_iter().collect::<Vec<_>>().join(", "),
        run.about("price_region"),
        run.about("price_date"),
        run.about("run_id"),
        run.about("manifest_sha256"),
        code(run),
    )
}

/// States the rule by which the number of repetitions came about, where it was not fixed before.
fn stopping_rule(run: &Run) -> String {
    let read = |key: &str| run.about.get(key);
    let until: Option<Until> = read("until").and_then(|text| serde_json::from_str(text).ok());
    let look: Option<Look> = read("last_look").and_then(|text| serde_json::from_str(text).ok());
    let Some(until) = until else { return String::new() };
    let whose = match until.metric {
        StoppingMetric::Turnaround => "the mean turnaround of every cell",
        StoppingMetric::Duration => "the mean duration of every stage and cell",
    };
    let ended = match look.as_ref().and_then(|look| Some((look.stopped_by?, look.repetitions))) {
        Some((StoppedBy::CiHalfWidth, n)) => format!("it was after {n}"),
        Some((StoppedBy::Max, n)) => format!("it was not, so that all {n} were made"),
        Some((StoppedBy::NoSample, n)) => format!("no cell had right values, so that it ended after {n}"),
        None => "the run had not come to its end".to_owned(),
    };
    format!(
        " Repetitions ({} to {}) went on until the 95% interval of {whose} was within ±{}% of it, looked at after {} and every \
         {LOOK_EVERY} further whole blocks (cells with wrong outputs or without any value were not waited for): {ended}.",
        until.min,
        until.max,
        until.ci_half_width * 100.0,
        until.min,
    )
}

fn machine(run: &Run) -> String {
    let machine: serde_json::Value = serde_json::from_str(run.about("machine")).unwrap_or_default();
    let fact = |key: &str| machine.get(key).and_then(|value| value.as_str());
    match (fact("cpu_model"), fact("cores")) {
        (Some(model), Some(cores)) if run.is_local() => format!(" ({model}, {cores} cores)"),
        _ => String::new(),
    }
}

/// Names the deployed code, each distinct zip once.
fn code(run: &Run) -> String {
    let by_function: std::collections::BTreeMap<String, String> =
        serde_json::from_str(run.about("code_sha256")).unwrap_or_default();
    let distinct: BTreeSet<&String> = by_function.values().collect();
    distinct.into_iter().map(|hash| hash.chars().take(12).collect::<String>()).collect::<Vec<_>>().join(", ")
}
