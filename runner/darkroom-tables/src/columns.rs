//! Every column of every table: name, type, unit, what it means and where it comes from. Said here once.
//!
//! The frames are built in this order and checked against it, and `outputs/README.md` is [`markdown`]. Names are those
//! of the glossary, units end the name, and a cloud fact names its OpenTelemetry attribute.

use std::fmt::Write as _;

/// Type of a column, as a reader of Parquet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit signed.
    Integer,
    /// 64-bit; null where there is no value, never NaN.
    Float,
    Bool,
    /// UTC, milliseconds.
    Time,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "int64",
            Self::Float => "double",
            Self::Bool => "bool",
            Self::Time => "timestamp[ms, UTC]",
        }
    }
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The resolved manifest and the plan made of it.
    Plan,
    /// The runner's own observation: its clock, its call, its schedule.
    Runner,
    /// The platform's REPORT line, log stream or API answer.
    Platform,
    /// The contract's check of an output.
    Contract,
    /// The profile wrapper's line: what the handler's own process says. Null with `profile = false`.
    Inside,
    /// Derived from other columns by `darkroom aggregate`.
    Derived,
}

impl Source {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Runner => "runner",
            Self::Platform => "platform",
            Self::Contract => "contract",
            Self::Inside => "inside",
            Self::Derived => "derived",
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Empty for what has none.
    pub unit: &'static str,
    pub source: Source,
    pub doc: &'static str,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// File name without `.parquet`.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    pub columns: &'static [Column],
}

const fn column(name: &'static str, kind: Kind, unit: &'static str, source: Source, doc: &'static str) -> Column {
    Column { name, kind, unit, source, doc }
}

use Kind::{Bool, Float, Integer, Text, Time};
use Source::{Contract, Derived, Inside, Plan, Platform, Runner};

const RUN_ID: Column = column("run_id", Text, "", Plan, "the run");
const CELL_ID: Column = column("cell_id", Text, "", Plan, "the cell: its levels in order, joined by dots");
const VARIANT: Column = column("variant", Text, "", Plan, "folder under `functions/`");
const ARCHITECTURE: Column = column("architecture", Text, "", Plan, "`x86_64` or `arm64`; `host.arch`");
const MEMORY_MB: Column =
    column("memory_mb", Integer, "MB", Plan, "configured memory; `faas.max_memory` (theirs is in bytes)");
const IMAGE_SET: Column = column("image_set", Text, "", Plan, "folder under the experiment's `image-sets/`");
const IMAGE: Column = column("image", Text, "", Plan, "image within the set");
const TRIGGER: Column =
    column("trigger", Text, "", Plan, "`direct` or `s3`; `faas.trigger` (`other`, `datasource` there)");
const INPUT: Column = column(
    "input",
    Text,
    "",
    Plan,
    "`chained`: a stage gets its predecessor's output; `reference`: the same reference bytes for every variant",
);
const START: Column = column("start", Text, "", Plan, "start kind the cell asks for: `warm` or `cold`");
const CONCURRENCY: Column = column("concurrency", Integer, "", Plan, "pipelines of the cell under way at once");
const MODEL: Column = column("model", Text, "", Plan, "LLM that wrote the variant; null where none did");
const SAMPLE: Column = column("sample", Integer, "", Plan, "which independent answer of that model; null where none");
const TARGET: Column = column("target", Text, "", Plan, "`local` or `aws`: where the durations come from");
const DEPLOYMENT: Column =
    column("deployment", Integer, "", Plan, "which deployment of the same code under another name, from 1");
const STAGE: Column = column("stage", Text, "", Plan, "stage of the pipeline");
const STAGE_INDEX: Column = column("stage_index", Integer, "", Plan, "its place, from 0");
const WARM_UP: Column = column(
    "warm_up",
    Bool,
    "",
    Plan,
    "an uncounted pass: before the first repetition of a round, or beside the last ones of a cell that runs several at once",
);
const REPETITION: Column =
    column("repetition", Integer, "", Plan, "from 1; warm-ups are numbered apart from repetitions");
const ATTEMPT: Column =
    column("attempt", Integer, "", Runner, "try of that repetition, from 1; only the last one counts");
