//! Examined source code → the rows of `code`.

use darkroom_core::event::CodeExamined;
use polars::prelude::{DataFrame, PolarsResult};

use crate::columns;
use crate::facts::JournalFacts;
use crate::frames::{frame, integers, texts};
use crate::overview;

/// Returns the frame of `code`: what was looked at in its order, then the stages that models gave no
/// code for, in the plan's.
pub fn code_frame(facts: &JournalFacts) -> PolarsResult<DataFrame> {
    let missing = overview::missing(facts);
    let mut rows = facts.code.clone();
    rows.extend(missing.iter().map(|gap| CodeExamined {
        variant: gap.variant.clone(),
        stage: Some(gap.stage.clone()),
        language: "python".to_owned(),
        note: Some(format!("not there: {}", gap.outcome)),
        ..CodeExamined::default()
    }));
    let looked_at = facts.code.len();
    let rows = &rows;
    let text = |of: fn(&CodeExamined) -> Option<String>| rows.iter().map(of);
    let count = |of: fn(&CodeExamined) -> Option<u64>| {
        rows.iter().map(move |row| of(row).map(|n| n as i64))
    };
    let planned = |row: &CodeExamined| {
        facts
            .run
            .cells
            .iter()
            .find(|cell| cell.cell.variant == row.variant)
    };
    let columns = vec![
        texts("run_id", rows.iter().map(|_| Some(&facts.run.run_id))),
        texts("variant", text(|row| Some(row.variant.clone()))),
        texts("model", rows.iter().map(|row| planned(row)?.model.clone())),
        integers(
            "sample",
            rows.iter().map(|row| planned(row)?.sample.map(i64::from)),
        ),
        texts(
            "prompt",
            rows.iter()
                .map(|row| planned(row)?.prompt_name().map(str::to_owned)),
        ),
        texts("stage", text(|row| row.stage.clone())),
        texts("language", text(|row| Some(row.language.clone()))),
        texts("files", text(|row| Some(row.files.join(" ")))),
        integers("lines_total", count(|row| row.lines_total)),
        integers("lines_code", count(|row| row.lines_code)),
        integers("lines_blank", count(|row| row.lines_blank)),
        integers("lines_comment", count(|row| row.lines_comment)),
        texts(
            "imports",
            text(|row| row.imports.as_ref().map(|names| names.join(" "))),
        ),
        integers(
            "import_count",
            count(|row| row.imports.as_ref().map(|names| names.len() as u64)),
        ),
        integers("functions", count(|row| row.functions.map(u64::from))),
        integers(
            "complexity_max",
            count(|row| row.complexity_max.map(u64::from)),
        ),
        integers(
            "complexity_sum",
            count(|row| row.complexity_sum.map(u64::from)),
        ),
        integers(
            "lint_count",
            count(|row| {
                row.lints
                    .as_ref()
                    .map(|lints| lints.values().copied().map(u64::from).sum())
            }),
        ),
        texts("lints", text(|row| row.lints.as_ref().map(spelt))),
        texts("lint_tool", text(|row| row.lint_tool.clone())),
        texts(
            "missing",
            (0..rows.len()).map(|row| {
                let gap = missing.get(row.checked_sub(looked_at)?)?;
                Some(gap.outcome.kind.as_str())
            }),
        ),
        texts("note", text(|row| row.note.clone())),
    ];
    frame(&columns::CODE, columns)
}

fn spelt(lints: &std::collections::BTreeMap<String, u32>) -> String {
    lints
        .iter()
        .map(|(code, count)| format!("{code}:{count}"))
        .collect::<Vec<_>>()
        .join(" ")
}
