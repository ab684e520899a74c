//! Columns that several tables have.

use super::column::Kind::{Bool, Integer, Text};
use super::column::Source::{Derived, Plan, Runner};
use super::column::{Column, column};

pub(super) const RUN_ID: Column = column("run_id", Text, "", Plan, "the run");

pub(super) const CELL_ID: Column = column(
    "cell_id",
    Text,
    "",
    Plan,
    "the cell: its levels in order, joined by dots",
);

pub(super) const VARIANT: Column = column("variant", Text, "", Plan, "folder under `functions/`");

pub(super) const RUNTIME: Column = column(
    "runtime",
    Text,
    "",
    Plan,
    "Lambda runtime of the functions, for example `python3.14`: the one that `matrix.runtimes` \
     names, else the variant's own; null if no package of the variant was recorded",
);

pub(super) const ARCHITECTURE: Column = column(
    "architecture",
    Text,
    "",
    Plan,
    "`x86_64` or `arm64`; `host.arch`",
);

pub(super) const MEMORY_MB: Column = column(
    "memory_mb",
    Integer,
    "MB",
    Plan,
    "configured memory; `faas.max_memory` (theirs is in bytes)",
);

pub(super) const IMAGE_SET: Column = column(
    "image_set",
    Text,
    "",
    Plan,
    "folder under the experiment's `image-sets/`",
);

pub(super) const IMAGE: Column = column("image", Text, "", Plan, "image within the set");

pub(super) const TRIGGER: Column = column(
    "trigger",
    Text,
    "",
    Plan,
    "`direct` or `s3`; `faas.trigger` (`other`, `datasource` there)",
);

pub(super) const INPUT: Column = column(
    "input",
    Text,
    "",
    Plan,
    "`chained`: a stage gets the output of the stage before; `reference`: the same reference \
     bytes for every variant",
);

pub(super) const START: Column = column(
    "start",
    Text,
    "",
    Plan,
    "start kind the cell asks for: `warm` or `cold`",
);

pub(super) const SNAPSTART: Column = column(
    "snapstart",
    Text,
    "",
    Plan,
    "`on`: environments are restored from a snapshot (Lambda SnapStart); else `off`",
);

pub(super) const CONCURRENCY: Column = column(
    "concurrency",
    Integer,
    "",
    Plan,
    "pipelines of the cell that run at once",
);

pub(super) const MODEL: Column = column(
    "model",
    Text,
    "",
    Plan,
    "LLM that wrote the variant; null if none did",
);

pub(super) const SAMPLE: Column = column(
    "sample",
    Integer,
    "",
    Plan,
    "number of the independent answer of that model; null if no model wrote it",
);

pub(super) const PROMPT: Column = column(
    "prompt",
    Text,
    "",
    Plan,
    "name of the prompt that the model was asked with: `plain` is the standard one, `unknown` \
     that of imported results; null if no model wrote it",
);

pub(super) const TARGET: Column = column(
    "target",
    Text,
    "",
    Plan,
    "`local` or `aws`: where the durations come from; `imported`: another tool measured them",
);

pub(super) const DEPLOYMENT: Column = column(
    "deployment",
    Integer,
    "",
    Plan,
    "which deployment of the same code under another name, from 1",
);

pub(super) const STAGE: Column = column("stage", Text, "", Plan, "stage of the pipeline");

pub(super) const STAGE_INDEX: Column = column(
    "stage_index",
    Integer,
    "",
    Plan,
    "position of the stage, from 0",
);

/// Of a table that has rows for whole pipelines too.
pub(super) const STAGE_OR_PIPELINE: Column = column(
    "stage",
    Text,
    "",
    Plan,
    "stage of the pipeline; `pipeline` in the row of the whole pipeline",
);

pub(super) const STAGE_OR_PIPELINE_INDEX: Column = column(
    "stage_index",
    Integer,
    "",
    Plan,
    "position of the stage, from 0; null in the row of the whole pipeline",
);

pub(super) const WARM_UP: Column = column(
    "warm_up",
    Bool,
    "",
    Plan,
    "an uncounted pass: before the first repetition of a round, beside the last ones of a cell \
     that runs several at once, or a probe; numbered separately",
);

pub(super) const REPETITION: Column = column(
    "repetition",
    Integer,
    "",
    Plan,
    "from 1; warm-ups are numbered separately from repetitions",
);

pub(super) const ATTEMPT: Column = column(
    "attempt",
    Integer,
    "",
    Runner,
    "try of that repetition, from 1; only the last one counts",
);

pub(super) const ENVIRONMENT_ROUND: Column = column(
    "environment_round",
    Integer,
    "",
    Plan,
    "round of environments, from 1: `repetitions.renew_environments_every` renews them between \
     rounds, and a resumed session has new ones too; null in cold cells",
);

pub(super) const OUTPUTS_OK: Column = column(
    "outputs_ok",
    Bool,
    "",
    Derived,
    "every checked output of the cell passed, and no image failed each time; false: the numbers \
     belong to wrong work and are never ranked; null: none was checked",
);

pub(super) const REASON: Column = column(
    "reason",
    Text,
    "",
    Derived,
    "first failed check by stage if `outputs_ok` is false",
);

pub(super) const RANK: Column = column(
    "rank",
    Integer,
    "",
    Derived,
    "rank by the mean, 1 = lowest, among cells of the same image set, trigger, input, start, snapstart and \
     concurrency whose outputs passed; null unless `comparisons` claims a difference from each \
     of them, and null beside samples of a model",
);

pub(super) const NOTE: Column = column(
    "note",
    Text,
    "",
    Derived,
    "read this before you use the row; null if there is nothing to say",
);