const ENVIRONMENT_ROUND: Column = column(
    "environment_round",
    Integer,
    "",
    Plan,
    "which round of environments, from 1: `repetitions.renew_environments_every` renews them between rounds, and a resumed session has new ones too; null in cold cells",
);
const OUTPUTS_OK: Column = column(
    "outputs_ok",
    Bool,
    "",
    Derived,
    "every checked output of the cell passed, and no image failed each time; false: the numbers are of wrong work and are never ranked; null: none was checked",
);
const REASON: Column = column("reason", Text, "", Derived, "first failed check by stage when `outputs_ok` is false");
const RANK: Column = column(
    "rank",
    Integer,
    "",
    Derived,
    "1 = lowest mean among cells of the same image set, trigger, input, start and concurrency whose outputs passed; null otherwise",
);
const NOTE: Column =
    column("note", Text, "", Derived, "what a reader must know before believing the row; null if nothing");

/// The tables in reading order.
pub const TABLES: [&Table; 9] =
    [&SUMMARY, &COMPARISONS, &COSTS, &PIPELINES, &INVOCATIONS, &OUTPUTS, &CODE, &BUILDS, &RECONCILIATION];

pub const BUILDS: Table = Table {
    name: "builds",
    row: "one part of one variant's package for one architecture: the variant's own code, then each dependency",
    columns: &[
        RUN_ID,
        VARIANT,
        ARCHITECTURE,
        column("runtime", Text, "", Plan, "Lambda runtime"),
        column("code_sha256", Text, "", Runner, "base64 of the zip's sha256: joins `invocations.code_sha256`"),
        column("code_bytes", Integer, "bytes", Runner, "size of the zip"),
        column("unzipped_bytes", Integer, "bytes", Runner, "code and layers unpacked"),
        column(
            "layers_sha256",
            Text,
            "",
            Runner,
            "of each layer's zip, base64, in the order of unpacking; null without",
        ),
        column("compiler", Text, "", Runner, "`rustc -vV`; null for code that is not compiled"),
        column(
            "command",
            Text,
            "",
            Runner,
            "what built it, and with which arguments; null for code that is not compiled",
        ),
        column(
            "profile",
            Text,
            "",
            Runner,
            "release profile of the variant's Cargo.toml as JSON: optimisation of the whole and of single dependencies",
        ),
        column(
            "glibc",
            Text,
            "",
            Runner,
            "newest glibc that the binary asks for; Lambda has 2.34; null for none and for code that is not compiled",
        ),
        column("dependency", Text, "", Runner, "name; null in the row of the variant's own code"),
        column("version", Text, "", Runner, "as locked or pinned"),
        column("features", Text, "", Runner, "Cargo features it was built with, by spaces; null for none"),
        column(
            "sha256",
            Text,
            "",
            Runner,
            "that its source or wheel must have, hex; several by spaces where any of several wheels will do",
        ),
    ],
};

pub const CODE: Table = Table {
    name: "code",
    row: "the code of one stage of one variant, looked at and not run: the handler's file and what it imports of its variant",
    columns: &[
        RUN_ID,
        VARIANT,
        MODEL,
        SAMPLE,
        column(
            "stage",
            Text,
            "",
            Plan,
            "stage of the pipeline; null where one program serves every stage (Cargo projects)",
        ),
        column("language", Text, "", Runner, "`python` or `rust`"),
        column(
            "files",
            Text,
            "",
            Runner,
            "files of the variant's folder that were looked at, the handler's first, with spaces between",
        ),
        column("lines_total", Integer, "", Runner, "lines of these files"),
        column(
            "lines_code",
            Integer,
            "",
            Runner,
            "lines that are neither blank nor comment; null where a file is no valid Python",
        ),
        column("lines_blank", Integer, "", Runner, "blank lines"),
        column("lines_comment", Integer, "", Runner, "lines with nothing but a comment, and Python's docstrings"),
        column(
            "imports",
            Text,
            "",
            Runner,
            "top-level packages that are imported, the variant's own modules not among them, sorted, with spaces between",
        ),
        column("import_count", Integer, "", Derived, "how many `imports` names"),
        column("functions", Integer, "", Runner, "functions and methods; null for Rust"),
        column(
            "complexity_max",
            Integer,
            "",
            Runner,
            "cyclomatic complexity (McCabe; ruff's C901) of the most complex function; null for Rust",
        ),
        column("complexity_sum", Integer, "", Runner, "the same, of all functions together"),
        column(
            "lint_count",
            Integer,
            "",
            Derived,
            "lints found, `noqa` comments notwithstanding; null where none were looked for",
        ),
        column("lints", Text, "", Runner, "each lint with its count, `F401:2 S108:1`; empty where there are none"),
        column("lint_tool", Text, "", Runner, "the linter, its version and rules"),
        NOTE,
    ],
};

