//! What changed between two runs, as text. Pure but for the width, which comes in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use darkroom_tables::{Between, Change};

use super::terminal::RULED;

/// Renders the changes: what is claimed in a table, the rest counted.
pub fn changes(found: &Between, width: u16) -> String {
    let mut text = format!(
        "\n{} compared with {}: ratio of means; below 1, the later run is faster or cheaper\n",
        found.run_b, found.run_a
    );
    let (claimed, rest): (Vec<&Change>, Vec<&Change>) =
        found.rows.iter().partition(|row| row.is_claim());
    if claimed.is_empty() {
        text += "No change was found.\n";
    } else {
        let _ = writeln!(text, "{}", table(&claimed, width));
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rest {
        *counts.entry(row.verdict).or_default() += 1;
    }
    for (verdict, count) in counts {
        let _ = writeln!(text, "{count} {verdict}{}", meaning(verdict));
    }
    for cell in &found.only_in_one {
        let _ = writeln!(text, "measured in only one of the runs: {cell}");
    }
    for note in &found.notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

fn meaning(verdict: &str) -> &'static str {
    match verdict {
        "equivalent" => {
            " (no change of more than 5%: the ratio's 95% interval lies within 0.95 \
            to 1.05)"
        }
        "inconclusive" => " (unclear: the data neither show nor exclude a difference)",
        "wrong outputs" => " (not compared: its outputs are wrong)",
        "remembers outputs" => " (not compared: its times are not those of the work)",
        "outputs not checked" => " (not compared: its outputs were not checked)",
        _ => "",
    }
}

fn table(rows: &[&Change], width: u16) -> Table {
    let mut table = Table::new();
    table
        .load_style(RULED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .force_no_tty();
    table.set_header([
        "cell",
        "stage",
        "metric",
        "n",
        "ratio",
        "95% interval",
        "p adj",
        "noise",
        "code",
        "verdict",
    ]);
    for row in rows {
        let number = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
        };
        table.add_row([
            row.cell_id.clone(),
            row.stage.clone(),
            row.metric.to_owned(),
            format!("{} / {}", row.n_a, row.n_b),
            number(row.ratio),
            row.ratio_ci
                .map_or_else(String::new, |(low, high)| format!("{low:.3} to {high:.3}")),
            row.p_adjusted.map_or_else(
                || "–".to_owned(),
                |p| {
                    if p < 0.001 {
                        "<0.001".into()
                    } else {
                        format!("{p:.3}")
                    }
                },
            ),
            row.noise
                .map_or_else(|| "?".to_owned(), |noise| format!("{:.1}%", noise * 100.0)),
            row.code().to_owned(),
            row.verdict.to_owned(),
        ]);
    }
    for column in 3..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
