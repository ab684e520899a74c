//! The columns of `comparisons`.

use super::Kind::{Bool, Float, Integer, Text};
use super::Source::{Derived, Plan};
use super::{NOTE, RUN_ID, TARGET, Table, column};

pub const COMPARISONS: Table = Table {
    name: "comparisons",
    row: "one comparison of two levels of one factor, all else equal, in one metric of one stage \
        (or of the pipeline): b with its baseline a, which comes first in the plan",
    columns: &[
        RUN_ID,
        column(
            "factor",
            Text,
            "",
            Plan,
            "variant, runtime, architecture, memory_mb, image_set, trigger, start, snapstart or concurrency; `model`: all samples of one LLM's answers against all of another's; `deployment`: the same code deployed twice, whose difference is the noise floor. Not `input`: chained and reference input are different work",
        ),
        column("level_a", Text, "", Plan, "baseline's level"),
        column("level_b", Text, "", Plan, "the other's"),
        column(
            "cell_a",
            Text,
            "",
            Plan,
            "baseline's cell; for `model` the pooled cells, separated by spaces",
        ),
        column("cell_b", Text, "", Plan, "the other's"),
        column("stage", Text, "", Plan, "stage, or `pipeline`"),
        column(
            "stage_index",
            Integer,
            "",
            Plan,
            "position of the stage, from 0; null for `pipeline`",
        ),
        column(
            "metric",
            Text,
            "",
            Derived,
            "as in `summary`; for `start`, `cold_total_ms` compares the cold side's init + \
             duration with the warm side's duration, and `duration_ms` compares the two durations",
        ),
        column(
            "n_a",
            Integer,
            "",
            Derived,
            "number of values of a; if paired, of those that have a partner",
        ),
        column("n_b", Integer, "", Derived, "values of b"),
        column(
            "samples_a",
            Integer,
            "",
            Derived,
            "for `model`: number of pooled samples, all with right outputs; else null",
        ),
        column("samples_b", Integer, "", Derived, ""),
        column(
            "left_out_a",
            Integer,
            "",
            Derived,
            "for `model`: number of samples that are not pooled, because their outputs are wrong \
             or were not checked; else null",
        ),
        column("left_out_b", Integer, "", Derived, ""),
        column(
            "paired",
            Bool,
            "",
            Derived,
            "90% or more share deployment, image and repetition, and they were measured in turns: interleaved, in the same sessions",
        ),
        column(
            "ratio_mean",
            Float,
            "",
            Derived,
            "mean of b / mean of a; below 1: b is faster or cheaper",
        ),
        column(
            "ratio_mean_ci_low",
            Float,
            "",
            Derived,
            "95% interval: images (or, unpaired, known environments) are resampled, then \
             repetitions within them; for `model` samples first, then their environments or \
             deployments, images (the same for both) and repetitions; null with a single sample \
             of either",
        ),
        column("ratio_mean_ci_high", Float, "", Derived, ""),
        column(
            "ratio_median",
            Float,
            "",
            Derived,
            "median of b / median of a",
        ),
        column("ratio_median_ci_low", Float, "", Derived, ""),
        column("ratio_median_ci_high", Float, "", Derived, ""),
        column(
            "ci_method",
            Text,
            "",
            Derived,
            "`bootstrap` (percentile, 10,000 resamples) or, for n > 1,000, `linearised`; for \
             `model` `hierarchical` or `hierarchical_approximated`",
        ),
        column(
            "cliffs_delta",
            Float,
            "",
            Derived,
            "(#{b > a} - #{b < a}) / (n_a n_b): 1 when every b is larger",
        ),
        column(
            "effect",
            Text,
            "",
            Derived,
            "size of this effect: negligible, small, medium or large",
        ),
        column(
            "test",
            Text,
            "",
            Derived,
            "`wilcoxon` on the ratio of each pair, or `mann_whitney` when unpaired; for `model` \
             `welch`, on the logarithms of the samples' means",
        ),
        column(
            "n_zero",
            Integer,
            "",
            Derived,
            "pairs without a difference, which Wilcoxon's test drops",
        ),
        column("p", Float, "", Derived, "two-sided"),
        column(
            "p_adj",
            Float,
            "",
            Derived,
            "Holm-adjusted within the family of one metric and one factor; null if outputs did \
             not pass",
        ),
        column(
            "units_a",
            Integer,
            "",
            Derived,
            "independent units of a: for a stage, environments; for the pipeline, rounds of \
             environments of its deployments, or passes that had new ones; null for `model` and \
             `image_set`",
        ),
        column("units_b", Integer, "", Derived, ""),
        column(
            "p_units",
            Float,
            "",
            Derived,
            "two-sided p of Welch's test on the units' mean logarithms, without the images' \
             levels: whether b differs from a by more than environments of the same code differ; \
             null with a single unit of either",
        ),
        column(
            "verdict",
            Text,
            "",
            Derived,
            "verdict on b: `faster` or `slower` (`cheaper` or `dearer`) if p_adj < 0.05, p_units \
             (if available) is below 0.05, the ratio's interval excludes 1 and it differs by 2% \
             or more; `equivalent` if the interval lies within 0.95 to 1.05; else \
             `inconclusive`. For `image_set` `lighter` or `heavier`: a statement about images. \
             `wrong outputs`, `outputs not checked`, `remembers outputs`, `not measured`: no \
             claim",
        ),
        column(
            "side_by_side",
            Bool,
            "",
            Derived,
            "a and b were measured in turns, in the same sessions of the run (at least 90% of \
             their repetitions); false: at different times, because one was measured again (`run \
             --cell`) or the order was sequential, which may cause part of the difference; the \
             note says when; null if a side has no repetition or another tool measured",
        ),
        NOTE,
        TARGET,
    ],
};
