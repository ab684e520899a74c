//! The end of a run on the terminal: what was measured, what failed, where the files are.
//!
//! [`Summary`] → text. Pure but for the width, which comes in.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comfy_table::{
    Cell as TableCell, CellAlignment, Color, ContentArrangement, LineStyle, Table, TableStyle,
};
use darkroom_core::capability::isolation_in_words;
use darkroom_core::cell::Factors;
use darkroom_core::imported::IMPORTED;
use darkroom_core::schedule::FEWEST_PASSES;
use darkroom_core::shown::line as line_of;
use darkroom_core::snapshots::Snapshots;
use darkroom_tables::{
    CellSummary, Correctness, Difference, MissingStage, ReconciliationSummary, Remembered, Spent,
    StageSummary, Statistic, Summary, author_name, rates_in_words,
};

/// Rules above, under the header and below; stages are distinguished by their name, which is
/// written once.
pub const RULED: TableStyle = {
    let rule = LineStyle::none().fill('─').junction('─');
    TableStyle::new()
        .top_border(rule)
        .header_separator(rule)
        .bottom_border(rule)
};

/// Stage name of what is said of a whole pipeline.
const PIPELINE: &str = "pipeline";

/// How the text is to be drawn.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub colours: bool,
    /// Columns available.
    pub width: u16,
}

/// Renders a run's summary, ending in a newline. `claims` are the report's sentences on who is
/// faster and cheaper.
pub fn summary(summary: &Summary, claims: &[String], look: Look) -> String {
    let runnable = summary
        .cells
        .iter()
        .filter(|cell| cell.not_runnable.is_none());
    let factors = Factors::of(runnable.map(|cell| &cell.cell));
    let mut text = format!("\n{}\n", heading(summary, &factors));
    text += &correct(summary);
    text += &rates_compared(summary);
    let measured: Vec<&CellSummary> = summary
        .cells
        .iter()
        .filter(|cell| cell.not_runnable.is_none())
        .collect();
    if !measured.is_empty() && is_nothing_measured(&measured) {
        // A table of dashes says less.
        text += "No repetition was completed, so there are no numbers to show.\n";
        text += &sessions(summary);
    } else if !measured.is_empty() {
        let _ = writeln!(text, "{}", statistics(summary, &measured, &factors, look));
        let _ = writeln!(text, "{}", footnote(summary));
        text += &sessions(summary);
        text += &stopped(summary);
        text += &uncounted(&measured);
        text += &remembering(summary, &measured);
        text += &poor(&measured);
        text += &trigger_delays(&measured);
        text += &coarse(&measured);
        text += &late(summary);
    }
    text += &reconciled(&summary.reconciliation);
    text += &missing(summary);
    text += &wrong(summary);
    text += &refused_calls_lines(summary);
    text += &failures(summary);
    text += &not_runnable(summary);
    if !claims.is_empty() && !is_nothing_measured(&measured) {
        let _ = writeln!(text, "\n{}", claims.join("\n"));
    }
    text += &money(summary);
    text += &files(summary);
    text
}

/// Whether no cell has a value, and none failed: then nothing was measured, for better or worse.
fn is_nothing_measured(cells: &[&CellSummary]) -> bool {
    let stages = cells.iter().flat_map(|cell| &cell.stages);
    stages.into_iter().all(|of| {
        of.time_ms.n == 0 && of.n_failed == 0 && of.n_wrong_start == 0 && of.n_proactive == 0
    })
}

fn heading(summary: &Summary, factors: &Factors) -> String {
    let place = match summary.target.as_str() {
        "local" => format!(
            "on this machine (local cloud; {})",
            isolation_in_words(&summary.isolation)
        ),
        "aws" => format!("on AWS in {}", summary.region),
        IMPORTED => summary.isolation.clone(),
        _ => format!(
            "on {} (not AWS)",
            summary.endpoint.as_deref().unwrap_or(&summary.target)
        ),
    };
    let shared = if factors.shared.is_empty() {
        String::new()
    } else {
        format!(" · {}", factors.shared.join(", "))
    };
    format!("{} · {place}{shared}", summary.experiment)
}

