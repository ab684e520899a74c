//! The sessions of a run: when each began, how it ended, what it measured again, and which cells
//! were measured side by side.
//!
//! Every table's metadata hold this as `darkroom.sessions` and `darkroom.measured`, so a report can
//! warn about comparisons between cells of different times. Decides nothing about what counts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use darkroom_core::ledger::CountsAs;

use crate::facts::JournalFacts;

/// Share of two cells' repetitions that must be of the same sessions for the two to be measured
/// side by side.
const SIDE_BY_SIDE: f64 = 0.9;

/// A runner that is later than this at the 99th percentile is warned of, µs.
const LATE_US: u64 = 1_000;

/// One session of a run: what one `darkroom run` or `darkroom resume` did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// From 1.
    pub number: u32,
    /// UTC, as the journal has it.
    pub began_at: String,
    /// When the last of its passes began; `None` where it made none.
    pub last_pass_at: Option<String>,
    /// Passes that it made, warm-ups included.
    pub passes: u64,
    /// Cells that it measured again (`run --cell`): their earlier values no longer count.
    pub again: Vec<String>,
    /// Whether those are all cells that the run can measure.
    #[serde(default)]
    pub again_all: bool,
    /// The first and the last repetition that it added to a run that had finished (`run --extend`).
    #[serde(default)]
    pub added: Option<(u32, u32)>,
    /// The most passes of other lanes that were under way when one of its passes began.
    #[serde(default)]
    pub others_under_way: u32,
    /// How late the runner was at the 99th percentile, µs; `None` where that was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_late_p99_us: Option<u64>,
    pub end: SessionEnd,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum SessionEnd {
    /// Every planned repetition had been measured.
    Finished { at: String },
    /// Darkroom stopped, and wrote down why.
    Stopped { at: String, reason: String },
    /// Nothing was written down: the process was killed, or is still at work.
    Unrecorded,
}

impl Session {
    pub fn new(number: u32, began_at: &str) -> Self {
        Self {
            number,
            began_at: began_at.to_owned(),
            last_pass_at: None,
            passes: 0,
            again: Vec::new(),
            again_all: false,
            added: None,
            others_under_way: 0,
            runner_late_p99_us: None,
            end: SessionEnd::Unrecorded,
        }
    }

    /// Says in a sentence what became of it. `is_last` is whether none came after.
    pub fn in_words(&self, is_last: bool) -> String {
        let end = match &self.end {
            SessionEnd::Finished { at } => format!("ended as planned at {}", minute(at)),
            SessionEnd::Stopped { at, reason } => stopped(reason, &minute(at)),
            SessionEnd::Unrecorded if is_last => {
                "has no recorded end: it was killed, or is still running".to_owned()
            }
            SessionEnd::Unrecorded => match &self.last_pass_at {
                Some(at) => format!(
                    "was killed (its last pass began at {}; its end was not recorded)",
                    minute(at)
                ),
                None => "was killed before its first pass ended".to_owned(),
            },
        };
        format!(
            "Session {} began at {}{}, and {end}.",
            self.number,
            minute(&self.began_at),
            self.work()
        )
    }

    /// Says what it measured, where that is not simply what was still missing; with a comma before
    /// it, or nothing.
    fn work(&self) -> String {
        if let Some((from, to)) = self.added {
            let repetitions = if from == to {
                format!("repetition {from}")
            } else {
                format!("repetitions {from} to {to}")
            };
            return format!(", added {repetitions} of every cell");
        }
        match self.again.len() {
            0 => String::new(),
            _ if self.again_all => {
                ", measured all cells again (`run --cell`; earlier values no longer count)"
                    .to_owned()
            }
            _ => format!(
                ", measured only {} again (`run --cell`; earlier values no longer count)",
                listed(&self.again)
            ),
        }
    }

    /// Says so in a sentence where the runner itself made its times longer; `local`: whether the
    /// code under test shared its machine. There, one pass at a time has all of it.
    pub fn late_in_words(&self, local: bool) -> Option<String> {
        let late_us = self
            .runner_late_p99_us
            .filter(|late_us| *late_us > LATE_US)
            .filter(|_| !local || self.others_under_way > 0)?;
        Some(format!(
            "In session {} the runner was busy: 1% of its wake-ups were late by {:.1} ms or more. client_ms \
             and turnaround_s may be too long by as much; set fewer lanes (schedule.lanes), or use a machine \
             with more processors",
            self.number,
            late_us as f64 / 1e3
        ))
    }

    /// Whether it ended before its work was done.
    pub const fn was_cut_short(&self) -> bool {
        !matches!(self.end, SessionEnd::Finished { .. })
    }
}

