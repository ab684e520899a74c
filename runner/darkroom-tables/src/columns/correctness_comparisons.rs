//! The columns of `correctness_comparisons`.

use super::Kind::{Float, Integer, Text};
use super::Source::{Derived, Plan};
use super::{Column, RUN_ID, STAGE_OR_PIPELINE, STAGE_OR_PIPELINE_INDEX, Table, column};

const fn derived(name: &'static str, kind: super::Kind, doc: &'static str) -> Column {
    column(name, kind, "", Derived, doc)
}

pub const CORRECTNESS_COMPARISONS: Table = Table {
    name: "correctness_comparisons",
    row: "two models with one prompt, or two prompts of one model, compared in how often they are \
          right: at one stage, or with the whole pipeline (`stage` = `pipeline`)",
    columns: &[
        RUN_ID,
        column(
            "factor",
            Text,
            "",
            Plan,
            "what differs: `model` or `prompt`",
        ),
        column(
            "model_a",
            Text,
            "",
            Plan,
            "the first model, as in `correctness`",
        ),
        column(
            "prompt_a",
            Text,
            "",
            Plan,
            "and the prompt it was asked with",
        ),
        column("model_b", Text, "", Plan, "the second model"),
        column(
            "prompt_b",
            Text,
            "",
            Plan,
            "and the prompt it was asked with",
        ),
        STAGE_OR_PIPELINE,
        STAGE_OR_PIPELINE_INDEX,
        derived(
            "right_a",
            Integer,
            "samples of `model_a` with `prompt_a` that are right; null, like every count, rate and p value of the row, if one of the two has no sample whose outcome is known",
        ),
        derived(
            "n_a",
            Integer,
            "samples of `model_a` with `prompt_a` whose outcome is known, right or not",
        ),
        derived(
            "right_b",
            Integer,
            "samples of `model_b` with `prompt_b` that are right",
        ),
        derived(
            "n_b",
            Integer,
            "samples of `model_b` with `prompt_b` whose outcome is known, right or not",
        ),
        derived(
            "difference",
            Float,
            "rate of the second less that of the first",
        ),
        derived(
            "difference_ci_low",
            Float,
            "lower end of its 95% interval (Newcombe, of two Wilson intervals)",
        ),
        derived("difference_ci_high", Float, "upper end"),
        derived("p", Float, "Fisher's exact test, two-sided"),
        derived(
            "p_adj",
            Float,
            "adjusted by Holm's method over its family: all pairs by this factor, of whole pipelines; or of all stages",
        ),
        derived("tests", Integer, "tests of that family"),
        derived(
            "least_p_adj",
            Float,
            "`p_adj` of all right against none with so many samples, as the smallest p of its family; from 0.05 on there are too few samples for a claim",
        ),
        derived(
            "verdict",
            Text,
            "`right more often` or `right less often` (the second; `p_adj` below 0.05, and the interval excludes 0), `inconclusive`, `too few samples`, or `not known`",
        ),
    ],
};
