//! The columns of `choices`.

use super::Kind::{Bool, Float, Integer, Text};
use super::Source::Derived;
use super::{
    ARCHITECTURE, CELL_ID, CONCURRENCY, IMAGE_SET, INPUT, MEMORY_MB, MODEL, NOTE, OUTPUTS_OK, REASON, RUN_ID, SAMPLE,
    START, TARGET, TRIGGER, Table, VARIANT, column,
};

pub const CHOICES: Table = Table {
    name: "choices",
    row: "one cell as something to choose: what it costs against how long it takes, by means over its complete passes",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        TRIGGER,
        INPUT,
        START,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        column("turnaround_s", Float, "s", Derived, "mean, as in `summary`"),
        column("turnaround_ci_low_s", Float, "s", Derived, "95% interval of it"),
        column("turnaround_ci_high_s", Float, "s", Derived, ""),
        column("cost_usd_per_100k", Float, "USD", Derived, "as in `costs`"),
        column("cost_usd_per_100k_ci_low", Float, "USD", Derived, "95% interval of it"),
        column("cost_usd_per_100k_ci_high", Float, "USD", Derived, ""),
        column(
            "on_front",
            Bool,
            "",
            Derived,
            "on the Pareto front: no other right cell of the same image set, trigger, input, start and concurrency is as good in both means and better in one; null where outputs did not pass or nothing was measured",
        ),
        column(
            "memory_sizes",
            Integer,
            "",
            Derived,
            "right cells that differ from this one in memory only, itself included: what the recommendation chose among",
        ),
        column(
            "balance",
            Float,
            "",
            Derived,
            "mean of cost / dearest size's cost and turnaround / slowest size's; null with fewer than two sizes, as the next five",
        ),
        column("cheapest", Bool, "", Derived, "of these memory sizes the one of the lowest mean cost"),
        column("fastest", Bool, "", Derived, "the one of the lowest mean turnaround"),
        column(
            "balanced",
            Bool,
            "",
            Derived,
            "the one of the least `balance`, as power tuners weigh them; it is not tested",
        ),
        column(
            "cheapest_not_told_from_mb",
            Text,
            "MB",
            Derived,
            "of the cheapest: memory sizes from which `comparisons` claims no difference in cost, by spaces; empty: told from all",
        ),
        column("fastest_not_told_from_mb", Text, "MB", Derived, "of the fastest: the same of turnaround"),
        OUTPUTS_OK,
        REASON,
        NOTE,
        TARGET,
    ],
};
