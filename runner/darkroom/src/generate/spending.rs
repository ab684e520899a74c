//! What answers cost, against the budget for them.
//!
//! Before a question: may it be asked? After its answer: what did it cost. Knows no files.

use std::cell::Cell;
use std::collections::BTreeMap;

use darkroom_core::models::Model;

use super::client::{Message, ModelAnswer};
use crate::display::count;
use crate::display::plan::dollars;
use crate::provenance::{Answered, Ask};

/// Dollars for answers: those of a manifest, or of one command.
#[derive(Debug, Default)]
pub struct Spending {
    /// `[budget] generate_usd`.
    limit: Option<f64>,
    spent: Cell<Cost>,
}

/// What answers cost: the dollars that are known, and how many answers whose cost nobody knows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    pub usd: f64,
    pub unknown: u64,
}

impl Cost {
    /// Adds an answer's; `None` is not known, which is not 0.
    pub fn count(&mut self, usd: Option<f64>) {
        match usd {
            Some(usd) => self.usd += usd,
            None => self.unknown += 1,
        }
    }
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            usd: self.usd + other.usd,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// A question that could cost more than is left.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error(
    "the answer could cost up to ${most:.4}, and ${spent:.4} of budget.generate_usd = {limit} are \
     spent"
)]
pub struct OverBudget {
    most: f64,
    spent: f64,
    limit: f64,
}

impl Spending {
    /// `spent` is what earlier answers cost.
    pub fn new(limit: Option<f64>, spent: Cost) -> Self {
        Self {
            limit,
            spent: Cell::new(spent),
        }
    }

    pub fn cost(&self) -> Cost {
        self.spent.get()
    }

    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// `$1.20 of $5.00 spent so far, besides 3 answers whose cost is unknown`; `None` while nothing
    /// is.
    pub fn in_words(&self) -> Option<String> {
        let Cost { usd, unknown } = self.cost();
        let known = match self.limit {
            Some(limit) => Some(format!(
                "{} of {} spent so far",
                dollars(usd),
                dollars(limit)
            )),
            None => (usd > 0.0).then(|| format!("{} spent so far", dollars(usd))),
        };
        let unknown =
            (unknown > 0).then(|| format!("{} whose cost is unknown", count(unknown, "answer")));
        match (known, unknown) {
            (Some(known), Some(unknown)) => Some(format!("{known}, besides {unknown}")),
            (None, Some(unknown)) => Some(format!("so far {unknown}")),
            (known, None) => known,
        }
    }

    /// Refuses a question whose answer could cost more than is left. Where nobody knows what it
    /// could cost, a budget would be no limit, so it is refused too.
    pub fn may_ask(&self, model: &Model, messages: &[Message]) -> Result<(), OverBudget> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let most = most_usd(model, messages).unwrap_or(f64::INFINITY);
        let spent = self.cost().usd;
        if spent + most > limit {
            return Err(OverBudget { most, spent, limit });
        }
        Ok(())
    }

    /// Counts an answer: what its tokens cost, or the most where the endpoint does not tell them.
    pub fn count(&self, model: &Model, messages: &[Message], answer: &ModelAnswer) {
        let mut cost = self.cost();
        cost.count(cost_usd(model, &answer.known()).or_else(|| most_usd(model, messages)));
        self.spent.set(cost);
    }
}

fn most_usd(model: &Model, messages: &[Message]) -> Option<f64> {
    let bytes: usize = messages.iter().map(|message| message.content.len()).sum();
    model.most_usd(bytes as u64)
}

/// Returns what an answer cost; `None` where price or tokens are not known.
pub fn cost_usd(model: &Model, answered: &Answered) -> Option<f64> {
    let price = model.price.as_ref()?;
    Some(price.cost_usd(answered.input_tokens?, answered.output_tokens?))
}

