//! Which of two models, or of two prompts, is right more often, in words: the same for terminal and
//! page.
//!
//! A row of `correctness_comparisons` → [`RatesCompared`] → sentences. Decides nothing.

use serde::Serialize;

use crate::aggregate::PIPELINE;
use crate::correctness::author_name;
use crate::read::Row;

/// Pairs without a claim that a sentence names; of more it says how many.
const NAMED: usize = 4;

/// Two models, or two prompts of one model, compared in how often they are right.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RatesCompared {
    /// What differs: `model` or `prompt`.
    pub factor: String,
    pub model_a: String,
    pub prompt_a: String,
    pub model_b: String,
    pub prompt_b: String,
    /// Stage, or `pipeline`.
    pub stage: String,
    /// Right samples, and of how many.
    pub right_of_a: Option<(u64, u64)>,
    pub right_of_b: Option<(u64, u64)>,
    /// Rate of b less that of a.
    pub difference: Option<f64>,
    /// 95%, Newcombe.
    pub difference_ci: Option<(f64, f64)>,
    /// Of Fisher's exact test, Holm-adjusted over `tests`.
    pub p_adjusted: Option<f64>,
    pub tests: u64,
    /// The smallest adjusted p that so many samples can give.
    pub least_p_adjusted: Option<f64>,
    /// `right more often`, `right less often` (b), `inconclusive`, `too few samples` or
    /// `not known`.
    pub verdict: String,
}

impl RatesCompared {
    /// Reads a row of the table; `None` where it is not one.
    pub fn of_row(row: &Row<'_>) -> Option<Self> {
        let text = |column| row.text(column).map(str::to_owned);
        let count = |column| row.number(column).map(|number| number as u64);
        let ends = ["difference_ci_low", "difference_ci_high"].map(|column| row.number(column));
        Some(Self {
            factor: text("factor")?,
            model_a: text("model_a")?,
            prompt_a: text("prompt_a")?,
            model_b: text("model_b")?,
            prompt_b: text("prompt_b")?,
            stage: text("stage")?,
            right_of_a: count("right_a").zip(count("n_a")),
            right_of_b: count("right_b").zip(count("n_b")),
            difference: row.number("difference"),
            difference_ci: ends[0].zip(ends[1]),
            p_adjusted: row.number("p_adj"),
            tests: count("tests")?,
            least_p_adjusted: row.number("least_p_adj"),
            verdict: text("verdict")?,
        })
    }

    /// Says whether it claims a difference.
    pub fn is_claim(&self) -> bool {
        matches!(
            self.verdict.as_str(),
            "right more often" | "right less often"
        )
    }

    /// Names both sides; models with their prompts where the run has several.
    pub fn names(&self, several_prompts: bool) -> [String; 2] {
        [
            author_name(&self.model_a, &self.prompt_a, several_prompts),
            author_name(&self.model_b, &self.prompt_b, several_prompts),
        ]
    }

    /// `beta is right more often than alpha with the whole pipeline: 5 of 5 against 0 of 5 samples
    /// (100 points more, 95% CI 39 to 100; p 0.008)`.
    fn claim(&self, several_prompts: bool) -> Option<String> {
        let [a, b] = self.names(several_prompts);
        let of = |(right, n): (u64, u64)| format!("{right} of {n}");
        let (of_a, of_b) = (of(self.right_of_a?), of(self.right_of_b?));
        let ((low, high), points) = (self.difference_ci?, self.difference?);
        let (better, worse, counts, low, high) = match self.verdict.as_str() {
            "right more often" => (b, a, [of_b, of_a], low, high),
            "right less often" => (a, b, [of_a, of_b], -high, -low),
            _ => return None,
        };
        let place = match self.stage.as_str() {
            PIPELINE => "with the whole pipeline".to_owned(),
            stage => format!("at {stage}"),
        };
        let adjusted = match self.tests {
            0 | 1 => String::new(),
            tests => format!(", adjusted for {tests} tests"),
        };
        Some(format!(
            "{better} is right more often than {worse} {place}: {} against {} samples \
             ({:.0} points more, 95% CI {:.0} to {:.0}; Fisher's exact test, p {}{adjusted}).",
            counts[0],
            counts[1],
            points.abs() * 100.0,
            low * 100.0,
            high * 100.0,
            p_text(self.p_adjusted?)
        ))
    }
}