/// Says who stopped a session and when, by the reason that the journal gives.
fn stopped(reason: &str, at: &str) -> String {
    match reason {
        "interrupted" => format!("was stopped by hand (Ctrl-C or SIGTERM) at {at}"),
        "budget.minutes" => format!("stopped at the end of its time (budget.minutes) at {at}"),
        "budget.usd" => format!("stopped at the end of its money (budget.usd) at {at}"),
        "only some cells were asked for" => {
            format!("ended at {at}; other cells were still unfinished")
        }
        error => format!("was stopped by an error ({error}) at {at}"),
    }
}

/// Cells that a sentence names; of more it says how many.
const NAMED: usize = 4;

fn listed(cells: &[String]) -> String {
    match cells.len() {
        few if few <= NAMED => cells.join(", "),
        many => format!(
            "{} and {} more cells",
            cells[..NAMED].join(", "),
            many - NAMED
        ),
    }
}

/// Writes a time of the journal as a person reads it: `2026-11-24 18:00 UTC`.
pub fn minute(at: &str) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => at.to_owned(),
    }
}

/// When the repetitions of a cell that count were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellMeasured {
    /// How many in which session.
    pub sessions: BTreeMap<u32, u64>,
    /// When the first and the last of them began, ms since 1970.
    pub first_ms: Option<i64>,
    pub last_ms: Option<i64>,
}

impl CellMeasured {
    fn take(&mut self, session: u32, at: Option<i64>) {
        *self.sessions.entry(session).or_default() += 1;
        self.first_ms = [self.first_ms, at].into_iter().flatten().min();
        self.last_ms = [self.last_ms, at].into_iter().flatten().max();
    }

    /// Those of several cells together.
    pub fn together<'a>(cells: impl Iterator<Item = &'a Self>) -> Self {
        cells.fold(Self::default(), |mut all, cell| {
            for (session, count) in &cell.sessions {
                *all.sessions.entry(*session).or_default() += count;
            }
            all.first_ms = [all.first_ms, cell.first_ms].into_iter().flatten().min();
            all.last_ms = [all.last_ms, cell.last_ms].into_iter().flatten().max();
            all
        })
    }

    /// Whether two cells were measured in the same sessions: of 90% of their repetitions, the share
    /// that either has of each session is the other's too. `None` where one has none.
    pub fn side_by_side(&self, other: &Self) -> Option<bool> {
        let (mine, theirs) = (self.count()?, other.count()?);
        let share = |of: &Self, session: &u32, all: f64| {
            of.sessions.get(session).map_or(0.0, |n| *n as f64 / all)
        };
        let common = self
            .sessions
            .keys()
            .map(|s| share(self, s, mine).min(share(other, s, theirs)));
        Some(common.sum::<f64>() >= SIDE_BY_SIDE)
    }

    fn count(&self) -> Option<f64> {
        let count = self.sessions.values().sum::<u64>() as f64;
        (count > 0.0).then_some(count)
    }

    /// Says when, for a reader: `2026-11-24 18:00 to 18:20 UTC`.
    pub fn when(&self) -> String {
        let time = |ms: Option<i64>| jiff::Timestamp::from_millisecond(ms?).ok();
        let (Some(first), Some(last)) = (time(self.first_ms), time(self.last_ms)) else {
            return "at an unknown time".to_owned();
        };
        let (day, minute) = ("%Y-%m-%d", "%H:%M");
        let (from, to) = (
            first.strftime(minute).to_string(),
            last.strftime(minute).to_string(),
        );
        let (day_from, day_to) = (
            first.strftime(day).to_string(),
            last.strftime(day).to_string(),
        );
        match (day_from == day_to, from == to) {
            (true, true) => format!("{day_from} {from} UTC"),
            (true, false) => format!("{day_from} {from} to {to} UTC"),
            (false, _) => format!("{day_from} {from} to {day_to} {to} UTC"),
        }
    }
}

/// When each cell of the plan was measured, and whether cells took turns.
#[derive(Clone, Debug)]
pub struct Times {
    cells: Vec<CellMeasured>,
    in_turns: bool,
}

impl Times {
    pub fn of(facts: &JournalFacts) -> Self {
        let mut cells = vec![CellMeasured::default(); facts.run.cells.len()];
        for (id, pass) in (0..)
            .zip(&facts.passes)
            .filter(|(_, pass)| pass.imported.is_none())
        {
            if !matches!(
                facts.ledger.pass_counts_as(id),
                CountsAs::Superseded | CountsAs::WarmUp
            ) {
                let at = pass
                    .finished
                    .as_ref()
                    .and_then(|finished| finished.started_at);
                cells[facts.cell_of(id) as usize].take(pass.session, at);
            }
        }
        Self {
            cells,
            in_turns: facts.run.order != "sequential",
        }
    }