pub const INVOCATIONS: Table = Table {
    name: "invocations",
    row: "one invocation of one stage function, in whatever way it ended",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        IMAGE,
        TRIGGER,
        INPUT,
        START,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        DEPLOYMENT,
        STAGE,
        STAGE_INDEX,
        WARM_UP,
        REPETITION,
        ATTEMPT,
        column("sequence", Integer, "", Runner, "position in the run's order of execution, from 0"),
        column("scheduled_at", Time, "", Runner, "when the schedule released it"),
        column(
            "started_at",
            Time,
            "",
            Runner,
            "just before the call was sent; with `trigger = s3` when the platform logged START, by its clock",
        ),
        column(
            "ended_at",
            Time,
            "",
            Platform,
            "with `trigger = s3` when the platform logged END, by its clock; null otherwise",
        ),
        column(
            "trigger_delay_ms",
            Float,
            "ms",
            Derived,
            "with `trigger = s3`: from the END of the stage before (of the first stage: from the end of the upload, by the runner's clock) to this START; an init that the hop caused lies within it; may be negative, for clocks differ and a handler goes on after its PUT, and is never clamped",
        ),
        column(
            "trigger_delay_clock",
            Text,
            "",
            Derived,
            "`cross_clock`: `trigger_delay_ms` is a difference of two hosts' clocks, good to a millisecond at best; null without one",
        ),
        column(
            "client_ms",
            Float,
            "ms",
            Runner,
            "runner's monotonic clock, from just before sending to the answer; null with `trigger = s3`, where nobody waits for one",
        ),
        column(
            "duration_ms",
            Float,
            "ms",
            Platform,
            "REPORT Duration, without init; null when no REPORT came; `faas.invoke_duration` (theirs is in s)",
        ),
        column("billed_ms", Integer, "ms", Platform, "REPORT Billed Duration, as printed"),
        column(
            "init_ms",
            Float,
            "ms",
            Platform,
            "REPORT Init Duration, null when warm; `faas.init_duration` (theirs is in s)",
        ),
        column(
            "cold_total_ms",
            Float,
            "ms",
            Derived,
            "`init_ms + duration_ms`, the headline of a cold start; null when warm",
        ),
        column("max_memory_mb", Integer, "MB", Platform, "REPORT Max Memory Used; `faas.mem_usage`"),
        column(
            "cold",
            Bool,
            "",
            Derived,
            "`init_ms` is present; null when no REPORT came, for it is never inferred from latency; `faas.coldstart`",
        ),
        column("environment_id", Text, "", Platform, "log stream, one per environment; `faas.instance`"),
        ENVIRONMENT_ROUND,
        column(
            "cpu_model",
            Text,
            "",
            Inside,
            "processor as the handler's environment names it (arm64 kernels give numbers of maker and part only); without a profile that of this machine when the target is local; `host.cpu.model.name`",
        ),
        column(
            "handler_ms",
            Float,
            "ms",
            Inside,
            "from entering the handler to leaving it, monotonic clock; explains `duration_ms`, never replaces it",
        ),
        column(
            "s3_ms",
            Float,
            "ms",
            Inside,
            "time in which at least one S3 call or the reading of its body was under way (Python: through botocore); null when not all of it was watched",
        ),
        column("compute_ms", Float, "ms", Derived, "`handler_ms - s3_ms`: the handler's time without S3"),
        column("s3_calls", Integer, "", Inside, "S3 calls that the handler made, retries within one not counted"),
        column("cpu_user_ms", Float, "ms", Inside, "CPU time of the process and its finished children, user mode"),
        column("cpu_system_ms", Float, "ms", Inside, "the same in the kernel"),
        column("context_switches_voluntary", Integer, "", Inside, "times the process waited for something"),
        column("context_switches_involuntary", Integer, "", Inside, "times the kernel took the processor from it"),
        column("page_faults_minor", Integer, "", Inside, "page faults without I/O"),
        column("page_faults_major", Integer, "", Inside, "page faults that waited for I/O"),
        column(
            "steal_ms",
            Float,
            "ms",
            Inside,
            "time that other guests took from the machine during the handler, over all its processors, in ticks of 10 ms",
        ),
        column("peak_rss_mb", Float, "MiB", Inside, "most memory that the process has held so far"),
        column("new_container", Bool, "", Inside, "the process's first invocation; `cold` is what the platform says"),
        column("container_id", Text, "", Inside, "drawn at random by the wrapper when the process started"),
        column("kernel", Text, "", Inside, "release of the kernel under the handler; `os.version`"),
        column("handler_started_ns", Integer, "ns", Inside, "since 1970, by the environment's clock"),
        column("handler_ended_ns", Integer, "ns", Inside, "since 1970, by the environment's clock"),
        column(
            "bytes_in",
            Integer,
            "bytes",
            Runner,
            "size of the object (or of the image in the payload) read; null where it was not seen",
        ),
        column(
            "bytes_out",
            Integer,
            "bytes",
            Runner,
            "size of the object (or of the image in the answer) written; null where it was not seen",
        ),
        column("request_id", Text, "", Platform, "`faas.invocation_id`; null when the call was refused"),
        column("function", Text, "", Runner, "name of the function called; `faas.name`"),
        column(
            "status",
            Text,
            "",
            Derived,
            "`ok`, `function_error`, `timeout`, `throttled` (429) or `call_error` (no answer)",
        ),
        column("error_type", Text, "", Platform, "null when ok; `error.type`"),
        column("error", Text, "", Platform, "message; null when ok"),
        column(
            "handler_reported_ms",
            Float,
            "ms",
            Platform,
            "what the handler says of itself; never used as a duration",
        ),
        column(
            "counts_as",
            Text,
            "",
            Derived,
            "`sample`, or why not, the first that applies: `superseded` (cell measured anew), `warm_up`, `wrong_start`, `superseded` (another attempt came after, or the pass was cut off), `failed`, `no_report`",
        ),
        column(
            "outlier",
            Bool,
            "",
            Derived,
            "the row's time (`cold_total_ms` when cold, else `duration_ms`) is beyond 3 IQR of the quartiles of its sample; a flag, nothing is removed; null outside the sample",
        ),
        column(
            "cost_usd",
            Float,
            "USD",
            Derived,
            "compute + init + request + ephemeral at the price table's rates, without S3 requests; null without REPORT",
        ),
        column("cost_init_usd", Float, "USD", Derived, "the part of it that pays for init"),
        TARGET,
        column("isolation", Text, "", Platform, "how the target isolates handlers"),
        column("code_sha256", Text, "", Platform, "CodeSha256 as Lambda reports it: base64 of the zip's sha256"),
    ],
};

