//! `darkroom export`: a table of a run as CSV, JSON, LaTeX or Markdown, on stdout.

use comfy_table::{Table, presets};
use darkroom_tables::read::{Row, Rows, Value, Wanted, other_schema, read};

use crate::advice;
use crate::cli::{ExportArgs, ExportFormat, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};

/// A column and its head on a page.
type Shown = (&'static str, &'static str);

/// What a paper shows of these tables; of others every column, as CSV and JSON have it of all.
const SHOWN: [(&str, &[Shown]); 4] = [
    (
        "summary",
        &[
            ("cell_id", "cell"),
            ("stage", "stage"),
            ("metric", "metric"),
            ("n", "n"),
            ("mean", "mean"),
            ("mean_ci_low", "95% low"),
            ("mean_ci_high", "95% high"),
            ("sd", "SD"),
            ("cv", "CV"),
            ("p50", "median"),
        ],
    ),
    (
        "comparisons",
        &[
            ("cell_a", "cell"),
            ("factor", "factor"),
            ("level_a", "from"),
            ("level_b", "to"),
            ("stage", "stage"),
            ("metric", "metric"),
            ("n_a", "n from"),
            ("n_b", "n to"),
            ("ratio_mean", "ratio"),
            ("ratio_mean_ci_low", "95% low"),
            ("ratio_mean_ci_high", "95% high"),
            ("cliffs_delta", "Cliff's δ"),
            ("p_adj", "p adj"),
            ("verdict", "verdict"),
        ],
    ),
    (
        "costs",
        &[
            ("cell_id", "cell"),
            ("n", "n"),
            ("cost_usd_per_100k", "$ per 100k"),
            ("cost_usd_per_100k_ci_low", "95% low"),
            ("cost_usd_per_100k_ci_high", "95% high"),
            ("compute_usd_per_100k", "compute"),
            ("init_usd_per_100k", "init"),
            ("request_usd_per_100k", "requests"),
            ("s3_usd_per_100k", "S3"),
            ("reason", "why not ranked"),
        ],
    ),
    (
        "choices",
        &[
            ("cell_id", "cell"),
            ("memory_mb", "MB"),
            ("turnaround_s", "turnaround, s"),
            ("cost_usd_per_100k", "$ per 100k"),
            ("on_front", "on the front"),
            ("cheapest", "cheapest"),
            ("fastest", "fastest"),
            ("balanced", "balanced"),
            ("reason", "why not chosen"),
        ],
    ),
];

pub fn run(args: &ExportArgs, _: Globals) -> Result<Outcome, Failure> {
    advice::run_folder(&args.run, &["export", "{}"])?;
    let path = args.run.join(format!("{}.parquet", args.table));
    if let Ok(Some(other)) = other_schema(&path) {
        display::note(&other);
    }
    let rows = read(&path, Wanted::default())
        .map_err(|error| Failure::wrong_request(miette::miette!(help = advice::tables_of(&args.run), "{error}")))?;
    let text = match args.format {
        ExportFormat::Csv => rows.csv(),
        ExportFormat::Json => json(&rows),
        ExportFormat::Markdown => markdown(&rows, &columns(&rows, &args.table)),
        ExportFormat::Latex => latex(&rows, &columns(&rows, &args.table)),
    };
    display::answer(&text)?;
    Ok(Outcome::Done)
}

fn json(rows: &Rows) -> String {
    let value = |value: &Value| match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) | Value::Time(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
    };
    let object = |row: &Vec<Value>| -> serde_json::Map<_, _> {
        rows.columns.iter().cloned().zip(row.iter().map(value)).collect()
    };
    let objects: Vec<_> = rows.rows.iter().map(object).collect();
    serde_json::to_string_pretty(&objects).expect("plain values") + "\n"
}

/// Returns what a page shows of a table: the columns of [`SHOWN`] that it has, or all of them.
fn columns<'a>(rows: &'a Rows, table: &str) -> Vec<(&'a str, &'a str)> {
    let of_file = |name: &str| rows.columns.iter().any(|of| of == name);
    match SHOWN.iter().find(|(name, _)| *name == table) {
        Some((_, shown)) => shown.iter().copied().filter(|(name, _)| of_file(name)).collect(),
        None => rows.columns.iter().map(|name| (name.as_str(), name.as_str())).collect(),
    }
}

fn cell(row: Row<'_>, column: &str) -> String {
    match row.value(column) {
        Value::Null => "–".into(),
        Value::Text(text) => text.clone(),
        Value::Integer(number) | Value::Time(number) => number.to_string(),
        Value::Float(number) => darkroom_report::figure(*number),
        Value::Bool(truth) => truth.to_string(),
    }
}

fn markdown(rows: &Rows, columns: &[(&str, &str)]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).force_no_tty().set_header(columns.iter().map(|(_, head)| *head));
    for row in rows.iter() {
        table.add_row(columns.iter().map(|(name, _)| cell(row, name).replace('|', "\\|").replace('\n', " ")));
    }
    format!("{table}\n")
}

/// A `tabular` with booktabs' rules.
fn latex(rows: &Rows, columns: &[(&str, &str)]) -> String {
    let line = |cells: Vec<String>| cells.join(" & ") + " \\\\\n";
    let mut text =
        format!("% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{}}}\n\\toprule\n", "l".repeat(columns.len()));
    text += &line(columns.iter().map(|(_, head)| escaped(head)).collect());
    text += "\\midrule\n";
    for row in rows.iter() {
        text += &line(columns.iter().map(|(name, _)| escaped(&cell(row, name))).collect());
    }
    text + "\\bottomrule\n\\end{tabular}\n"
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                out.push('\\');
                out.push(letter);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '–' => out.push_str("--"),
            'δ' => out.push_str("$\\delta$"),
            '\n' => out.push(' '),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_latex_reads_as_a_command_is_escaped() {
        assert_eq!(escaped("a_b & 5% ^ \\x –"), "a\\_b \\& 5\\% \\textasciicircum{} \\textbackslash{}x --");
    }
}
