//! The columns of `comparisons`.

use super::Kind::{Bool, Float, Integer, Text};
use super::Source::{Derived, Plan};
use super::{NOTE, RUN_ID, TARGET, Table, column};

pub const COMPARISONS: Table = Table {
    name: "comparisons",
    row: "one pair of levels of one factor, all else equal, in one metric of one stage (or the pipeline): b against its baseline a, which comes first in the plan",
    columns: &[
        RUN_ID,
        column(
            "factor",
            Text,
            "",
            Plan,
            "variant, architecture, memory_mb, image_set, trigger, start or concurrency; `deployment`: the same code deployed twice, whose difference is the noise floor",
        ),
        column("level_a", Text, "", Plan, "baseline's level"),
        column("level_b", Text, "", Plan, "the other's"),
        column("cell_a", Text, "", Plan, "baseline's cell"),
        column("cell_b", Text, "", Plan, "the other's"),
        column("stage", Text, "", Plan, "stage, or `pipeline`"),
        column("stage_index", Integer, "", Plan, "its place, from 0; null for `pipeline`"),
        column("metric", Text, "", Derived, "as in `summary`"),
        column("n_a", Integer, "", Derived, "values of a; when paired, those that have a partner"),
        column("n_b", Integer, "", Derived, "values of b"),
        column(
            "paired",
            Bool,
            "",
            Derived,
            "90% or more share deployment, image and repetition, and the order was interleaved",
        ),
        column("ratio_mean", Float, "", Derived, "mean of b / mean of a; below 1: b is faster or cheaper"),
        column(
            "ratio_mean_ci_low",
            Float,
            "",
            Derived,
            "95% interval: images (or, unpaired, environments where known) are resampled, then repetitions within them",
        ),
        column("ratio_mean_ci_high", Float, "", Derived, ""),
        column("ratio_median", Float, "", Derived, "median of b / median of a"),
        column("ratio_median_ci_low", Float, "", Derived, ""),
        column("ratio_median_ci_high", Float, "", Derived, ""),
        column(
            "ci_method",
            Text,
            "",
            Derived,
            "`bootstrap` (percentile, 10,000 resamples) or, for n > 1,000, `linearised`",
        ),
        column("cliffs_delta", Float, "", Derived, "(#{b > a} - #{b < a}) / (n_a n_b): 1 when every b is larger"),
        column("effect", Text, "", Derived, "its size: negligible, small, medium or large"),
        column("test", Text, "", Derived, "`wilcoxon` on the ratio of each pair, or `mann_whitney` when unpaired"),
        column("n_zero", Integer, "", Derived, "pairs without a difference, which Wilcoxon drops"),
        column("p", Float, "", Derived, "two-sided"),
        column(
            "p_adj",
            Float,
            "",
            Derived,
            "Holm-adjusted within the family of one metric and one factor; null where outputs did not pass",
        ),
        column(
            "verdict",
            Text,
            "",
            Derived,
            "of b: `faster` or `slower` (`cheaper` or `dearer`) if p_adj < 0.05, the ratio's interval excludes 1 and it differs by 2% or more; `equivalent` if the interval lies within 0.95 to 1.05; else `inconclusive`. `wrong outputs`, `outputs not checked`, `not measured`: no claim",
        ),
        NOTE,
        TARGET,
    ],
};