pub const PIPELINES: Table = Table {
    name: "pipelines",
    row: "one image through the whole pipeline once (with `input = reference`, through every stage independently)",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        IMAGE,
        TRIGGER,
        INPUT,
        START,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        DEPLOYMENT,
        WARM_UP,
        REPETITION,
        ATTEMPT,
        ENVIRONMENT_ROUND,
        column("started_at", Time, "", Runner, "just before the first call or the source PUT"),
        column(
            "turnaround_s",
            Float,
            "s",
            Runner,
            "runner's monotonic clock, from just before the first call (or the source PUT) to the final object first seen; null when the pipeline broke or its stages ran independently",
        ),
        column(
            "resolution_ms",
            Float,
            "ms",
            Runner,
            "how late `turnaround_s` can be at most: the poll interval, 0 for direct calls",
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
            "`turnaround_s` - `upload_ms` - `trigger_delays_ms` - `running_ms`: from the last END to the poll that saw the object (at most `resolution_ms`; negative when the object was there before END), what lies between START, END and the reported duration, clocks' differences and roundings to 1 ms; cold: less the inits that hops hold too",
        ),
        column("complete", Bool, "", Runner, "every stage ended well"),
        column("failed_stage", Text, "", Runner, "first stage that did not end well; null when complete"),
        column(
            "again",
            Text,
            "",
            Runner,
            "why the repetition was done again: `wrong_start`, `throttled` or `unanswered`; null when it was not",
        ),
        column("bytes_in", Integer, "bytes", Runner, "size of the source image; null where it was not seen"),
        column("bytes_out", Integer, "bytes", Runner, "size of the last stage's output; null where it was not seen"),
        column(
            "counts_as",
            Text,
            "",
            Derived,
            "as in `invocations`, of the pass as a whole: one stage of the wrong start or without REPORT is enough; `failed`: not complete",
        ),
        column(
            "outlier",
            Bool,
            "",
            Derived,
            "`turnaround_s` is beyond 3 IQR of the quartiles of its sample; null outside the sample",
        ),
        column(
            "cost_usd",
            Float,
            "USD",
            Derived,
            "hosting cost of the pass: the four parts below; null unless every stage has one",
        ),
        column("cost_compute_usd", Float, "USD", Derived, "handler time"),
        column("cost_init_usd", Float, "USD", Derived, "cold starts"),
        column("cost_request_usd", Float, "USD", Derived, "invocations, retries included"),
        column("cost_ephemeral_usd", Float, "USD", Derived, "`/tmp` over 512 MB"),
        column(
            "cost_s3_usd",
            Float,
            "USD",
            Derived,
            "S3 requests of the contract (one GET and one PUT a stage; with payload transport one PUT in all), not part of `cost_usd`",
        ),
        TARGET,
    ],
};

