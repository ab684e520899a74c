//! The columns of `code`.

use super::Kind::{Integer, Text};
use super::Source::{Derived, Plan, Runner};
use super::{MODEL, NOTE, RUN_ID, SAMPLE, Table, VARIANT, column};

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
        column(
            "lines_comment",
            Integer,
            "",
            Runner,
            "lines with nothing but a comment, and Python's docstrings",
        ),
        column(
            "imports",
            Text,
            "",
            Runner,
            "top-level packages that are imported, the variant's own modules not among them, sorted, with spaces between",
        ),
        column(
            "import_count",
            Integer,
            "",
            Derived,
            "how many `imports` names",
        ),
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
            "the same, of all functions together",
        ),
        column(
            "lint_count",
            Integer,
            "",
            Derived,
            "lints found, `noqa` comments notwithstanding; null where none were looked for",
        ),
        column(
            "lints",
            Text,
            "",
            Runner,
            "each lint with its count, `F401:2 S108:1`; empty where there are none",
        ),
        column(
            "lint_tool",
            Text,
            "",
            Runner,
            "the linter, its version and rules",
        ),
        NOTE,
    ],
};