fn statistics(summary: &Summary, cells: &[&CellSummary], factors: &Factors, look: Look) -> Table {
    let mut table = Table::new();
    table
        .load_style(RULED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(look.width);
    if look.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_header([
        "stage",
        "cell",
        "n",
        "mean",
        "SD",
        "CV",
        "p50",
        "p95",
        "$/100k",
        "S3 $/100k",
        "",
    ]);
    for (index, stage) in summary.stages.iter().enumerate() {
        for (row, cell) in cells.iter().enumerate() {
            let Some(of) = cell.stages.get(index) else {
                continue;
            };
            let name = if row == 0 {
                format!("{stage} ms")
            } else {
                String::new()
            };
            let label = factors.label(&cell.cell);
            let remark = remark(summary, cell, Some(stage));
            table.add_row(line(
                [&name, &label],
                &of.time_ms,
                of.cost_usd_per_100k.mean,
                None,
                remark,
                look,
            ));
        }
    }
    for (row, cell) in cells.iter().enumerate() {
        let Some(turnaround) = &cell.turnaround_s else {
            continue;
        };
        let name = if row == 0 { "turnaround s" } else { "" };
        let label = factors.label(&cell.cell);
        let (cost, s3) = (
            cell.cost_usd_per_100k.mean,
            cell.s3_usd_per_100k.filter(|_| turnaround.n > 0),
        );
        table.add_row(line(
            [name, &label],
            turnaround,
            cost,
            s3,
            remark(summary, cell, None),
            look,
        ));
    }
    for column in 2..10 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// One row; `cost` and `s3` are USD per 100,000 images.
fn line(
    names: [&str; 2],
    of: &Statistic,
    cost: Option<f64>,
    s3: Option<f64>,
    remark: String,
    look: Look,
) -> Vec<TableCell> {
    let dollars = |usd: Option<f64>, without: &str| {
        usd.map_or_else(|| without.to_owned(), |usd| format!("{usd:.3}"))
    };
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), figure);
    let texts = [
        names[0].to_owned(),
        names[1].to_owned(),
        of.n.to_string(),
        number(of.mean),
        number(of.sd),
        of.cv
            .map_or_else(|| "–".to_owned(), |cv| format!("{:.1}%", cv * 100.0)),
        number(of.p50),
        number(of.p95),
        dollars(cost, "–"),
        dollars(s3, ""),
    ];
    let wrong = remark.starts_with("WRONG") || remark.starts_with("NOT THERE");
    let mut cells: Vec<TableCell> = texts.into_iter().map(TableCell::new).collect();
    let remark = TableCell::new(remark);
    cells.push(if wrong && look.colours {
        remark.fg(Color::Red)
    } else {
        remark
    });
    cells
}

/// What is written beside a row so that nobody believes it too easily; `stage` is `None` for the
/// whole pipeline.
fn remark(summary: &Summary, cell: &CellSummary, stage: Option<&str>) -> String {
    let is_here = |of: &str| stage.is_none_or(|stage| stage == of);
    let wrong = summary
        .wrong_outputs
        .iter()
        .any(|wrong| wrong.cell_id == cell.cell_id && is_here(&wrong.stage));
    let failed: usize = cell
        .stages
        .iter()
        .filter(|of| is_here(&of.stage))
        .map(|of| of.n_failed)
        .sum();
    let unmet: usize = cell
        .stages
        .iter()
        .filter(|of| is_here(&of.stage))
        .map(|of| of.n_wrong_start)
        .sum();
    let ready: usize = cell
        .stages
        .iter()
        .filter(|of| is_here(&of.stage))
        .map(|of| of.n_proactive)
        .sum();
    let mut remarks = Vec::new();
    let is_missing = |of: &&MissingStage| of.variant == cell.cell.variant && is_here(&of.stage);
    if let Some(missing) = summary.missing.iter().find(is_missing) {
        remarks.push(format!("NOT THERE: {}", missing.outcome.kind.in_words()));
    }
    if wrong {
        remarks.push("WRONG".to_owned());
    }
    if failed > 0 {
        remarks.push(format!("{failed} failed"));
    }
    if unmet > 0 && stage.is_some() {
        remarks.push(format!("{unmet} with the wrong start"));
    }
    if ready > 0 && stage.is_some() {
        remarks.push(format!("{ready} initialised before the call"));
    }
    if cell.remembers.iter().any(|of| is_here(&of.stage)) {
        remarks.push("remembers".to_owned());
    }
    if cell.outputs_ok.is_none() && stage.is_none() {
        remarks.push("not checked".to_owned());
    }
    remarks.join(", ")
}