pub const OUTPUTS: Table = Table {
    name: "outputs",
    row: "one check of one stage's output for one image in one cell",
    columns: &[
        RUN_ID,
        CELL_ID,
        VARIANT,
        ARCHITECTURE,
        MEMORY_MB,
        IMAGE_SET,
        IMAGE,
        TRIGGER,
        INPUT,
        START,
        CONCURRENCY,
        MODEL,
        SAMPLE,
        DEPLOYMENT,
        STAGE,
        STAGE_INDEX,
        WARM_UP,
        REPETITION,
        ATTEMPT,
        column("pass", Bool, "", Contract, "the output is what the contract asks for"),
        column(
            "reason",
            Text,
            "",
            Contract,
            "first failed check: missing, not decodable, wrong format, wrong mode, wrong size, blank, wrong orientation, out of tolerance; null when it passed",
        ),
        column("detail", Text, "", Contract, "the failure in words; null when it passed"),
        column("format", Text, "", Contract, "format found"),
        column("mode", Text, "", Contract, "channels and bit depth found"),
        column("width", Integer, "px", Contract, "found"),
        column("height", Integer, "px", Contract, "found"),
        column(
            "mse",
            Float,
            "levels^2",
            Contract,
            "mean squared error against the reference fed the same input; 0 when equal",
        ),
        column("psnr_db", Float, "dB", Contract, "peak signal to noise ratio; null also when the images are equal"),
        column("ssim", Float, "", Contract, "structural similarity, reported and not gating"),
        column("max_abs", Float, "levels", Contract, "largest absolute difference"),
        column("mean_out", Float, "levels", Contract, "mean of the output"),
        column("mean_reference", Float, "levels", Contract, "mean of the reference"),
        column("levels", Integer, "", Contract, "distinct levels of the output"),
        column("orientation", Text, "", Contract, "which of the 8 orientations was found"),
        column("input_sha256", Text, "", Contract, "of the stage's input object, hex"),
        column("output_sha256", Text, "", Contract, "of the output object, hex; null when there was none"),
        column(
            "picture",
            Text,
            "",
            Contract,
            "PNG in the run's folder: expected, got and amplified difference side by side; kept for the first wrong output of a stage in a cell",
        ),
        column(
            "counts",
            Bool,
            "",
            Derived,
            "decides `outputs_ok`: of a last attempt (warm-ups too) and not measured anew since",
        ),
        TARGET,
    ],
};

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
            "unanswered",
            Float,
            "metric's",
            Derived,
            "what calls that got no answer may add at most to what the metrics counted: nobody else knows whether they ran",
        ),
        column(
            "agrees",
            Bool,
            "",
            Derived,
            "the metrics counted what was recorded, within the tolerance, and no more than `unanswered` beyond it; false: something was missed, came later than was waited for (`reported` is the smaller), or something else called the function",
        ),
        NOTE,
        TARGET,
    ],
};

