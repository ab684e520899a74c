//! Rows of `correctness_comparisons`: which of two models, or of two prompts of one model, is right
//! more often.
//!
//! Fisher's exact test, adjusted by Holm's method within a family; the effect is the difference of
//! the rates with Newcombe's interval ([`darkroom_core::statistics`]). This file decides what is
//! compared and what may be said.

use darkroom_core::event::RunStarted;
use darkroom_core::statistics::{
    Rate, RateDifference, SIGNIFICANCE, fisher_exact, holm, least_fisher_p, rate_difference,
};
use polars::prelude::{DataFrame, PolarsResult};

use super::rows::{CorrectnessRow, stage_name};
use super::seen::Author;
use crate::columns;
use crate::compared::RatesCompared;
use crate::frames::{floats, frame, integers, texts};

/// What may be said of the second.
const MORE: &str = "right more often";
const LESS: &str = "right less often";
const INCONCLUSIVE: &str = "inconclusive";
/// Not even all against none would be a claim.
const TOO_FEW: &str = "too few samples";
const UNKNOWN: &str = "not known";

/// Two rates that are compared: b against a.
#[derive(Clone, Debug)]
pub struct RatePair {
    /// What differs: `model` or `prompt`.
    pub factor: &'static str,
    pub a: Author,
    pub b: Author,
    /// `None`: the pipeline.
    pub stage: Option<u32>,
    rates: Option<(Rate, Rate)>,
    /// Adjusted within its family.
    p_adjusted: Option<f64>,
    /// Tests of its family.
    tests: usize,
}

impl RatePair {
    fn p(&self) -> Option<f64> {
        self.rates.map(|(a, b)| fisher_exact(a, b))
    }

    fn difference(&self) -> Option<RateDifference> {
        self.rates.map(|(a, b)| rate_difference(a, b))
    }

    /// The adjusted p of all right against none with so many samples, as the smallest p of its
    /// family.
    fn least_p_adjusted(&self) -> Option<f64> {
        let (a, b) = self.rates?;
        Some((least_fisher_p(a.n, b.n)? * self.tests as f64).min(1.0))
    }

    fn verdict(&self) -> &'static str {
        let Some(found) = self.difference() else {
            return UNKNOWN;
        };
        let significant = self.p_adjusted.is_some_and(|p| p < SIGNIFICANCE);
        match found {
            RateDifference { low, .. } if significant && low > 0.0 => MORE,
            RateDifference { high, .. } if significant && high < 0.0 => LESS,
            _ if self.least_p_adjusted().is_none_or(|p| p >= SIGNIFICANCE) => TOO_FEW,
            _ => INCONCLUSIVE,
        }
    }

    /// The row as page and terminal show it.
    pub fn shown(&self, run: &RunStarted) -> RatesCompared {
        let found = self.difference();
        let side = |of: fn(&(Rate, Rate)) -> Rate| self.rates.as_ref().map(of);
        let counts = |rate: Option<Rate>| rate.map(|rate| (rate.right, rate.n));
        RatesCompared {
            factor: self.factor.to_owned(),
            model_a: self.a.model.clone(),
            prompt_a: self.a.prompt.clone(),
            model_b: self.b.model.clone(),
            prompt_b: self.b.prompt.clone(),
            stage: stage_name(run, self.stage).to_owned(),
            right_of_a: counts(side(|rates| rates.0)),
            right_of_b: counts(side(|rates| rates.1)),
            difference: found.map(|found| found.difference),
            difference_ci: found.map(|found| (found.low, found.high)),
            p_adjusted: self.p_adjusted,
            tests: self.tests as u64,
            least_p_adjusted: self.least_p_adjusted(),
            verdict: self.verdict().to_owned(),
        }
    }
}

