//! What `check` found, a line for each output. Pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use darkroom_core::event::Verdict;
use darkroom_core::shown::line as line_of;

use super::numbers::count;
use crate::checked::{CheckReport, Checked};

/// Renders a report, ending in a newline.
pub fn page(report: &CheckReport) -> String {
    let CheckReport {
        variant,
        pipeline,
        image_set,
        outputs,
        ..
    } = report;
    let mut text = format!("\n{variant} · {pipeline} · {image_set}\n");
    let emulated = match &report.emulated {
        Some(what) => {
            let _ = writeln!(text, "{what}: only right or wrong, no times");
            EMULATED
        }
        None => "",
    };
    let width = |of: fn(&Checked) -> usize| outputs.iter().map(of).max().unwrap_or(0);
    let (stages, images) = (width(|o| o.stage.len()), width(|o| named(o).len()));
    for output in outputs {
        let word = match (output.pass, output.judged) {
            (true, _) => "PASS ",
            (false, true) => "WRONG",
            (false, false) => "NOT JUDGED",
        };
        let said = said(output);
        let said = line_of(&said);
        let _ = writeln!(
            text,
            "{word}  {:stages$}  {:images$}  {said}{emulated}",
            output.stage,
            named(output)
        );
    }
    for stage in &report.without_handler {
        let _ = match report.missing.get(stage) {
            Some(outcome) => writeln!(text, "NOT THERE  {stage:stages$}  {outcome}"),
            None => writeln!(
                text,
                "WRONG  {stage:stages$}  functions/{variant}/variant.toml names no handler for it"
            ),
        };
    }
    for note in &report.notes {
        let _ = writeln!(text, "NOTE   {}", line_of(note));
    }
    text + &totals(report)
}

/// At the end of every line of code that did not run on its processor.
const EMULATED: &str = "  (emulated, not timed)";

fn named(output: &Checked) -> String {
    if output.repetition == 1 {
        output.image.clone()
    } else {
        format!("{} #{}", output.image, output.repetition)
    }
}

fn said(output: &Checked) -> String {
    let values = output.verdict.as_ref().map(measured).unwrap_or_default();
    match (&output.reason, &output.verdict) {
        (Some(reason), _) if values.is_empty() => reason.clone(),
        (Some(reason), _) => format!("{reason} [{values}]"),
        (None, Some(verdict)) if verdict.pass => values,
        (None, _) => {
            let kind = output
                .error_type
                .as_deref()
                .unwrap_or(output.status.as_str());
            let so = if output.expected == "error" {
                "as it must"
            } else {
                "as it may"
            };
            format!("ended in an error, {so}: {kind}")
        }
    }
}

fn measured(verdict: &Verdict) -> String {
    let mut values = Vec::new();
    match (verdict.psnr_db, verdict.mse) {
        (Some(psnr), _) => values.push(format!("PSNR {psnr:.1} dB")),
        (None, Some(_)) => values.push("equal".to_owned()),
        (None, None) => {}
    }
    values.extend(
        verdict
            .max_abs
            .filter(|max| *max > 0.0)
            .map(|max| format!("max {max}")),
    );
    values.extend(verdict.ssim.map(|ssim| format!("SSIM {ssim:.4}")));
    values.extend(verdict.quality.map(|quality| format!("quality {quality}")));
    if let (Some(mean), Some(reference)) = (verdict.mean_out, verdict.mean_reference) {
        values.push(format!("mean {mean:.1} of {reference:.1}"));
    }
    if let (Some(width), Some(height), Some(mode)) = (verdict.width, verdict.height, &verdict.mode)
    {
        values.push(format!("{width}x{height} {mode}"));
    }
    values.join(", ")
}

/// Stages of the report that were called.
fn stages_of(report: &CheckReport) -> usize {
    let stages = report.outputs.iter().map(|output| output.stage.as_str());
    stages.collect::<BTreeSet<_>>().len()
}

fn totals(report: &CheckReport) -> String {
    let wrong = report
        .outputs
        .iter()
        .filter(|output| !output.pass && output.judged)
        .count();
    let missing = report.missing.len();
    let wrong = wrong + report.without_handler.len() - missing;
    let unjudged = report
        .outputs
        .iter()
        .filter(|output| !output.judged)
        .count();
    let all = count(report.outputs.len() as u64, "output");
    let mut text = match (wrong, unjudged) {
        (0, 0) if report.outputs.is_empty() => String::new(),
        (0, 0) if report.emulated.is_some() => {
            format!("{}: {all}, all right{EMULATED}\n", report.variant)
        }
        (0, 0) => format!("{}: {all}, all right\n", report.variant),
        (wrong, 0) => format!("{}: {wrong} WRONG of {all}\n", report.variant),
        (wrong, unjudged) => {
            let why = "this code uses names that exist only in its own study, so it was not judged";
            format!(
                "{}: {wrong} WRONG and {unjudged} NOT JUDGED of {all}: {why}\n",
                report.variant
            )
        }
    };
    if missing > 0 {
        let stages = count((missing + stages_of(report)) as u64, "stage");
        let _ = writeln!(
            text,
            "{}: {missing} of {stages} NOT THERE: its model gave no code for them, so the pipeline is not right",
            report.variant
        );
    }
    if !report.not_checked.is_empty() {
        text += "not checked, although the prompts ask for it:\n";
        text.extend(
            report
                .not_checked
                .iter()
                .map(|demand| format!("  {demand}\n")),
        );
    }
    if let Some(folder) = &report.pictures {
        let _ = writeln!(
            text,
            "pictures (expected | got | difference, amplified): {}/",
            folder.display()
        );
    }
    text
}