pub const SUMMARY: Table = Table {
    name: "summary",
    row: "one metric of one stage (or the whole pipeline) in one cell",
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
        column("stage", Text, "", Plan, "stage, or `pipeline`"),
        column("stage_index", Integer, "", Plan, "its place, from 0; null for `pipeline`"),
        column(
            "metric",
            Text,
            "",
            Derived,
            "a column of `invocations` or `pipelines`, or `cost_usd_per_100k` = 100,000 x `cost_usd`; its unit ends its name and is that of mean, sd, min .. max, iqr, mad",
        ),
        column(
            "n",
            Integer,
            "",
            Derived,
            "size of the sample; n and the n_ columns up to `n_missing` add up to all rows of the group",
        ),
        column("n_failed", Integer, "", Derived, "rows that failed for good: the sample is of the survivors"),
        column("n_wrong_start", Integer, "", Derived, "rows that were not the start kind the cell asked for"),
        column("n_warm_up", Integer, "", Derived, "warm-up rows"),
        column("n_superseded", Integer, "", Derived, "rows measured anew, done again or cut off"),
        column(
            "n_missing",
            Integer,
            "",
            Derived,
            "rows that would count but have no value: no REPORT line, or not a finite number",
        ),
        column(
            "n_outliers",
            Integer,
            "",
            Derived,
            "of the n: beyond 3 IQR of the quartiles; all statistics include them",
        ),
        column("mean", Float, "metric's", Derived, "arithmetic mean"),
        column("sd", Float, "metric's", Derived, "standard deviation, n - 1; null for n < 2"),
        column("cv", Float, "fraction", Derived, "sd / mean; null unless the mean is positive"),
        column("min", Float, "metric's", Derived, ""),
        column("p50", Float, "metric's", Derived, "median; quantiles are type 7 (linear), as numpy's"),
        column("p90", Float, "metric's", Derived, ""),
        column("p95", Float, "metric's", Derived, "null for n < 20, where it is nearly the maximum"),
        column("p99", Float, "metric's", Derived, "null for n < 100"),
        column("max", Float, "metric's", Derived, ""),
        column("mean_ci_low", Float, "metric's", Derived, "95% interval of the mean; null for n < 2"),
        column("mean_ci_high", Float, "metric's", Derived, ""),
        column("sd_ci_low", Float, "metric's", Derived, "95% interval of sd"),
        column("sd_ci_high", Float, "metric's", Derived, ""),
        column("cv_ci_low", Float, "fraction", Derived, "95% interval of cv"),
        column("cv_ci_high", Float, "fraction", Derived, ""),
        column(
            "p50_ci_low",
            Float,
            "metric's",
            Derived,
            "95% interval of the median, from order statistics; a side is null where none bounds it",
        ),
        column("p50_ci_high", Float, "metric's", Derived, ""),
        column("p90_ci_low", Float, "metric's", Derived, "95% interval of p90"),
        column("p90_ci_high", Float, "metric's", Derived, ""),
        column("p95_ci_low", Float, "metric's", Derived, "95% interval of p95"),
        column("p95_ci_high", Float, "metric's", Derived, ""),
        column("p99_ci_low", Float, "metric's", Derived, "95% interval of p99"),
        column("p99_ci_high", Float, "metric's", Derived, ""),
        column(
            "ci_method",
            Text,
            "",
            Derived,
            "of the mean's interval, and of sd's and cv's where they differ: `bca` (bootstrap, 10,000 resamples, seeded from run seed, cell, stage and metric), `abc` (its analytic approximation, n > 1,000), `block` (autocorrelated: moving blocks), `block_normal` (its closed form, n > 1,000), `percentile` (no bias or acceleration), `degenerate` (all values equal)",
        ),
        column("r1", Float, "", Derived, "lag-1 autocorrelation in the order of execution"),
        column("trend_tau", Float, "", Derived, "Kendall's tau of the value with the order of execution"),
        column(
            "trend_p_adj",
            Float,
            "",
            Derived,
            "its p, Holm-adjusted within the metric over the run; below 0.01 the note says so",
        ),
        column(
            "halves_ratio",
            Float,
            "",
            Derived,
            "median of the second half of the sample / of the first, in the order of execution",
        ),
        column(
            "variance_image",
            Float,
            "fraction",
            Derived,
            "share of the variance of the logarithm that is between images (omega squared); the four shares add up to 1",
        ),
        column(
            "variance_deployment",
            Float,
            "fraction",
            Derived,
            "between deployments of the same code; null with one deployment, which can't tell",
        ),
        column(
            "variance_environment",
            Float,
            "fraction",
            Derived,
            "between environments of a deployment; null where they are not known or there is one each",
        ),
        column("variance_repetition", Float, "fraction", Derived, "the rest: repetition itself"),
        column("iqr", Float, "metric's", Derived, "interquartile range"),
        column("mad", Float, "metric's", Derived, "median absolute deviation from the median, unscaled"),
        column(
            "resolution_share",
            Float,
            "fraction",
            Derived,
            "of `turnaround_s` with `trigger = s3`: mean `resolution_ms` / median turnaround, how late the mean can be at most; null otherwise",
        ),
        column("coarse", Bool, "", Derived, "`resolution_share` is above 0.02: polls were too far apart"),
        OUTPUTS_OK,
        REASON,
        RANK,
        NOTE,
        TARGET,
    ],
};

