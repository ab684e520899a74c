//! What the first call or check said that came to an outcome: the message, the place in the code,
//! and the picture.

use std::collections::{BTreeMap, HashMap};

use darkroom_core::event::Status;
use darkroom_core::ledger::CountsAs;
use darkroom_core::outcome::{Kind, Outcome};

use crate::facts::{JournalFacts, Text};

/// What stands behind an outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The error's message, or the check's figures.
    pub said: Option<String>,
    /// Where in the code: `resize.py:14`.
    pub at: Option<String>,
    /// A picture of expected, got and difference, from the run's folder.
    pub picture: Option<String>,
}

/// By variant, stage and outcome, of variants that models wrote.
#[derive(Debug, Default)]
pub struct Evidence(HashMap<(String, u32), BTreeMap<Outcome, Found>>);

impl Evidence {
    pub fn of(&self, variant: &str, stage: u32, outcome: &Outcome) -> Option<&Found> {
        self.0.get(&(variant.to_owned(), stage))?.get(outcome)
    }
}

/// Returns what was said first of every outcome that is not right.
pub fn evidence(facts: &JournalFacts) -> Evidence {
    let mut evidence = Evidence::default();
    let text = |index: Text| facts.texts[index as usize].clone();
    for row in &facts.invocations {
        if row.status == Status::Ok || facts.invocation_counts_as(row) != CountsAs::Failed {
            continue;
        }
        let error_type = row.error_type.map(text);
        let outcome = Outcome::of_ending(row.status, error_type.as_deref(), None);
        let found = || Found {
            said: row.error.map(text),
            at: row.error_at.map(text),
            picture: None,
        };
        evidence.add(facts, facts.cell_of(row.pass), row.stage, outcome, found);
    }
    for check in facts.checks.iter().filter(|check| !check.verdict.pass) {
        if !facts.ledger.check_counts(check.pass) {
            continue;
        }
        let verdict = (false, check.verdict.reason.as_deref());
        let outcome = Outcome::of_ending(Status::Ok, None, Some(verdict));
        let found = || Found {
            said: check.verdict.detail.clone(),
            at: None,
            picture: check.picture.clone(),
        };
        evidence.add(
            facts,
            facts.cell_of(check.pass),
            check.stage,
            outcome,
            found,
        );
    }
    evidence
}

impl Evidence {
    fn add(
        &mut self,
        facts: &JournalFacts,
        cell: u32,
        stage: u32,
        outcome: Option<Outcome>,
        found: impl Fn() -> Found,
    ) {
        let planned = &facts.run.cells[cell as usize];
        let failure = outcome.filter(|outcome| outcome.kind != Kind::Right);
        if let (Some(_), Some(outcome)) = (&planned.model, failure) {
            let place = (planned.cell.variant.clone(), stage);
            let of_place = self.0.entry(place).or_default();
            let known = of_place.entry(outcome).or_insert_with(&found);
            // Pictures are of some outputs only.
            if known.picture.is_none() {
                known.picture = found().picture;
            }
        }
    }
}
