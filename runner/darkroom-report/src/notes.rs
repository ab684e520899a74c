//! Plain sentences about what could mislead a reader of a mean, from its row of `summary`.
//!
//! Decides nothing: trend, autocorrelation and shares of variance come from the table. Thresholds
//! here only say when to mention them.

use std::collections::BTreeMap;

use darkroom_core::statistics::{Neighbours, neighbours};
use darkroom_tables::read::Row;

use crate::number::figure;
use crate::run::{CellView, Run};

/// What the table notes of a sample so small that its interval is rough (method.md, section 3).
const SMALL_N: &str = "small n";
/// A trend's adjusted p below which the table calls a sample not stationary (method.md, section 5).
const TREND_SIGNIFICANCE: f64 = 0.01;
/// Share of the variance between images from which the SD is mostly theirs.
const MOSTLY: f64 = 0.5;
/// Share of the variance between deployments or environments that is worth a sentence.
const WORTH_A_SENTENCE: f64 = 0.1;

/// Why a number may mislead, in order of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoteKind {
    Unchecked,
    Survivors,
    Proactive,
    Single,
    Small,
    Equal,
    Drift,
    Coarse,
    Autocorrelated,
    Alternating,
    Deployments,
    Environments,
    Images,
}

impl NoteKind {
    /// What it means, as a sentence that continues with the cells it is true of.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Unchecked => "Outputs were not checked, so this code may not do the work at all",
            Self::Survivors => {
                "Means include only successful invocations. Failed ones may have been slower"
            }
            Self::Proactive => {
                "Some calls met an environment that the platform had initialised before. They \
                 waited for no cold start, and are not counted"
            }
            Self::Single => {
                "A single measurement has no SD and no interval, so it cannot be compared"
            }
            Self::Small => {
                "With fewer than 10 measurements, or fewer than 9 beyond one for each image, an interval is rough"
            }
            Self::Equal => {
                "All values are equal, so the interval has zero width. Another hour or host may \
                 still differ"
            }
            Self::Drift => {
                "Not stationary: values changed during the run, so the mean depends on when it \
                 was taken"
            }
            Self::Coarse => "Polling for the last object was too slow, so the mean is too high",
            Self::Autocorrelated => {
                "Consecutive measurements resemble each other, so each says less. The interval \
                 is computed from blocks of them"
            }
            Self::Alternating => {
                "Consecutive measurements alternate: after a high one comes a low one. The \
                 interval is not narrowed for that"
            }
            Self::Deployments => {
                "The same code deployed under another name differed, so part of the spread comes \
                 from the host"
            }
            Self::Environments => {
                "Environments of one deployment differed, so a mean over few of them is partly luck"
            }
            Self::Images => {
                "Most of the spread is not noise: it comes from images of different size"
            }
        }
    }
}

/// One reason to be careful with one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub kind: NoteKind,
    /// What is so of this number.
    pub here: String,
    /// The same for a table's field.
    pub short: String,
}