    /// Whether the cells of two sides of a comparison were measured side by side; `None` where that
    /// is not known.
    pub fn side_by_side(&self, a: &[u32], b: &[u32]) -> Option<bool> {
        let same_sessions = self.measured(a).side_by_side(&self.measured(b))?;
        let all: BTreeSet<&u32> = a.iter().chain(b).collect();
        Some(same_sessions && (self.in_turns || all.len() == 1))
    }

    /// Says when either side was measured.
    pub fn apart(&self, a: &[u32], b: &[u32]) -> String {
        let why = if self.in_turns {
            ""
        } else {
            ", one cell after the other"
        };
        format!(
            "measured at different times{why} (first {}; second {}), which may cause part of the \
             difference",
            self.measured(a).when(),
            self.measured(b).when()
        )
    }

    fn measured(&self, cells: &[u32]) -> CellMeasured {
        CellMeasured::together(cells.iter().map(|&cell| &self.cells[cell as usize]))
    }

    /// By cell id.
    pub fn by_id<'a>(&'a self, facts: &'a JournalFacts) -> BTreeMap<&'a str, &'a CellMeasured> {
        let known = facts
            .run
            .cells
            .iter()
            .zip(&self.cells)
            .filter(|(_, measured)| measured.count().is_some());
        known
            .map(|(planned, measured)| (planned.id.as_str(), measured))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(sessions: &[(u32, u64)]) -> CellMeasured {
        CellMeasured {
            sessions: sessions.iter().copied().collect(),
            ..CellMeasured::default()
        }
    }

    #[test]
    fn cells_of_one_interrupted_run_are_side_by_side_and_one_measured_again_is_not() {
        let whole = measured(&[(1, 10), (2, 10)]);
        assert_eq!(
            whole.side_by_side(&measured(&[(1, 11), (2, 9)])),
            Some(true)
        );
        assert_eq!(whole.side_by_side(&measured(&[(3, 20)])), Some(false));
        assert_eq!(
            whole.side_by_side(&measured(&[(1, 10), (3, 10)])),
            Some(false)
        );
        assert_eq!(whole.side_by_side(&measured(&[])), None);
    }

    #[test]
    fn a_session_without_an_end_was_killed_unless_it_is_the_last() {
        let mut session = Session::new(2, "2026-11-24T18:00:05.000Z");
        assert!(
            session
                .in_words(true)
                .contains("it was killed, or is still running")
        );
        assert!(
            session
                .in_words(false)
                .ends_with("was killed before its first pass ended.")
        );
        session.last_pass_at = Some("2026-11-24T18:04:00.000Z".into());
        let told = session.in_words(false);
        assert!(
            told.starts_with(
                "Session 2 began at 2026-11-24 18:00 UTC, and was killed (its last pass"
            ),
            "{told}"
        );
    }

    #[test]
    fn a_session_says_what_it_added_and_that_other_cells_were_unfinished_when_it_ended() {
        let at = "2026-11-24T18:04:00.000Z".to_owned();
        let mut session = Session::new(2, "2026-11-24T18:00:05.000Z");
        session.end = SessionEnd::Stopped {
            at,
            reason: "only some cells were asked for".into(),
        };
        let unfinished = "and ended at 2026-11-24 18:04 UTC; other cells were still unfinished.";
        assert_eq!(
            session.in_words(true),
            format!("Session 2 began at 2026-11-24 18:00 UTC, {unfinished}")
        );
        session.added = Some((6, 10));
        assert!(
            session
                .in_words(true)
                .contains(" UTC, added repetitions 6 to 10 of every cell, and ended at")
        );
        session.added = Some((6, 6));
        assert!(
            session
                .in_words(true)
                .contains(" UTC, added repetition 6 of every cell, and ended at")
        );
    }

    #[test]
    fn times_of_one_day_name_it_once() {
        let at = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .ok()
                .map(jiff::Timestamp::as_millisecond)
        };
        let when = |first: &str, last: &str| {
            CellMeasured {
                first_ms: at(first),
                last_ms: at(last),
                ..CellMeasured::default()
            }
            .when()
        };
        assert_eq!(
            when("2026-11-24T18:00:00Z", "2026-11-24T18:20:00Z"),
            "2026-11-24 18:00 to 18:20 UTC"
        );
        assert_eq!(
            when("2026-11-24T18:00:00Z", "2026-11-24T18:00:20Z"),
            "2026-11-24 18:00 UTC"
        );
        assert_eq!(
            when("2026-11-24T23:59:00Z", "2026-11-25T00:01:00Z"),
            "2026-11-24 23:59 to 2026-11-25 00:01 UTC"
        );
    }
}