/// Says whether rows are of several prompts, so that names tell them.
pub fn several_prompts(rows: &[RatesCompared]) -> bool {
    let mut prompts = rows.iter().flat_map(|row| [&row.prompt_a, &row.prompt_b]);
    let first = prompts.next();
    prompts.any(|prompt| Some(prompt) != first)
}

/// Returns what is claimed, a sentence each, the whole pipeline first; then of which pairs nothing
/// is claimed with the whole pipeline, and whether more samples could change that.
pub fn rates_in_words(rows: &[RatesCompared]) -> Vec<String> {
    let several = several_prompts(rows);
    let (whole, stages): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.stage == PIPELINE);
    let claims = |rows: &[&RatesCompared]| -> Vec<String> {
        rows.iter().filter_map(|row| row.claim(several)).collect()
    };
    let mut said = claims(&whole);
    let unclear: Vec<_> = whole.iter().filter(|row| !row.is_claim()).collect();
    if !unclear.is_empty() {
        let pairs = unclear.iter().map(|row| row.names(several).join(" and "));
        let found = match unclear.len() {
            few if few <= NAMED => {
                let pairs: Vec<_> = pairs.collect();
                format!("between {}", pairs.join(", nor between "))
            }
            all if all == whole.len() => format!("in any of the {all} pairs"),
            many => format!("in {many} of {} pairs", whole.len()),
        };
        let why = too_few(&unclear).unwrap_or_default();
        said.push(format!(
            "No difference in right pipelines was found {found}.{why}"
        ));
    }
    said.extend(claims(&stages));
    said
}

/// Says that no number of right ones could be told apart, where that is so of all of them.
fn too_few(rows: &[&&RatesCompared]) -> Option<String> {
    let all = rows.iter().all(|row| row.verdict == "too few samples");
    let least = rows.iter().filter_map(|row| row.least_p_adjusted);
    let least = least.fold(f64::INFINITY, f64::min);
    all.then(|| {
        format!(
            " There are too few samples: even all right against none would have p {}.",
            p_text(least)
        )
    })
}

/// `0.024`, or `< 0.001`.
pub fn p_text(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".to_owned(),
        p if p < 0.1 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: &str, b: &str, stage: &str, verdict: &str) -> RatesCompared {
        let text = str::to_owned;
        RatesCompared {
            factor: text("model"),
            model_a: text(a),
            prompt_a: text("plain"),
            model_b: text(b),
            prompt_b: text("plain"),
            stage: text(stage),
            right_of_a: Some((5, 5)),
            right_of_b: Some((0, 5)),
            difference: Some(-1.0),
            difference_ci: Some((-1.0, -0.386)),
            p_adjusted: Some(0.0238),
            tests: 3,
            least_p_adjusted: Some(0.1),
            verdict: text(verdict),
        }
    }

    #[test]
    fn a_claim_names_the_better_one_first_whichever_stands_second() {
        let rows = [
            pair("alpha", "beta", PIPELINE, "right less often"),
            pair("alpha", "gamma", PIPELINE, "too few samples"),
            pair("alpha", "beta", "resize", "right less often"),
        ];
        let counts = "5 of 5 against 0 of 5 samples (100 points more, 95% CI 39 to 100; \
                      Fisher's exact test, p 0.024, adjusted for 3 tests).";
        let expected = [
            format!("alpha is right more often than beta with the whole pipeline: {counts}"),
            "No difference in right pipelines was found between alpha and gamma. There are too \
             few samples: even all right against none would have p 0.10."
                .to_owned(),
            format!("alpha is right more often than beta at resize: {counts}"),
        ];
        assert_eq!(rates_in_words(&rows), expected);
        assert_eq!(rates_in_words(&[]), [""; 0]);
    }

    #[test]
    fn prompts_are_named_where_there_are_several() {
        let mut row = pair("alpha", "alpha", PIPELINE, "inconclusive");
        row.factor = "prompt".to_owned();
        row.prompt_b = "hints".to_owned();
        assert_eq!(
            rates_in_words(&[row]),
            [
                "No difference in right pipelines was found between alpha (prompt plain) and \
                 alpha (prompt hints)."
            ]
        );
    }
}