/// Returns what is to be said of a row of `summary` of a measured cell.
pub fn notes(cell: &CellView, row: Row<'_>) -> Vec<Note> {
    let number = |column| row.number(column);
    let count = |column| number(column).unwrap_or(0.0);
    let mut notes = Vec::new();
    let mut say = |kind, here: String, short: String| notes.push(Note { kind, here, short });
    let n = count("n");
    if cell.outputs_ok.is_none() {
        say(
            NoteKind::Unchecked,
            "not checked".into(),
            "unchecked".into(),
        );
    }
    if count("n_failed") > 0.0 {
        let tried = n + count("n_failed") + count("n_missing");
        let failed = format!("{} of {tried} failed", count("n_failed"));
        say(NoteKind::Survivors, failed.clone(), failed);
    }
    if count("n_proactive") > 0.0 {
        let ready = format!("{} initialised before the call", count("n_proactive"));
        say(NoteKind::Proactive, ready.clone(), ready);
    }
    if n < 2.0 {
        say(NoteKind::Single, "n = 1".into(), "n = 1".into());
    } else if row.text("note").is_some_and(|note| note.contains(SMALL_N)) {
        say(NoteKind::Small, format!("n = {n}"), "small n".into());
    }
    if n > 1.0 && number("sd") == Some(0.0) {
        say(NoteKind::Equal, "SD = 0".into(), "all equal".into());
    }
    if number("trend_p_adj").is_some_and(|p| p < TREND_SIGNIFICANCE) {
        let (here, short) = drift(row);
        say(NoteKind::Drift, here, short);
    }
    if row.truth("coarse") == Some(true) {
        let late = format!("up to {} too high", percent(count("resolution_share")));
        say(NoteKind::Coarse, late.clone(), late);
    }
    if let Some(r1) = number("r1") {
        let (here, short) = (
            format!("lag-1 autocorrelation {}", figure(r1)),
            format!("r1 {}", figure(r1)),
        );
        match neighbours(n as usize, r1) {
            Neighbours::Alike => say(NoteKind::Autocorrelated, here, short),
            Neighbours::Alternating => say(NoteKind::Alternating, here, short),
            Neighbours::Independent => {}
        }
    }
    let shares = [
        (
            NoteKind::Deployments,
            "variance_deployment",
            WORTH_A_SENTENCE,
            "deployments",
        ),
        (
            NoteKind::Environments,
            "variance_environment",
            WORTH_A_SENTENCE,
            "environments",
        ),
        (NoteKind::Images, "variance_image", MOSTLY, "images"),
    ];
    for (kind, column, threshold, between) in shares {
        if let Some(share) = number(column).filter(|share| *share >= threshold) {
            let here = format!("{} of the variance between {between}", percent(share));
            say(kind, here, format!("{between} {}", percent(share)));
        }
    }
    notes
}

fn drift(row: Row<'_>) -> (String, String) {
    let tau = row.number("trend_tau").unwrap_or(0.0);
    let way = if tau > 0.0 { "rose" } else { "fell" };
    let Some(ratio) = row.number("halves_ratio") else {
        return (
            format!("{way} over the run, Kendall's tau {tau:.2}"),
            format!("{way} over the run"),
        );
    };
    let (moved, side) = (
        percent((ratio - 1.0).abs()),
        if ratio >= 1.0 { "above" } else { "below" },
    );
    let here = format!(
        "{way} over the run, Kendall's tau {tau:.2}, the second half's median {moved} {side} the first's"
    );
    (here, format!("{way}, second half {moved} {side}"))
}

/// Cells that a sentence tells of in full; of more it says the short of each.
const IN_FULL: usize = 3;

/// Returns a sentence a kind, with the cells that it is true of, for one metric of one stage (or
/// the pipeline).
pub fn sentences(
    run: &Run,
    stage: &str,
    metric: impl Fn(&CellView) -> &'static str,
) -> Vec<String> {
    let mut kinds: BTreeMap<NoteKind, Vec<(&str, Note)>> = BTreeMap::new();
    for cell in run.measured() {
        let Some(row) = run
            .summary_row(cell, stage, metric(cell))
            .filter(|row| row.number("mean").is_some())
        else {
            continue;
        };
        for note in notes(cell, row) {
            kinds
                .entry(note.kind)
                .or_default()
                .push((&cell.label, note));
        }
    }
    let sentence = |(kind, cells): (NoteKind, Vec<(&str, Note)>)| {
        let told = |(cell, note): &(&str, Note)| {
            format!(
                "{cell} ({})",
                if cells.len() <= IN_FULL {
                    &note.here
                } else {
                    &note.short
                }
            )
        };
        format!(
            "{}: {}.",
            kind.meaning(),
            cells.iter().map(told).collect::<Vec<_>>().join(", ")
        )
    };
    kinds.into_iter().map(sentence).collect()
}

/// Spells a share as per cent.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent != 0.0 && percent < 9.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}
