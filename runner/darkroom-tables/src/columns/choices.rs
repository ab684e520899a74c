//! The columns of `choices`.

use super::Kind::{Bool, Float, Integer, Text};
use super::Source::Derived;
use super::{
    ARCHITECTURE, CELL_ID, CONCURRENCY, IMAGE_SET, INPUT, MEMORY_MB, MODEL, NOTE, OUTPUTS_OK,
    PROMPT, REASON, RUN_ID, RUNTIME, SAMPLE, SNAPSTART, START, TARGET, TRIGGER, Table, VARIANT,
    column,
};

pub const CHOICES: Table = Table {
    name: "choices",
    row: "one cell and how good a choice it is: its cost and its time, by means over its \
        complete passes",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        RUNTIME,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        TRIGGER,
        INPUT,
        START,
        SNAPSTART,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        PROMPT,
        column("turnaround_s", Float, "s", Derived, "mean, as in `summary`"),
        column(
            "turnaround_ci_low_s",
            Float,
            "s",
            Derived,
            "95% interval of the mean",
        ),
        column("turnaround_ci_high_s", Float, "s", Derived, ""),
        column("cost_usd_per_100k", Float, "USD", Derived, "as in `costs`"),
        column(
            "cost_usd_per_100k_ci_low",
            Float,
            "USD",
            Derived,
            "95% interval of the mean",
        ),
        column("cost_usd_per_100k_ci_high", Float, "USD", Derived, ""),
        column(
            "on_front",
            Bool,
            "",
            Derived,
            "on the Pareto front: no other right cell of the same image set, trigger, input, \
             start, snapstart and concurrency is as good in both means and better in one; null if outputs \
             did not pass or nothing was measured",
        ),
        column(
            "memory_sizes",
            Integer,
            "",
            Derived,
            "number of right cells that differ from this one only in memory, itself included; \
             the recommendation chooses among them",
        ),
        column(
            "balance",
            Float,
            "",
            Derived,
            "mean of cost / highest cost and turnaround / longest turnaround; null with fewer \
             than two sizes, like the next five",
        ),
        column(
            "cheapest",
            Bool,
            "",
            Derived,
            "the memory size with the lowest mean cost",
        ),
        column(
            "fastest",
            Bool,
            "",
            Derived,
            "the memory size with the lowest mean turnaround",
        ),
        column(
            "balanced",
            Bool,
            "",
            Derived,
            "the memory size with the lowest `balance`, as power tuners weigh it; it is not tested",
        ),
        column(
            "cheapest_not_told_from_mb",
            Text,
            "MB",
            Derived,
            "for the cheapest: memory sizes whose cost does not differ by a claim in \
             `comparisons`, separated by spaces; empty if all differ",
        ),
        column(
            "fastest_not_told_from_mb",
            Text,
            "MB",
            Derived,
            "for the fastest: the same for turnaround",
        ),
        OUTPUTS_OK,
        REASON,
        NOTE,
        TARGET,
    ],
};
