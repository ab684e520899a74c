//! The columns of `reconciliation`.

use super::Kind::{Bool, Float, Integer, Text, Time};
use super::Source::{Derived, Plan, Platform, Runner};
use super::{NOTE, RUN_ID, TARGET, Table, column};

pub const RECONCILIATION: Table = Table {
    name: "reconciliation",
    row: "one figure of one function over one session of the run, from the journal and from the \
        platform's own metrics (`AWS/Lambda`)",
    columns: &[
        RUN_ID,
        column(
            "session",
            Integer,
            "",
            Runner,
            "which session of the run, from 1; one that was killed has no rows",
        ),
        column("at", Time, "", Runner, "when the two were compared"),
        column("function", Text, "", Runner, "its name; `faas.name`"),
        column(
            "metric",
            Text,
            "",
            Plan,
            "`invocations`, `errors`, `throttles` or `duration_ms` (a sum)",
        ),
        column(
            "recorded",
            Float,
            "metric's",
            Runner,
            "sum over the session's recorded invocations, including warm-ups",
        ),
        column(
            "reported",
            Float,
            "metric's",
            Platform,
            "what the metrics counted in the same time; null if they were not received; the note \
             says why",
        ),
        column(
            "tolerance",
            Float,
            "metric's",
            Derived,
            "largest difference that rounding may cause",
        ),
        column(
            "unanswered",
            Float,
            "metric's",
            Derived,
            "most that calls without an answer may add to what the metrics counted: nobody else \
             knows whether they ran",
        ),
        column(
            "agrees",
            Bool,
            "",
            Derived,
            "the metrics counted what was recorded, within the tolerance, and no more than \
             `unanswered` beyond it; false: something was missed, came too late (`reported` is \
             smaller), or something else called the function",
        ),
        NOTE,
        TARGET,
    ],
};