/// Returns a row for every two models with one prompt, and every two prompts of one model, at every
/// stage and of the pipeline. Only authors with as many rounds of repair are a pair.
///
/// A family is all pairs of a factor: of whole pipelines, the question that a study asks; and apart
/// from these of all stages.
pub fn rate_pairs(rows: &[CorrectnessRow]) -> Vec<RatePair> {
    let mut pairs = Vec::new();
    for (place, a) in rows.iter().enumerate() {
        let others = rows[place + 1..].iter().filter(|b| b.stage == a.stage);
        let pair = |b: &CorrectnessRow| {
            let factor = match (&a.author, &b.author) {
                (a, b) if a.rounds != b.rounds => return None,
                (a, b) if a.prompt == b.prompt && a.model != b.model => "model",
                (a, b) if a.model == b.model && a.prompt != b.prompt => "prompt",
                _ => return None,
            };
            Some(RatePair {
                factor,
                a: a.author.clone(),
                b: b.author.clone(),
                stage: a.stage,
                rates: a.rate().zip(b.rate()),
                p_adjusted: None,
                tests: 0,
            })
        };
        pairs.extend(others.filter_map(pair));
    }
    adjust(&mut pairs);
    let by_pair = |pair: &RatePair| {
        let place = |of: &Author| rows.iter().position(|row| row.author == *of);
        let stage = pair.stage.unwrap_or(u32::MAX);
        (pair.factor, place(&pair.a), place(&pair.b), stage)
    };
    pairs.sort_by_key(by_pair);
    pairs
}

fn adjust(pairs: &mut [RatePair]) {
    for factor in ["model", "prompt"] {
        for whole in [true, false] {
            let family: Vec<usize> = (0..pairs.len())
                .filter(|&at| pairs[at].factor == factor && pairs[at].stage.is_none() == whole)
                .collect();
            let p: Vec<Option<f64>> = family.iter().map(|&at| pairs[at].p()).collect();
            let tests = p.iter().flatten().count();
            for (at, p) in family.into_iter().zip(holm(&p)) {
                pairs[at].p_adjusted = p;
                pairs[at].tests = tests;
            }
        }
    }
}

/// Returns the frame of `correctness_comparisons`.
pub fn pair_frame(run: &RunStarted, rows: &[RatePair]) -> PolarsResult<DataFrame> {
    let side =
        |of: fn(&(Rate, Rate)) -> Rate| rows.iter().map(move |row| row.rates.as_ref().map(of));
    let (a, b) = (|| side(|rates| rates.0), || side(|rates| rates.1));
    let found =
        |of: fn(RateDifference) -> f64| rows.iter().map(move |row| row.difference().map(of));
    let stages = rows.iter().map(|row| row.stage.map(i64::from));
    let columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&run.run_id))),
        texts("factor", rows.iter().map(|row| Some(row.factor))),
        texts("model_a", rows.iter().map(|row| Some(&row.a.model))),
        texts("prompt_a", rows.iter().map(|row| Some(&row.a.prompt))),
        texts("model_b", rows.iter().map(|row| Some(&row.b.model))),
        texts("prompt_b", rows.iter().map(|row| Some(&row.b.prompt))),
        texts(
            "stage",
            rows.iter().map(|row| Some(stage_name(run, row.stage))),
        ),
        integers("stage_index", stages),
        integers("right_a", a().map(|rate| Some(rate?.right as i64))),
        integers("n_a", a().map(|rate| Some(rate?.n as i64))),
        integers("right_b", b().map(|rate| Some(rate?.right as i64))),
        integers("n_b", b().map(|rate| Some(rate?.n as i64))),
        floats("difference", found(|found| found.difference)),
        floats("difference_ci_low", found(|found| found.low)),
        floats("difference_ci_high", found(|found| found.high)),
        floats("p", rows.iter().map(RatePair::p)),
        floats("p_adj", rows.iter().map(|row| row.p_adjusted)),
        integers("tests", rows.iter().map(|row| Some(row.tests as i64))),
        floats("least_p_adj", rows.iter().map(RatePair::least_p_adjusted)),
        texts("verdict", rows.iter().map(|row| Some(row.verdict()))),
    ];
    frame(&columns::CORRECTNESS_COMPARISONS, columns)
}