pub const COSTS: Table = Table {
    name: "costs",
    row: "one cell: what 100,000 images cost, by part, over its complete passes",
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
        column("n", Integer, "", Derived, "complete passes it is the mean of"),
        column(
            "cost_usd_per_100k",
            Float,
            "USD",
            Derived,
            "hosting cost of 100,000 images: the four parts below, image mix as in the set",
        ),
        column("cost_usd_per_100k_ci_low", Float, "USD", Derived, "95% interval of it, over passes; null for n < 2"),
        column("cost_usd_per_100k_ci_high", Float, "USD", Derived, ""),
        column("ci_method", Text, "", Derived, "as in `summary`"),
        column("compute_usd_per_100k", Float, "USD", Derived, "handler time"),
        column("init_usd_per_100k", Float, "USD", Derived, "cold starts"),
        column("request_usd_per_100k", Float, "USD", Derived, "invocations, retries included"),
        column("ephemeral_usd_per_100k", Float, "USD", Derived, "`/tmp` over 512 MB"),
        column(
            "s3_usd_per_100k",
            Float,
            "USD",
            Derived,
            "S3 requests (one GET and one PUT a stage): equal for every variant and not part of `cost_usd_per_100k`",
        ),
        column("price_region", Text, "", Plan, "region of the price table"),
        column("price_date", Text, "", Plan, "day the prices were written down, YYYY-MM-DD"),
        OUTPUTS_OK,
        REASON,
        RANK,
        NOTE,
        TARGET,
    ],
};

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

/// Returns `outputs/README.md`.
pub fn markdown() -> String {
    let mut page = String::from(PREFACE);
    for table in TABLES {
        let _ = write!(page, "\n## `{}.parquet`\n\nOne row is {}.\n\n", table.name, table.row);
        page.push_str("| column | type | unit | source | meaning |\n|---|---|---|---|---|\n");
        for c in table.columns {
            let doc = c.doc.replace('|', "\\|");
            let _ =
                writeln!(page, "| `{}` | {} | {} | {} | {doc} |", c.name, c.kind.as_str(), c.unit, c.source.as_str());
        }
    }
    page
}

const PREFACE: &str = include_str!("preface.md");

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_data_dictionary_in_outputs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../outputs/README.md");
        if std::env::var_os("DARKROOM_BLESS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == markdown(),
            "outputs/README.md is stale: run DARKROOM_BLESS=1 cargo nextest run -p darkroom-tables"
        );
    }

    #[test]
    fn a_column_is_named_once_in_its_table_and_ends_in_its_unit() {
        for table in TABLES {
            let mut seen = HashSet::new();
            for column in table.columns {
                assert!(seen.insert(column.name), "{}.{} twice", table.name, column.name);
                let suffix = match column.unit {
                    "ms" => "_ms",
                    "s" => "_s",
                    "MB" => "_mb",
                    "dB" => "_db",
                    "USD" => "_usd",
                    _ => "",
                };
                let named = column.name.ends_with(suffix) || column.name.contains(&format!("{suffix}_per_"));
                assert!(named, "{}.{} does not say {}", table.name, column.name, column.unit);
            }
        }
    }
}
