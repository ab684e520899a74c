//! The columns of `reconciliation`.

use super::Kind::{Bool, Float, Integer, Text, Time};
use super::Source::{Derived, Plan, Platform, Runner};
use super::{NOTE, RUN_ID, TARGET, Table, column};

pub const RECONCILIATION: Table = Table {
    name: "reconciliation",
    row: "one figure of one function over one session of the run, as the journal and as the platform's own metrics (`AWS/Lambda`) have it",
    columns: &[
        RUN_ID,
        column("session", Integer, "", Runner, "which session of the run, from 1; one that was killed has no rows"),
        column("at", Time, "", Runner, "when the two were compared"),
        column("function", Text, "", Runner, "its name; `faas.name`"),
        column("metric", Text, "", Plan, "`invocations`, `errors`, `throttles` or `duration_ms` (a sum)"),
        column("recorded", Float, "metric's", Runner, "sum over the session's recorded invocations, warm-ups included"),
        column(
            "reported",
            Float,
            "metric's",
            Platform,
            "what the metrics counted in the same time; null when they were not heard, and the note says why",
        ),
        column("tolerance", Float, "metric's", Derived, "how far rounding may set them apart"),
        column(
            "agrees",
            Bool,
            "",
            Derived,
            "both are within the tolerance; false: something was missed, or something else called the function",
        ),
        NOTE,
        TARGET,
    ],
};
