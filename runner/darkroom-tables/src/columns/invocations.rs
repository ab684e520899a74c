//! The columns of `invocations`.

use super::Kind::{Bool, Float, Integer, Text, Time};
use super::Source::{Derived, Inside, Platform, Runner};
use super::{
    ARCHITECTURE, ATTEMPT, CELL_ID, CONCURRENCY, DEPLOYMENT, ENVIRONMENT_ROUND, IMAGE, IMAGE_SET,
    INPUT, MEMORY_MB, MODEL, PROMPT, REPETITION, RUN_ID, RUNTIME, SAMPLE, SNAPSTART, STAGE,
    STAGE_INDEX, START, TARGET, TRIGGER, Table, VARIANT, WARM_UP, column,
};

pub const INVOCATIONS: Table = Table {
    name: "invocations",
    row: "one invocation of one stage function, however it ended",
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
        STAGE,
        STAGE_INDEX,
        WARM_UP,
        REPETITION,
        ATTEMPT,
        column(
            "sequence",
            Integer,
            "",
            Runner,
            "position in the order of execution of the run, from 0",
        ),
        column(
            "scheduled_at",
            Time,
            "",
            Runner,
            "when the schedule released it",
        ),
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
            "with `trigger = s3`: from the END of the stage before (for the first stage: from \
             the end of the upload, by the runner's clock) to this START; includes an init that \
             this hop caused; may be negative, because clocks differ and a handler continues \
             after its PUT, and is never clamped",
        ),
        column(
            "trigger_delay_clock",
            Text,
            "",
            Derived,
            "`cross_clock`: `trigger_delay_ms` is a difference between two hosts' clocks, \
             precise to a millisecond at best; null without one",
        ),
        column(
            "client_ms",
            Float,
            "ms",
            Runner,
            "runner's monotonic clock, from just before sending to the answer; null with \
             `trigger = s3`, because nobody waits for an answer",
        ),
        column(
            "duration_ms",
            Float,
            "ms",
            Platform,
            "REPORT Duration, without init; null if no REPORT came; `faas.invoke_duration` \
             (theirs is in s)",
        ),
        column(
            "billed_ms",
            Integer,
            "ms",
            Platform,
            "REPORT Billed Duration, as printed",
        ),
        column(
            "init_ms",
            Float,
            "ms",
            Platform,
            "REPORT Init Duration, null when warm; `faas.init_duration` (theirs is in s). If the first \
             initialisation failed or took over 10 s: `INIT_REPORT` Init Duration, the time until \
             the platform gave it up; `duration_ms` then includes the second one",
        ),
        column(
            "restore_ms",
            Float,
            "ms",
            Platform,
            "REPORT Restore Duration: to read a snapshot back and load the runtime; null unless the \
             environment was restored",
        ),
        column(
            "billed_restore_ms",
            Integer,
            "ms",
            Platform,
            "REPORT Billed Restore Duration: what of it is charged for, part of `billed_ms`",
        ),
        column(
            "cold_total_ms",
            Float,
            "ms",
            Derived,
            "`init_ms + duration_ms`, the headline of a cold start, or `restore_ms + duration_ms`, \
             that of a restored one; null when warm",
        ),
        column(
            "max_memory_mb",
            Integer,
            "MB",
            Platform,
            "REPORT Max Memory Used; `faas.mem_usage`",
        ),
        column(
            "cold",
            Bool,
            "",
            Derived,
            "`init_ms` or `restore_ms` is present: the environment is new; null if no REPORT came, because it is never inferred from \
             latency; `faas.coldstart`",
        ),
        column(
            "init_to_start_ms",
            Float,
            "ms",
            Platform,
            "from INIT_START, or RESTORE_START, to START in the function's log, of an environment's first invocation; \
             null if it is a later one, the log was not read for it or lacks a line, or the first \
             initialisation failed",
        ),
        column(
            "init_gap_ms",
            Float,
            "ms",
            Derived,
            "`init_to_start_ms - init_ms`, or `- restore_ms`: how long the environment stood ready before the call; \
             a few ms for a cold start; null without either",
        ),
        column(
            "start_kind",
            Text,
            "",
            Derived,
            "`cold`, `warm`, `restored` (its environment came from a snapshot), or `proactive`: the \
             platform had made the environment ready before the call (`init_gap_ms` over 1,000, or without `init_ms` an `init_to_start_ms` over \
             10,000), so nobody waited for the init; null if no REPORT came",
        ),
        column(
            "environment_id",
            Text,
            "",
            Platform,
            "log stream, one per environment; `faas.instance`",
        ),
        ENVIRONMENT_ROUND,
        column(
            "cpu_model",
            Text,
            "",
            Inside,
            "processor as the handler's environment names it (arm64 kernels give only numbers of \
             maker and part); without a profile, that of this machine if the target is local; \
             `host.cpu.model.name`",
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
            "time during which at least one S3 call or the reading of its body was in progress \
             (Python: through botocore); null if not all of it was watched",
        ),
        column(
            "compute_ms",
            Float,
            "ms",
            Derived,
            "`handler_ms - s3_ms`: the handler's time without S3",
        ),
        column(
            "s3_calls",
            Integer,
            "",
            Inside,
            "S3 calls by the handler; a call with retries counts once",
        ),
        column(
            "cpu_user_ms",
            Float,
            "ms",
            Inside,
            "CPU time of the process and its finished children, user mode",
        ),
        column(
            "cpu_system_ms",
            Float,
            "ms",
            Inside,
            "the same in the kernel",
        ),
        column(
            "context_switches_voluntary",
            Integer,
            "",
            Inside,
            "times the process waited for something",
        ),
        column(
            "context_switches_involuntary",
            Integer,
            "",
            Inside,
            "times the kernel took the processor from it",
        ),
        column(
            "page_faults_minor",
            Integer,
            "",
            Inside,
            "page faults without I/O",
        ),
        column(
            "page_faults_major",
            Integer,
            "",
            Inside,
            "page faults that waited for I/O",
        ),
        column(
            "steal_ms",
            Float,
            "ms",
            Inside,
            "time that other guests took from the machine during the handler, over all its processors, in ticks of 10 ms",
        ),
        column(
            "peak_rss_mb",
            Float,
            "MiB",
            Inside,
            "most memory that the process has used so far",
        ),
        column(
            "new_container",
            Bool,
            "",
            Inside,
            "the process's first invocation; `cold` is what the platform says",
        ),
        column(
            "container_id",
            Text,
            "",
            Inside,
            "drawn at random by the wrapper when the process started",
        ),
        column(
            "kernel",
            Text,
            "",
            Inside,
            "release of the kernel under the handler; `os.version`",
        ),
        column(
            "handler_started_ns",
            Integer,
            "ns",
            Inside,
            "since 1970, by the environment's clock",
        ),
        column(
            "handler_ended_ns",
            Integer,
            "ns",
            Inside,
            "since 1970, by the environment's clock",
        ),
        column(
            "bytes_in",
            Integer,
            "bytes",
            Runner,
            "size of the object (or of the image in the payload) that was read; null if it was \
             not seen",
        ),
        column(
            "bytes_out",
            Integer,
            "bytes",
            Runner,
            "size of the object (or of the image in the answer) that was written; null if it was \
             not seen",
        ),
        column(
            "request_id",
            Text,
            "",
            Platform,
            "`faas.invocation_id`; null when the call was refused",
        ),
        column(
            "function",
            Text,
            "",
            Runner,
            "name of the function called; `faas.name`",
        ),
        column(
            "status",
            Text,
            "",
            Derived,
            "`ok`, `function_error`, `timeout`, `throttled` (429) or `call_error` (no answer)",
        ),
        column(
            "error_type",
            Text,
            "",
            Platform,
            "null when ok; `error.type`; `RecursiveLoop`: one upload started the stage over and over",
        ),
        column("error", Text, "", Platform, "message; null when ok"),
        column(
            "error_at",
            Text,
            "",
            Platform,
            "the last place of the traceback in the handler's own code, `resize.py:14`; null without one, and with `trigger = s3`",
        ),
        column(
            "handler_reported_ms",
            Float,
            "ms",
            Platform,
            "time that the handler reports of itself; never used as a duration",
        ),
        column(
            "counts_as",
            Text,
            "",
            Derived,
            "`sample`, or why not, the first that applies: `superseded` (cell measured again), \
             `warm_up`, `wrong_start`, `proactive`, `superseded` (another attempt came after, or the pass was \
             cut off), `failed`, `superseded` (its pass is repeated), `no_report`, `probe` (own \
             pixels, uncounted)",
        ),
        column(
            "outlier",
            Bool,
            "",
            Derived,
            "the row's time (`cold_total_ms` when cold, else `duration_ms`) is beyond 3 IQR of \
             the quartiles of its sample; only a flag, nothing is removed; null outside of the \
             sample",
        ),
        column(
            "cost_usd",
            Float,
            "USD",
            Derived,
            "compute + init + request + ephemeral + restore at the price table's rates, without S3 requests; null without REPORT",
        ),
        column(
            "cost_init_usd",
            Float,
            "USD",
            Derived,
            "the part of it that pays for init, or for the billed time of a restore",
        ),
        column(
            "cost_restore_usd",
            Float,
            "USD",
            Derived,
            "the part of it that pays for restoring a snapshot; keeping it comes on top",
        ),
        TARGET,
        column(
            "isolation",
            Text,
            "",
            Platform,
            "how the target isolates handlers",
        ),
        column(
            "code_sha256",
            Text,
            "",
            Platform,
            "CodeSha256 as Lambda reports it: base64 of the zip's sha256",
        ),
    ],
};
