//! The columns of `pipelines`.

use super::Kind::{Bool, Float, Integer, Text, Time};
use super::Source::{Derived, Runner};
use super::{
    ARCHITECTURE, ATTEMPT, CELL_ID, CONCURRENCY, DEPLOYMENT, ENVIRONMENT_ROUND, IMAGE, IMAGE_SET,
    INPUT, MEMORY_MB, MODEL, PROMPT, REPETITION, RUN_ID, RUNTIME, SAMPLE, SNAPSTART, START, TARGET,
    TRIGGER, Table, VARIANT, WARM_UP, column,
};

pub const PIPELINES: Table = Table {
    name: "pipelines",
    row: "one pass of one image through the whole pipeline (with `input = reference`, through \
        every stage independently)",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        RUNTIME,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        IMAGE,
        TRIGGER,
        INPUT,
        START,
        SNAPSTART,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        PROMPT,
        DEPLOYMENT,
        WARM_UP,
        REPETITION,
        ATTEMPT,
        ENVIRONMENT_ROUND,
        column(
            "started_at",
            Time,
            "",
            Runner,
            "just before the first call or the source PUT",
        ),
        column(
            "turnaround_s",
            Float,
            "s",
            Runner,
            "runner's monotonic clock, from just before the first call (or the source PUT) until \
             the final object was first seen; null if the pipeline broke or its stages ran \
             independently",
        ),
        column(
            "resolution_ms",
            Float,
            "ms",
            Runner,
            "largest error of `turnaround_s` by polling: the poll interval, 0 for direct calls",
        ),
        column(
            "upload_ms",
            Float,
            "ms",
            Runner,
            "the source PUT, the first part of `turnaround_s`; null for direct calls",
        ),
        column(
            "trigger_delays_ms",
            Float,
            "ms",
            Derived,
            "sum of the stages' `trigger_delay_ms` (cross_clock); null unless every stage has one and a REPORT",
        ),
        column(
            "running_ms",
            Float,
            "ms",
            Derived,
            "sum of the stages' REPORT durations, and inits when cold; null where `trigger_delays_ms` is",
        ),
        column(
            "remainder_ms",
            Float,
            "ms",
            Derived,
            "`turnaround_s` - `upload_ms` - `trigger_delays_ms` - `running_ms`: from the last \
             END to the poll that saw the object (at most `resolution_ms`; negative if the \
             object was there before END), the time between START, END and the reported \
             duration, clock differences and roundings to 1 ms; cold: minus the inits that hops \
             already hold",
        ),
        column(
            "others_under_way",
            Integer,
            "",
            Runner,
            "passes of other lanes (`schedule.lanes`) that were under way when this one began; null \
             in runs of an older Darkroom, which had one lane, and in imported rows",
        ),
        column("complete", Bool, "", Runner, "every stage succeeded"),
        column(
            "failed_stage",
            Text,
            "",
            Runner,
            "first stage that did not succeed; null when complete",
        ),
        column(
            "again",
            Text,
            "",
            Runner,
            "why the repetition was repeated: `wrong_start`, `proactive`, `throttled` or `unanswered`; null \
             if it was not",
        ),
        column(
            "bytes_in",
            Integer,
            "bytes",
            Runner,
            "size of the source image; null if it was not seen",
        ),
        column(
            "bytes_out",
            Integer,
            "bytes",
            Runner,
            "size of the last stage's output; null if it was not seen",
        ),
        column(
            "counts_as",
            Text,
            "",
            Derived,
            "as in `invocations`, for the pass as a whole: one stage with the wrong start or \
             without REPORT is enough; `failed`: not complete",
        ),
        column(
            "outlier",
            Bool,
            "",
            Derived,
            "`turnaround_s` is beyond 3 IQR of the quartiles of its sample; null outside of the \
             sample",
        ),
        column(
            "cost_usd",
            Float,
            "USD",
            Derived,
            "hosting cost of the pass: the five parts below; null unless every stage has one",
        ),
        column("cost_compute_usd", Float, "USD", Derived, "handler time"),
        column(
            "cost_init_usd",
            Float,
            "USD",
            Derived,
            "cold starts, and the billed time of restored ones",
        ),
        column(
            "cost_request_usd",
            Float,
            "USD",
            Derived,
            "invocations, including retries",
        ),
        column(
            "cost_ephemeral_usd",
            Float,
            "USD",
            Derived,
            "`/tmp` above 512 MB",
        ),
        column(
            "cost_restore_usd",
            Float,
            "USD",
            Derived,
            "restores of environments from snapshots; keeping the snapshots comes on top",
        ),
        column(
            "cost_s3_usd",
            Float,
            "USD",
            Derived,
            "S3 requests of the contract (one GET and one PUT per stage; with payload transport \
             one PUT in all), not part of `cost_usd`",
        ),
        TARGET,
    ],
};