/// Three significant figures, three decimals below 1, and never an exponent.
fn figure(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

fn footnote(summary: &Summary) -> String {
    let durations = match summary.target.as_str() {
        "local" => "what AWS would charge for these local durations",
        "aws" => "AWS's price for these durations",
        IMPORTED => "AWS's price for the billed times in the imported rows",
        _ => "what AWS would charge for these durations (measured elsewhere, not in AWS)",
    };
    let cold = summary
        .cells
        .iter()
        .flat_map(|cell| &cell.stages)
        .any(|stage| stage.metric == "cold_total_ms");
    let restored = summary.cells.iter().any(|it| it.cell.snapstart.is_on());
    let cold = match (cold, restored) {
        (true, false) => "\nIn cold cells, a stage's time is init + duration.",
        (true, true) => {
            "\nIn cold cells, a stage's time is init + duration; with SnapStart, restore + duration."
        }
        (false, _) => "",
    };
    format!(
        "$/100k: {durations}, per 100,000 images: compute and requests at the {} prices\nof {}. \
         S3 $/100k: the S3 requests of a whole pass; add them. p95 is shown from n = 20 on.\nn = \
         images x repetitions x deployments. The images differ, so SD includes their \
         differences.{cold}",
        summary.price_region, summary.price_date,
    ) + &unconfirmed(summary)
}

/// Tells the run's sessions where one was cut short or measured cells again, and what that means
/// for differences.
fn sessions(summary: &Summary) -> String {
    let all = &summary.sessions;
    let mut text = String::new();
    if all.len() > 1 {
        for session in all {
            let _ = writeln!(
                text,
                "{}",
                session.in_words(session.number as usize == all.len())
            );
        }
    }
    let apart = summary
        .comparisons
        .iter()
        .filter(|row| row.side_by_side == Some(false));
    let pairs: BTreeSet<(&str, &str)> = apart
        .map(|row| (row.cell_a.as_str(), row.cell_b.as_str()))
        .collect();
    if !pairs.is_empty() {
        let _ = writeln!(
            text,
            "TIMES  {} of cells are compared that were measured at different times.\n       Part \
             of a difference may come from that (see side_by_side and note in \
             comparisons.parquet).",
            super::count(pairs.len() as u64, "pair")
        );
    }
    text
}

/// Counts the invocations that warmed environments up, those of probes, and those that others took
/// the place of: rows in no statistic.
fn uncounted(measured: &[&CellSummary]) -> String {
    let sum = |of: fn(&StageSummary) -> usize| {
        let all: usize = measured.iter().flat_map(|cell| &cell.stages).map(of).sum();
        (all > 0).then(|| super::count(all as u64, "invocation"))
    };
    let warm_ups = sum(|stage| stage.n_warm_up).map(|all| {
        format!(
            "not in the statistics: {all} of \
            warm-ups\n"
        )
    });
    let probes =
        sum(|stage| stage.n_probe).map(|all| format!("not in the statistics: {all} of probes\n"));
    let again = sum(|stage| stage.n_superseded);
    let again = again.map(|all| format!("not in the statistics: {all} that were measured again\n"));
    let ready = sum(|stage| stage.n_proactive).map(|all| {
        format!("not in the statistics: {all} whose environment the platform had initialised before the call\n")
    });
    let parts = warm_ups.into_iter().chain(probes).chain(again);
    parts.chain(ready).collect()
}

/// Says whose times are those of inputs that it has seen, and where nobody looked.
fn remembering(summary: &Summary, measured: &[&CellSummary]) -> String {
    let mut text = String::new();
    for cell in measured {
        let of = |Remembered {
                      stage,
                      fresh_ratio,
                      fresh_ratio_low,
                      image,
                  }: &Remembered| {
            let image = image.as_ref();
            format!(
                "{stage}{} {} times ({})",
                image
                    .map(|image| format!(" of {image}"))
                    .unwrap_or_default(),
                figure(*fresh_ratio),
                figure(*fresh_ratio_low)
            )
        };
        let stages: Vec<String> = cell.remembers.iter().map(of).collect();
        if !stages.is_empty() {
            let _ = writeln!(
                text,
                "\nREMEMBERS  {} is slower on new pixels: {} (in brackets: at least, 95%). It \
                 seems to reuse earlier results, so it is not ranked.",
                cell.cell_id,
                stages.join(", ")
            );
        }
    }
    let stages = || measured.iter().flat_map(|cell| &cell.stages);
    let unprobed =
        stages().all(|stage| stage.n_probe == 0) && stages().any(|stage| stage.time_ms.n > 0);
    if unprobed && !summary.vary_inputs && summary.target != IMPORTED {
        let _ = writeln!(
            text,
            "not checked: whether code remembers outputs (this needs 2 repetitions and \
             {FEWEST_PASSES} passes per cell)"
        );
    }
    text
}

/// Names the prices that may be wrong.
fn unconfirmed(summary: &Summary) -> String {
    summary
        .prices_unconfirmed
        .as_ref()
        .map(|keys| format!("\nUnconfirmed prices: {keys} (see experiments/prices)."))
        .unwrap_or_default()
}

/// Says what the lines that the platform logs cost beside.
fn logs(summary: &Summary) -> String {
    let Some(usd) = summary.logs_usd else {
        return format!(
            "Log lines come on top: their price in {} is unknown.",
            summary.price_region
        );
    };
    let dollars = super::plan::dollars(usd);
    let mark = if summary.logs_unconfirmed {
        ", at an unconfirmed price"
    } else {
        ""
    };
    format!("Log lines come on top: about {dollars}{mark}, without what handlers print.")
}

/// Says what of it all is for snapshots, which cost more for as long as they are kept.
fn snapshots(summary: &Summary) -> String {
    let Snapshots {
        taken, restores, ..
    } = summary.snapshots;
    if taken == 0 && restores == 0 {
        return String::new();
    }
    let usd = summary.snapshots_usd.map_or_else(
        || format!("their price in {} is unknown", summary.price_region),
        |usd| format!("about {} of it", super::plan::dollars(usd)),
    );
    format!(
        " SnapStart: {usd}, for {}, each cached for 3 hours, and {}; functions that are kept go \
         on costing cache.",
        super::count(taken, "snapshot"),
        super::count(restores, "restore")
    )
}

/// Says once what the run cost, or what AWS would charge for it where nobody is sent a bill.
fn money(summary: &Summary) -> String {
    let Some(Spent { usd, invocations }) = summary.spent.filter(|spent| spent.invocations > 0)
    else {
        return String::new();
    };
    let all = super::count(invocations, "invocation");
    let dollars = match &summary.prices_unconfirmed {
        Some(keys) => format!(
            "{} at unconfirmed prices ({keys})",
            super::plan::dollars(usd)
        ),
        None => super::plan::dollars(usd),
    };
    match summary.target.as_str() {
        IMPORTED => String::new(),
        "aws" => format!(
            "\nThis run cost about {dollars} (compute and S3 requests of {all}, including \
             warm-ups, probes and repeated attempts). {}{}\n",
            logs(summary),
            snapshots(summary)
        ),
        "local" => format!(
            "\nWould cost on AWS: {dollars} (compute and S3 requests of {all}, including \
             warm-ups, probes and repeated attempts). Nobody is billed for this run.\n"
        ),
        _ => format!(
            "\nWould cost on AWS: {dollars} (compute and S3 requests of {all}, including \
             warm-ups, probes and repeated attempts). {}{} Nobody is billed for this \
             run.\n",
            logs(summary),
            snapshots(summary)
        ),
    }
}

/// Says, of a run that measures until its intervals are narrow enough, whether they are.
fn stopped(summary: &Summary) -> String {
    let Some(until) = &summary.until else {
        return String::new();
    };
    darkroom_core::until::rule_in_words(until, summary.last_look.as_ref()) + "\n"
}

/// What the triggers of chains took: cells that the runner calls have none.
fn trigger_delays(measured: &[&CellSummary]) -> String {
    let mut text = String::new();
    for cell in measured {
        let median = |stage: &StageSummary| {
            let ms = stage.trigger_delay_ms.as_ref()?.p50?;
            Some(format!("{} {}", stage.stage, figure(ms)))
        };
        let stages: Vec<String> = cell.stages.iter().filter_map(median).collect();
        if !stages.is_empty() {
            let _ = writeln!(
                text,
                "trigger delay  {}: {} ms",
                cell.cell_id,
                stages.join(", ")
            );
        }
    }
    if !text.is_empty() {
        text += "               medians from a stage's END to the next stage's START; two \
            clocks, so ±1 ms or more\n";
    }
    text
}

/// Says which cells have samples that no interval can be made of, or that look surer than they are.
fn poor(measured: &[&CellSummary]) -> String {
    let mut text = String::new();
    for cell in measured {
        let samples = || {
            cell.stages
                .iter()
                .map(|stage| &stage.time_ms)
                .chain(&cell.turnaround_s)
        };
        let mut say = |what: &str| {
            let _ = writeln!(text, "POOR   {}: {what}", cell.cell_id);
        };
        if cell.passes == 0 && cell.stages.iter().any(|stage| stage.n_failed > 0) {
            say("no pass succeeded, so there is no turnaround and no cost");
        }
        if samples().any(|of| of.n == 1) {
            say("a single measurement has no SD and no interval, so it cannot be compared");
        }
        if samples().any(|of| of.n > 1 && of.sd == Some(0.0)) {
            say(
                "all values of a sample are equal, so its interval has zero width; another hour \
                 or host may still differ",
            );
        }
    }
    text
}

/// Says where polls for the final object were too far apart for the turnaround that they measure.
fn coarse(measured: &[&CellSummary]) -> String {
    let mut text = String::new();
    for (cell, share) in measured
        .iter()
        .filter_map(|cell| Some((cell, cell.coarse_resolution?)))
    {
        let share = share * 100.0;
        let _ = writeln!(
            text,
            "COARSE {}: polling for the last output may add up to {share:.1}% to its median \
             turnaround",
            cell.cell_id
        );
    }
    text
}

/// Warns of times that the runner itself made longer.
fn late(summary: &Summary) -> String {
    let local = summary.target == "local";
    let mut text = String::new();
    let late = summary
        .sessions
        .iter()
        .filter_map(|session| session.late_in_words(local));
    for late in late {
        let _ = writeln!(text, "LATE   {late}.");
    }
    text
}

/// Says whether CloudWatch's metrics agree with what was recorded, and of which sessions that is
/// not known.
pub fn reconciled(found: &ReconciliationSummary) -> String {
    let mut text = differences(found);
    let (all, of) = (found.sessions, found.sessions_reconciled);
    if of > 0 && found.differences.is_empty() {
        let part = if of < all {
            format!(" ({of} of {all} sessions)")
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "agrees with CloudWatch's metrics{part}: {} functions, {} invocations, {} errors, {} \
             throttles, {} ms",
            found.functions,
            found.invocations,
            found.errors,
            found.throttles,
            found.duration_ms.round()
        );
    }
    // What is said of the rest must not read as if it were of the whole run.
    let rest = if of > 0 {
        "not compared for the other sessions"
    } else {
        "not compared with CloudWatch's metrics"
    };
    for reason in &found.unknown {
        let _ = writeln!(text, "{rest}: {reason}");
    }
    if of < all && all > 1 && found.unknown.is_empty() {
        let _ = writeln!(
            text,
            "{} of {all} sessions ended early, so they were not compared with CloudWatch's metrics",
            all - of
        );
    }
    text
}

/// What the metrics say otherwise than the journal, a line each.
pub fn differences(found: &ReconciliationSummary) -> String {
    let mut text = String::new();
    for Difference {
        session,
        function,
        metric,
        recorded,
        reported,
    } in &found.differences
    {
        let _ = writeln!(
            text,
            "DIFFERS {function}: {metric}: CloudWatch counted {reported}, Darkroom recorded \
             {recorded} (session {session})"
        );
    }
    text
}

/// Says how many samples of each model are right, whole and by stage: before any time.
fn correct(summary: &Summary) -> String {
    let mut text = String::new();
    let rows = &summary.correctness;
    let several_prompts = rows.iter().any(|row| row.prompt != rows[0].prompt);
    for of_model in rows.chunk_by(|a, b| (&a.model, &a.prompt) == (&b.model, &b.prompt)) {
        let whole = of_model.iter().filter(|row| row.stage == PIPELINE);
        for row in whole {
            let name = author_name(&row.model, &row.prompt, several_prompts);
            let _ = writeln!(text, "RIGHT  {name}: pipeline {}", rate(row));
        }
        for row in of_model.iter().filter(|row| row.stage != PIPELINE) {
            let _ = writeln!(text, "       {} {}", row.stage, rate(row));
        }
    }
    text
}

/// `2 of 5 (40%, 95% CI 12% to 77%): cut off (after 500 tokens)`.
fn rate(row: &Correctness) -> String {
    let mut text = match (row.rate, row.rate_ci) {
        (Some(rate), Some((low, high))) => format!(
            "{} of {} ({:.0}%, 95% CI {:.0}% to {:.0}%)",
            row.right,
            row.n,
            rate * 100.0,
            low * 100.0,
            high * 100.0
        ),
        _ => "not known".to_owned(),
    };
    if row.n > 0 && row.n_unknown > 0 {
        let _ = write!(text, ", {} not known", row.n_unknown);
    }
    if let (Some(first), Some(1..)) = (row.right_first, row.repairs) {
        let _ = write!(text, ", {first} of {} with the first answer", row.n);
    }
    if row.right_partly > 0 {
        let _ = write!(text, ", {} only on some images", row.right_partly);
    }
    if let Some(failure) = &row.commonest_failure {
        let _ = write!(text, ": {failure}");
    }
    text
}

/// Says which models are right more often than others, and that times are of right samples alone.
fn rates_compared(summary: &Summary) -> String {
    let mut text = String::new();
    for sentence in rates_in_words(&summary.correctness_comparisons) {
        let _ = writeln!(text, "{}", line_of(&sentence));
    }
    text
}

/// Names the stages that models gave no code for, a line each.
fn missing(summary: &Summary) -> String {
    let mut text = String::new();
    for of_variant in summary.missing.chunk_by(|a, b| a.variant == b.variant) {
        for stage in of_variant {
            let (variant, name) = (&stage.variant, &stage.stage);
            let _ = write!(text, "\nNOT THERE  {variant} · {name}: {}", stage.outcome);
        }
        text += ". Its pipeline is not right.\n";
    }
    text
}

fn wrong(summary: &Summary) -> String {
    let mut text = String::new();
    for wrong in &summary.wrong_outputs {
        let detail = wrong
            .detail
            .as_deref()
            .map(|detail| format!(" ({})", line_of(detail)))
            .unwrap_or_default();
        let known = if summary.is_wrong_on_purpose(&wrong.cell_id) {
            " (wrong on purpose)"
        } else {
            ""
        };
        let _ = writeln!(
            text,
            "\nWRONG  {}{known} · {}: {}{detail}, in {} of {} outputs checked. Its times are shown, never ranked.",
            wrong.cell_id,
            wrong.stage,
            line_of(&wrong.reason),
            wrong.count,
            wrong.checked
        );
    }
    for cell in summary.passed_but_wrong_on_purpose() {
        let _ = writeln!(
            text,
            "\nPASSED {} · its variant.toml says wrong_on_purpose, but no output was wrong: \
             remove wrong_on_purpose or correct the variant",
            cell.cell_id
        );
    }
    text
}

fn refused_calls_lines(summary: &Summary) -> String {
    let mut text = String::new();
    for calls in summary
        .refused_calls
        .chunk_by(|a, b| a.variant == b.variant)
    {
        let _ = writeln!(
            text,
            "\nREFUSED  {} tried to call",
            line_of(&calls[0].variant)
        );
        for call in calls {
            let _ = writeln!(text, "         {}", line_of(&call.what()));
        }
    }
    for misdeed in &summary.misdeeds {
        let _ = writeln!(text, "\nMISBEHAVED  {}.", line_of(&misdeed.to_string()));
    }
    text
}

fn failures(summary: &Summary) -> String {
    let mut text = String::new();
    for failure in &summary.failures {
        let stage = failure.stage.as_deref().unwrap_or("pipeline");
        let kind = line_of(failure.error_type.as_deref().unwrap_or(&failure.status));
        let error = failure
            .error
            .as_deref()
            .map(|error| format!(": {}", line_of(first_line(error))))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "\nFAILED {} · {stage}: {} × {kind}{error}",
            failure.cell_id, failure.count
        );
    }
    text
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn not_runnable(summary: &Summary) -> String {
    let mut text = String::new();
    for reason in summary
        .not_runnable()
        .filter_map(|cell| cell.not_runnable.as_deref())
        .collect::<BTreeSet<_>>()
    {
        let cells: Vec<&str> = summary
            .not_runnable()
            .filter(|cell| cell.not_runnable.as_deref() == Some(reason))
            .map(|cell| cell.cell_id.as_str())
            .collect();
        let _ = writeln!(
            text,
            "\nNOT RUN {} cells: {reason}\n  {}",
            cells.len(),
            cells.join("\n  ")
        );
    }
    text
}

fn files(summary: &Summary) -> String {
    let Some(folder) = summary.tables.first().and_then(|table| table.path.parent()) else {
        return String::new();
    };
    let names: Vec<String> = summary
        .tables
        .iter()
        .map(|table| format!("{} ({})", table.name, table.rows))
        .collect();
    format!(
        "\n{}/\n  {} rows as .parquet; columns: outputs/README.md\n  report.html: the same with \
         figures; open it in a browser\n",
        folder.display(),
        names.join(", ")
    )
}
