//! What answers cost, against the budget for them.
//!
//! Before a question: may it be asked? After its answer: what did it cost. Knows no files.

use std::cell::Cell;
use std::collections::BTreeMap;

use darkroom_core::models::Model;

use super::client::{Message, ModelAnswer};
use crate::provenance::{Answered, Ask};

/// Dollars for answers: those of a manifest, or of one command.
#[derive(Debug, Default)]
pub struct Spending {
    /// `[budget] generate_usd`.
    limit: Option<f64>,
    spent: Cell<f64>,
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
    pub fn new(limit: Option<f64>, spent: f64) -> Self {
        Self {
            limit,
            spent: Cell::new(spent),
        }
    }

    pub fn usd(&self) -> f64 {
        self.spent.get()
    }

    pub fn limit(&self) -> Option<f64> {
        self.limit
    }

    /// Refuses a question whose answer could cost more than is left. Where nobody knows what it
    /// could cost, a budget would be no limit, so it is refused too.
    pub fn may_ask(&self, model: &Model, messages: &[Message]) -> Result<(), OverBudget> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let most = most_usd(model, messages).unwrap_or(f64::INFINITY);
        let spent = self.usd();
        if spent + most > limit {
            return Err(OverBudget { most, spent, limit });
        }
        Ok(())
    }

    /// Counts an answer: what its tokens cost, or the most where the endpoint does not tell them.
    pub fn count(&self, model: &Model, messages: &[Message], answer: &ModelAnswer) {
        let usd = cost_usd(model, &answer.known()).or_else(|| most_usd(model, messages));
        self.spent.set(self.usd() + usd.unwrap_or_default());
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
/// each once. Those whose cost nobody knows count nothing.
pub fn cost_of_variant(model: Option<&Model>, used: &[Ask], on_record: &[Answered]) -> f64 {
    let key = |answered: &Answered| (answered.asked_at.clone(), answered.answer_sha256.clone());
    let mut costs = BTreeMap::new();
    for answered in on_record {
        let cost = model.and_then(|model| cost_usd(model, answered));
        costs.insert(key(answered), cost.unwrap_or_default());
    }
    for ask in used {
        costs.insert(key(&ask.answered), ask.cost_usd.unwrap_or_default());
    }
    costs.values().sum()
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

    #[test]
    fn a_question_is_refused_when_its_answer_could_cost_more_than_is_left() {
        let limited = model("parameters = { max_tokens = 1000 }");
        let question = [Message::user("abc")];
        let most = (3.0 * 2.0 + 1000.0 * 8.0) / 1e6;
        let exactly = Spending::new(Some(0.5), 0.5 - most);
        assert_eq!(exactly.may_ask(&limited, &question), Ok(()));
        let over = Spending::new(Some(0.5), 0.5 - most / 2.0);
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
        assert!((all - 0.02).abs() < 1e-12, "{all}");
    }
}
