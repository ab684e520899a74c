//! Notes beside a row: why its sample is empty, partial or small, and what to mind in its
//! intervals.
//!
//! Figures → sentences. Decides nothing: no row is left out or ranked because of a note.

use darkroom_core::event::PlannedCell;
use darkroom_core::statistics::{
    Description, Intervals, MIN_N_P95, MIN_N_P99, Neighbours, SMALL_N, neighbours,
};

use crate::outputs::Outputs;
use crate::samples::GroupCounts;

/// Says of a stage that its model gave no code for it, or that one before it in the chain has none;
/// of the pipeline (`None`) which stages have none.
pub fn not_there(
    planned: &PlannedCell,
    stages: &[String],
    stage: Option<&String>,
) -> Option<String> {
    let missing = &planned.missing;
    let Some(stage) = stage else {
        let named = stages.iter().filter_map(|stage| {
            let outcome = missing.get(stage)?;
            Some(format!("{stage}: {outcome}"))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        return (!named.is_empty()).then(|| format!("not there: {named}"));
    };
    if let Some(outcome) = missing.get(stage) {
        return Some(format!("not there: {outcome}"));
    }
    let called = planned.called(stages.iter().map(String::as_str));
    let place = stages.iter().position(|name| name == stage)?;
    let gap = stages.iter().find(|stage| missing.contains_key(*stage))?;
    (!called[place]).then(|| format!("not reached: {gap} is not there"))
}

/// Says why a sample is empty, partial or small. `calls_failed` counts the calls that failed, of a
/// sample of passes.
pub fn sample_notes(
    planned: &PlannedCell,
    rows: usize,
    calls_failed: usize,
    counts: GroupCounts,
    d: &Description,
) -> Vec<String> {
    if let Some(why) = &planned.not_runnable {
        return vec![format!("cannot run here: {why}")];
    }
    if rows == 0 && calls_failed > 0 {
        return vec![format!(
            "no complete pass: {calls_failed} of its calls failed"
        )];
    }
    if rows == 0 {
        return vec!["not measured".into()];
    }
    let mut notes = Vec::new();
    if d.n == 0 {
        notes.push("no valid rows".into());
    }
    let tried = counts.failed + d.n + counts.missing;
    if counts.failed > 0 && counts.failed == tried {
        notes.push(format!("{tried} of {tried} failed: no sample"));
    } else if counts.failed > 0 {
        notes.push(format!(
            "{} of {tried} failed: the sample has only the successful ones",
            counts.failed
        ));
    }
    if counts.missing > 0 {
        notes.push(format!("{} without a value", counts.missing));
    }
    if counts.proactive > 0 {
        notes.push(format!(
            "{} not counted: the platform had initialised the environment before the call",
            counts.proactive
        ));
    }
    if d.n > 0 && d.n < MIN_N_P95 {
        notes.push(format!("p95 needs n >= {MIN_N_P95}, p99 n >= {MIN_N_P99}"));
    } else if d.n > 0 && d.n < MIN_N_P99 {
        notes.push(format!("p99 needs n >= {MIN_N_P99}"));
    }
    notes
}

pub fn interval_notes(d: &Description, intervals: &Intervals) -> Vec<String> {
    let mut notes = Vec::new();
    if d.n == 1 {
        notes.push("a single value: no SD and no interval".to_owned());
    }
    if d.n >= 2 && d.sd == Some(0.0) {
        notes.push(
            "all values are equal, so the interval has zero width; another hour or host may \
             still differ"
                .to_owned(),
        );
    }
    if d.n >= 2 && intervals.degrees + 1 < SMALL_N {
        notes.push("small n".to_owned());
    }
    match intervals.r1.map(|r1| (neighbours(d.n, r1), r1)) {
        Some((Neighbours::Alike, r1)) => {
            notes.push(format!(
                "consecutive values resemble each other (r1 {r1:.2}): intervals by blocks"
            ));
        }
        Some((Neighbours::Alternating, r1)) => {
            notes.push(format!(
                "consecutive values alternate (r1 {r1:.2}): intervals are not narrowed for that"
            ));
        }
        Some((Neighbours::Independent, _)) | None => {}
    }
    notes
}

pub fn outputs_note(planned: &PlannedCell, rows: usize, outputs: &Outputs) -> Option<String> {
    if planned.not_runnable.is_some() || rows == 0 {
        return None;
    }
    match (outputs.ok, &outputs.reason) {
        (Some(true), _) if outputs.remembers => Some("remembers outputs, not ranked".into()),
        (Some(true), _) => None,
        (Some(false), reason) => Some(format!(
            "outputs wrong, not ranked: {}",
            reason.as_deref().unwrap_or("unknown")
        )),
        (None, _) => Some("outputs not checked, not ranked".into()),
    }
}

pub fn joined(notes: &[String]) -> Option<String> {
    (!notes.is_empty()).then(|| notes.join("; "))
}
