//! The columns of `code`.

use super::Kind::{Integer, Text};
use super::Source::{Derived, Plan, Runner};
use super::{MODEL, NOTE, PROMPT, RUN_ID, SAMPLE, Table, VARIANT, column};

pub const CODE: Table = Table {
    name: "code",
    row: "the source code of one stage of one variant: the handler's file and what it imports \
        from its variant; or the fact that its model gave none",
    columns: &[
        RUN_ID,
        VARIANT,
        MODEL,
        SAMPLE,
        PROMPT,
        column(
            "stage",
            Text,
            "",
            Plan,
            "stage of the pipeline; null if one program serves every stage (Cargo projects)",
        ),
        column("language", Text, "", Runner, "`python` or `rust`"),
        column(
            "files",
            Text,
            "",
            Runner,
            "files that were examined, the handler's first, separated by spaces",
        ),
        column("lines_total", Integer, "", Runner, "lines of these files"),
        column(
            "lines_code",
            Integer,
            "",
            Runner,
            "lines that are neither blank nor comment; null if a file is not valid Python",
        ),
        column("lines_blank", Integer, "", Runner, "blank lines"),
        column(
            "lines_comment",
            Integer,
            "",
            Runner,
            "lines with only a comment, and Python's docstrings",
        ),
        column(
            "imports",
            Text,
            "",
            Runner,
            "imported top-level packages, without the variant's own modules, sorted, separated \
             by spaces",
        ),
        column("import_count", Integer, "", Derived, "number of `imports`"),
        column(
            "functions",
            Integer,
            "",
            Runner,
            "functions and methods; null for Rust",
        ),
        column(
            "complexity_max",
            Integer,
            "",
            Runner,
            "cyclomatic complexity (McCabe; ruff's C901) of the most complex function; null for Rust",
        ),
        column(
            "complexity_sum",
            Integer,
            "",
            Runner,
            "the sum over all functions",
        ),
        column(
            "lint_count",
            Integer,
            "",
            Derived,
            "lints found, also those that `noqa` comments silence; null if none were searched for",
        ),
        column(
            "lints",
            Text,
            "",
            Runner,
            "each lint with its count, `F401:2 S108:1`; empty if there are none",
        ),
        column(
            "lint_tool",
            Text,
            "",
            Runner,
            "the linter, its version and rules",
        ),
        column(
            "missing",
            Text,
            "",
            Plan,
            "the outcome of a stage that the model gave no usable code for (`cut_off`, `no_code` and so on); null where there is code; `note` has the detail",
        ),
        NOTE,
    ],
};
