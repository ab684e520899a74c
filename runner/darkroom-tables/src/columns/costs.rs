//! The columns of `costs`.

use super::Kind::{Float, Integer, Text};
use super::Source::{Derived, Plan};
use super::{
    ARCHITECTURE, CELL_ID, CONCURRENCY, IMAGE_SET, INPUT, MEMORY_MB, MODEL, NOTE, OUTPUTS_OK,
    PROMPT, RANK, REASON, RUN_ID, RUNTIME, SAMPLE, SNAPSTART, START, TARGET, TRIGGER, Table,
    VARIANT, column,
};

pub const COSTS: Table = Table {
    name: "costs",
    row: "one cell and its cost of 100,000 images, by part, over its complete passes",
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
        column(
            "n",
            Integer,
            "",
            Derived,
            "number of complete passes that the mean covers",
        ),
        column(
            "cost_usd_per_100k",
            Float,
            "USD",
            Derived,
            "hosting cost of 100,000 images: the four parts below, with the images mixed as in \
             the set",
        ),
        column(
            "cost_usd_per_100k_ci_low",
            Float,
            "USD",
            Derived,
            "95% interval of the cost over these images, as in `summary`; null for n < 2",
        ),
        column("cost_usd_per_100k_ci_high", Float, "USD", Derived, ""),
        column("ci_method", Text, "", Derived, "as in `summary`"),
        column(
            "compute_usd_per_100k",
            Float,
            "USD",
            Derived,
            "handler time",
        ),
        column(
            "init_usd_per_100k",
            Float,
            "USD",
            Derived,
            "cold starts, and the billed time of restored ones",
        ),
        column(
            "request_usd_per_100k",
            Float,
            "USD",
            Derived,
            "invocations, including retries",
        ),
        column(
            "ephemeral_usd_per_100k",
            Float,
            "USD",
            Derived,
            "`/tmp` above 512 MB",
        ),
        column(
            "restore_usd_per_100k",
            Float,
            "USD",
            Derived,
            "restores of environments from snapshots; keeping the snapshots comes on top",
        ),
        column(
            "s3_usd_per_100k",
            Float,
            "USD",
            Derived,
            "S3 requests (one GET and one PUT per stage): equal for every variant and not part \
             of `cost_usd_per_100k`",
        ),
        column("price_region", Text, "", Plan, "region of the price table"),
        column(
            "price_date",
            Text,
            "",
            Plan,
            "day when the prices were read, YYYY-MM-DD",
        ),
        OUTPUTS_OK,
        REASON,
        RANK,
        NOTE,
        TARGET,
    ],
};
