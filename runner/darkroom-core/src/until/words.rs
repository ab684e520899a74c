//! The stopping rule and its last look, in sentences for people.

use crate::cell::CellId;
use crate::event::Look;
use crate::manifest::Until;
use crate::statistics::StoppedBy;

/// Says in a sentence where a run stands to its rule; `last` is its last look.
pub fn rule_in_words(until: &Until, last: Option<&Look>) -> String {
    let target = format!(
        "±{} of the mean {}",
        asked(until.ci_half_width),
        until.metric.as_str()
    );
    let Some(look) = last else {
        return format!(
            "The intervals were not checked yet: that happens after {} repetitions.",
            until.min
        );
    };
    let n = look.repetitions;
    let widest = match (&look.cell_id, look.widest) {
        (Some(cell), Some(width)) => {
            format!(
                "; the widest is {} ({})",
                beside(width, until.ci_half_width),
                named(cell, look.stage.as_ref())
            )
        }
        (Some(cell), None) => format!("; {} has no interval", named(cell, look.stage.as_ref())),
        (None, _) => String::new(),
    };
    let excused: Vec<String> = look
        .excused
        .iter()
        .map(|excuse| {
            format!(
                "{} ({})",
                named(&excuse.cell_id, excuse.stage.as_ref()),
                excuse.reason
            )
        })
        .collect();
    let excused = if excused.is_empty() {
        String::new()
    } else {
        format!(" Ignored: {}.", excused.join(", "))
    };
    let sentence = match look.stopped_by {
        Some(StoppedBy::CiHalfWidth) => {
            format!("Stopped after {n} repetitions: every interval is within {target}{widest}.")
        }
        Some(StoppedBy::Max) => format!(
            "Stopped after {n} repetitions, the maximum: {} wider than {target}{widest}.",
            intervals(look, "is", "are")
        ),
        Some(StoppedBy::NoSample) => {
            format!(
                "Stopped after {n} repetitions: no cell has correct results that more \
                 repetitions would improve."
            )
        }
        None => format!(
            "Not finished: at {n} repetitions {} wider than {target}{widest}.",
            intervals(look, "was", "were")
        ),
    };
    sentence + &excused
}

fn named(cell: &CellId, stage: Option<&String>) -> String {
    stage.map_or_else(|| cell.to_string(), |stage| format!("{cell} {stage}"))
}

/// Says how many of a look's intervals, with the verb that fits: `1 of 2 intervals is`,
/// `the only interval is`.
fn intervals(look: &Look, one: &str, several: &str) -> String {
    let verb = if look.wider == 1 { one } else { several };
    match (look.wider, look.samples) {
        (1, 1) => format!("the only interval {verb}"),
        (wider, samples) => format!("{wider} of {samples} intervals {verb}"),
    }
}

/// The half width that was asked for as a percentage, in full: `2%`, `0.001%`, `12.5%`.
pub fn asked(share: f64) -> String {
    trimmed(format!("{:.6}", share * 100.0)) + "%"
}

/// A half width as a percentage beside the one that was asked for: of two significant figures, or
/// of as many as it takes to show on which side of `asked` it is: `±10.02%` beside `10%`.
pub fn beside(width: f64, asked: f64) -> String {
    const MOST: usize = 6;
    let (percent, limit) = (width * 100.0, asked * 100.0);
    let few = (1.0 - percent.abs().log10().floor()).clamp(0.0, 4.0) as usize;
    let told = (few..=MOST).map(|decimals| trimmed(format!("{percent:.decimals$}")));
    let shows_side = |text: &String| {
        text.parse::<f64>()
            .is_ok_and(|it| (it > limit) == (percent > limit))
    };
    let side = if percent > limit {
        "just above"
    } else {
        "at most"
    };
    told.into_iter().find(shows_side).map_or_else(
        || format!("{side} ±{}", self::asked(asked)),
        |text| format!("±{text}%"),
    )
}

fn trimmed(text: String) -> String {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