/// Returns what all answers for one variant cost: those in its provenance and those on record,
/// each once.
pub fn cost_of_variant(model: Option<&Model>, used: &[Ask], on_record: &[Answered]) -> Cost {
    let key = |answered: &Answered| (answered.asked_at.clone(), answered.answer_sha256.clone());
    let mut costs = BTreeMap::new();
    for answered in on_record {
        let cost = model.and_then(|model| cost_usd(model, answered));
        costs.insert(key(answered), cost);
    }
    for ask in used {
        costs.insert(key(&ask.answered), ask.cost_usd);
    }
    let mut all = Cost::default();
    for cost in costs.into_values() {
        all.count(cost);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkroom_core::models::Models;

    fn model(more: &str) -> Model {
        let text = format!(
            "[models.m]\ntitle = \"M\"\nbase_url = \"http://127.0.0.1:1/v1\"\nid = \"m\"\nkey_variable = \"K\"\n\
             price = {{ input_usd = 2.0, output_usd = 8.0, source = \"made up\", date = \"2026\" }}\n{more}"
        );
        Models::parse("models.toml", &text).unwrap().models["m"].clone()
    }

    fn answered(at: &str, tokens: Option<u64>) -> Answered {
        Answered {
            asked_at: at.into(),
            input_tokens: tokens,
            output_tokens: tokens,
            ..Answered::default()
        }
    }

    fn known(usd: f64) -> Cost {
        Cost { usd, unknown: 0 }
    }

    #[test]
    fn what_nobody_knows_is_counted_and_never_added_as_nothing() {
        let said = |limit, usd, unknown| Spending::new(limit, Cost { usd, unknown }).in_words();
        assert_eq!(said(None, 0.0, 0), None);
        assert_eq!(said(None, 0.5, 0).unwrap(), "$0.50 spent so far");
        assert_eq!(
            said(None, 0.0, 1).unwrap(),
            "so far 1 answer whose cost is unknown"
        );
        assert_eq!(
            said(Some(5.0), 0.5, 3).unwrap(),
            "$0.50 of $5.00 spent so far, besides 3 answers whose cost is unknown"
        );
        let unlimited = model("parameters = { temperature = 0.5 }");
        let mut priceless = unlimited.clone();
        priceless.price = None;
        let spending = Spending::default();
        let answer = |tokens| ModelAnswer {
            text: String::new(),
            model: "m".into(),
            id: None,
            finish_reason: None,
            refusal: None,
            input_tokens: tokens,
            output_tokens: tokens,
        };
        spending.count(&priceless, &[], &answer(Some(1_000)));
        spending.count(&unlimited, &[], &answer(None));
        assert_eq!(
            spending.cost(),
            Cost {
                usd: 0.0,
                unknown: 2
            }
        );
        spending.count(&unlimited, &[], &answer(Some(1_000)));
        assert!((spending.cost().usd - 0.01).abs() < 1e-12);
    }

    #[test]
    fn a_question_is_refused_when_its_answer_could_cost_more_than_is_left() {
        let limited = model("parameters = { max_tokens = 1000 }");
        let question = [Message::user("abc")];
        let most = (3.0 * 2.0 + 1000.0 * 8.0) / 1e6;
        let exactly = Spending::new(Some(0.5), known(0.5 - most));
        assert_eq!(exactly.may_ask(&limited, &question), Ok(()));
        let over = Spending::new(Some(0.5), known(0.5 - most / 2.0));
        let said = over.may_ask(&limited, &question).unwrap_err().to_string();
        assert!(
            said.contains("up to $0.0080") && said.contains("budget.generate_usd = 0.5"),
            "{said}"
        );
        assert!(over.may_ask(&model(""), &question).is_err(), "no limit");
        assert_eq!(Spending::default().may_ask(&model(""), &question), Ok(()));
    }

    #[test]
    fn an_answer_on_record_and_in_the_provenance_counts_once() {
        let one = answered("1", Some(1_000));
        let ask = Ask {
            stage: "s".into(),
            round: 0,
            base_url: None,
            answered: one.clone(),
            cost_usd: Some(0.01),
            answer: String::new(),
            rule: None,
            missing: None,
        };
        let on_record = [one, answered("2", Some(1_000)), answered("3", None)];
        let all = cost_of_variant(Some(&model("")), &[ask], &on_record);
        assert!((all.usd - 0.02).abs() < 1e-12, "{all:?}");
        assert_eq!(all.unknown, 1, "the one without tokens");
    }
}
