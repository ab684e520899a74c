//! `darkroom export`: prints a table of a run as CSV, JSON, LaTeX or Markdown.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use darkroom_tables::read::{Formulas, Row, Rows, Value, Wanted, other_schema, read};

use crate::cli::{ExportArgs, ExportFormat, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::which_run;

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
            // A difference between cells that were measured at different times may be the time's.
            ("side_by_side", "in turns"),
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
    which_run::must_be_a_run(&args.run, &["export", "{}"])?;
    let path = args.run.join(format!("{}.parquet", args.table));
    if let Ok(Some(other)) = other_schema(&path) {
        display::note(&other);
    }
    let rows = read(&path, Wanted::default()).map_err(|error| {
        Failure::wrong_request(miette::miette!(
            help = which_run::tables_of(&args.run),
            "{error}"
        ))
    })?;
    // JSON has escapes of its own, and holds the facts as they are.
    let rows = if args.format == ExportFormat::Json {
        rows
    } else {
        rows.shown()
    };
    let rows = chosen(rows, args)?;
    let rows = if args.wide {
        wide(&main_ones(rows, args), args)?
    } else {
        rows
    };
    let text = match args.format {
        ExportFormat::Csv => rows.csv(if args.keep_formulas {
            Formulas::Kept
        } else {
            Formulas::Harmless
        }),
        ExportFormat::Json => {
            return display::answer_text_json(&json(&rows)).map(|()| Outcome::Done);
        }
        ExportFormat::Markdown => markdown(&rows, &columns(&rows, &args.table)),
        ExportFormat::Latex => latex(&rows, &columns(&rows, &args.table)),
    };
    display::answer(&text)?;
    Ok(Outcome::Done)
}

/// Keeps the rows of the metrics and stages that were asked for.
fn chosen(mut rows: Rows, args: &ExportArgs) -> Result<Rows, Failure> {
    let all = rows.rows.clone();
    for (column, wanted) in [("metric", &args.metric), ("stage", &args.stage)] {
        if wanted.is_empty() {
            continue;
        }
        let Some(place) = rows.columns.iter().position(|name| name == column) else {
            return Err(Failure::wrong_request(miette::miette!(
                help = format!("remove --{column}, or use --table summary"),
                "table `{}` has no column `{column}`",
                args.table
            )));
        };
        let known: BTreeSet<String> = all.iter().map(|row| text_at(row, place)).collect();
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(*name)) {
            return Err(Failure::wrong_request(miette::miette!(
                help = format!(
                    "use one of: {}",
                    known.into_iter().collect::<Vec<_>>().join(", ")
                ),
                "table `{}` has no row of {column} `{unknown}`",
                args.table
            )));
        }
        rows.rows
            .retain(|row| wanted.contains(&text_at(row, place)));
        if rows.rows.is_empty() {
            return Err(Failure::wrong_request(miette::miette!(
                help = "use `pipeline` for turnaround and cost of a pass, and the name of a \
                    stage for its times",
                "table `{}` has these metrics and these stages, but no row with both",
                args.table
            )));
        }
        rows.of = rows.rows.len();
    }
    Ok(rows)
}

/// Metrics that a paper's table has, unless others are asked for: of the whole pipeline, and of its
/// stages.
const MAIN: [(bool, &str); 3] = [
    (true, "turnaround_s"),
    (true, "cost_usd_per_100k"),
    (false, "duration_ms"),
];

/// Keeps the main metrics for a wide table of which nobody said what it is to hold, and says how to
/// get the others.
fn main_ones(mut rows: Rows, args: &ExportArgs) -> Rows {
    if args.table != "summary" || !args.metric.is_empty() {
        return rows;
    }
    let place = |column: &str| rows.columns.iter().position(|name| name == column);
    let (Some(metric), Some(stage)) = (place("metric"), place("stage")) else {
        return rows;
    };
    let is_main = |row: &Vec<Value>| {
        MAIN.contains(&(text_at(row, stage) == WHOLE, text_at(row, metric).as_str()))
    };
    if !rows.rows.iter().any(is_main) {
        return rows;
    }
    let kept: BTreeSet<String> = rows
        .rows
        .iter()
        .filter(|row| is_main(row))
        .map(|row| text_at(row, metric))
        .collect();
    let others: BTreeSet<String> = rows
        .rows
        .iter()
        .map(|row| text_at(row, metric))
        .filter(|name| !kept.contains(name))
        .collect();
    if !others.is_empty() {
        let list = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
        let (kept, others) = (list(&kept), list(&others));
        display::note(&format!(
            "main metrics only: {kept}. For others add --metric NAME, with one of: {others}"
        ));
    }
    rows.rows.retain(is_main);
    rows.of = rows.rows.len();
    rows
}

/// Returns a text of a row; of what is none, an empty one.
fn text_at(row: &[Value], place: usize) -> String {
    if let Value::Text(text) = &row[place] {
        text.clone()
    } else {
        String::new()
    }
}

/// What `summary` calls the whole pipeline, beside its stages.
const WHOLE: &str = "pipeline";

/// What a wide table holds of every stage and metric.
const WIDE: [&str; 4] = ["n", "mean", "mean_ci_low", "mean_ci_high"];

/// Turns `summary` into one row a cell, with the columns of [`WIDE`] for every stage and metric.
fn wide(rows: &Rows, args: &ExportArgs) -> Result<Rows, Failure> {
    if args.table != "summary" {
        return Err(Failure::wrong_request(miette::miette!(
            help = "remove --wide, or use --table summary",
            "--wide works with table `summary` only, not with `{}`",
            args.table
        )));
    }
    let mut columns = vec!["cell_id".to_owned()];
    let mut cells: Vec<(String, HashMap<String, Value>)> = Vec::new();
    for row in rows.iter() {
        let text = |column| row.text(column).unwrap_or_default().to_owned();
        let (cell, stage, metric) = (text("cell_id"), text("stage"), text("metric"));
        let at = cells
            .iter()
            .position(|(id, _)| *id == cell)
            .unwrap_or_else(|| {
                cells.push((cell, HashMap::new()));
                cells.len() - 1
            });
        for of in WIDE {
            let name = format!("{stage} {metric} {of}");
            if !columns.contains(&name) {
                columns.push(name.clone());
            }
            cells[at].1.insert(name, row.value(of).clone());
        }
    }
    let row = |(cell, mut values): (String, HashMap<String, Value>)| {
        let rest = columns[1..]
            .iter()
            .map(|name| values.remove(name).unwrap_or(Value::Null));
        std::iter::once(Value::Text(cell)).chain(rest).collect()
    };
    let rows: Vec<Vec<Value>> = cells.into_iter().map(row).collect();
    Ok(Rows {
        columns,
        of: rows.len(),
        rows,
    })
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
        rows.columns
            .iter()
            .cloned()
            .zip(row.iter().map(value))
            .collect()
    };
    let objects: Vec<_> = rows.rows.iter().map(object).collect();
    serde_json::to_string_pretty(&objects).expect("plain values") + "\n"
}

/// Returns what a page shows of a table: the columns of [`SHOWN`] that it has, or all of them.
fn columns<'a>(rows: &'a Rows, table: &str) -> Vec<(&'a str, String)> {
    let of_file = |name: &str| rows.columns.iter().any(|of| of == name);
    let shown = SHOWN
        .iter()
        .find(|(name, _)| *name == table)
        .map_or(&[][..], |(_, shown)| shown);
    let head_of = |name: &str| {
        shown
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(name, |(_, head)| head)
            .to_owned()
    };
    if shown.get(1).is_some_and(|(name, _)| of_file(name)) {
        return shown
            .iter()
            .filter(|(name, _)| of_file(name))
            .map(|(name, head)| (*name, (*head).to_owned()))
            .collect();
    }
    // A wide table's columns are a stage, a metric, and what is shown of them.
    let head = |name: &str| match name.rsplit_once(' ') {
        Some((of, what)) => format!("{of}, {}", head_of(what)),
        None => head_of(name),
    };
    rows.columns
        .iter()
        .map(|name| (name.as_str(), head(name)))
        .collect()
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

/// Whether a column holds nothing but numbers, which stand to the right.
fn is_of_numbers(rows: &Rows, column: &str) -> bool {
    let is_number = |row: Row<'_>| {
        matches!(
            row.value(column),
            Value::Integer(_) | Value::Float(_) | Value::Null
        )
    };
    let any = rows
        .iter()
        .any(|row| !matches!(row.value(column), Value::Null));
    any && rows.iter().all(is_number)
}

fn markdown(rows: &Rows, columns: &[(&str, String)]) -> String {
    let escape = |text: String| text.replace('|', "\\|").replace('\n', " ");
    let mut text = String::new();
    let mut fields: Vec<Vec<String>> = vec![columns.iter().map(|(_, head)| head.clone()).collect()];
    fields.extend(rows.iter().map(|row| {
        columns
            .iter()
            .map(|(name, _)| escape(cell(row, name)))
            .collect()
    }));
    let width = |place: usize| {
        fields
            .iter()
            .map(|row| row[place].chars().count())
            .max()
            .unwrap_or(0)
            .max(3)
    };
    let right: Vec<bool> = columns
        .iter()
        .map(|(name, _)| is_of_numbers(rows, name))
        .collect();
    for (line, row) in fields.iter().enumerate() {
        for (place, field) in row.iter().enumerate() {
            let width = width(place);
            let _ = if right[place] {
                write!(text, "| {field:>width$} ")
            } else {
                write!(text, "| {field:<width$} ")
            };
        }
        text += "|\n";
        if line == 0 {
            for (place, right) in right.iter().enumerate() {
                let dashes = "-".repeat(width(place) - 1);
                let _ = if *right {
                    write!(text, "| {dashes}: ")
                } else {
                    write!(text, "| -{dashes} ")
                };
            }
            text += "|\n";
        }
    }
    text
}

/// A `tabular` with booktabs' rules.
fn latex(rows: &Rows, columns: &[(&str, String)]) -> String {
    let line = |cells: Vec<String>| cells.join(" & ") + " \\\\\n";
    let aligned: String = columns
        .iter()
        .map(|(name, _)| if is_of_numbers(rows, name) { 'r' } else { 'l' })
        .collect();
    let mut text =
        format!("% needs \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{aligned}}}\n\\toprule\n");
    text += &line(columns.iter().map(|(_, head)| escaped(head)).collect());
    text += "\\midrule\n";
    for row in rows.iter() {
        text += &line(
            columns
                .iter()
                .map(|(name, _)| escaped(&cell(row, name)))
                .collect(),
        );
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

    fn args(table: &str, metric: &[&str], stage: &[&str], wide: bool) -> ExportArgs {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (metric, stage) = (all(metric), all(stage));
        ExportArgs {
            run: "r".into(),
            table: table.into(),
            format: ExportFormat::Csv,
            metric,
            stage,
            wide,
            keep_formulas: false,
        }
    }

    fn summary() -> Rows {
        let columns = [
            "cell_id",
            "stage",
            "metric",
            "n",
            "mean",
            "mean_ci_low",
            "mean_ci_high",
        ];
        let text = |text: &str| Value::Text(text.to_owned());
        let row = |cell, stage, metric, mean| {
            let numbers = [
                Value::Integer(6),
                Value::Float(mean),
                Value::Null,
                Value::Float(mean + 1.0),
            ];
            [vec![text(cell), text(stage), text(metric)], numbers.into()].concat()
        };
        let rows = vec![
            row("pillow", "resize", "duration_ms", 120.0),
            row("pillow", "pipeline", "turnaround_s", 2.0),
            row("rust", "resize", "duration_ms", 9.0),
        ];
        Rows {
            columns: columns.map(String::from).into(),
            of: rows.len(),
            rows,
        }
    }

    #[test]
    fn rows_are_chosen_by_metric_and_stage_and_what_does_not_exist_is_refused() {
        let kept = |metric: &[&str], stage: &[&str]| {
            chosen(summary(), &args("summary", metric, stage, false))
                .unwrap()
                .of
        };
        assert_eq!(
            (
                kept(&[], &[]),
                kept(&["duration_ms"], &[]),
                kept(&[], &["pipeline"])
            ),
            (3, 2, 1)
        );
        assert_eq!(
            kept(&["duration_ms", "turnaround_s"], &["resize", "pipeline"]),
            3
        );
        assert!(chosen(summary(), &args("summary", &["speed"], &[], false)).is_err());
        assert!(wide(&summary(), &args("costs", &[], &[], true)).is_err());
    }

    #[test]
    fn a_wide_table_has_one_row_a_cell_and_numbers_stand_to_the_right() {
        let wide = wide(&summary(), &args("summary", &[], &[], true)).unwrap();
        assert_eq!(
            (wide.of, wide.columns.len(), wide.columns[2].as_str()),
            (2, 9, "resize duration_ms mean")
        );
        assert!(
            matches!(wide.rows[1][6], Value::Null),
            "rust has no turnaround"
        );
        let heads: Vec<String> = columns(&wide, "summary")
            .into_iter()
            .map(|(_, head)| head)
            .collect();
        assert_eq!(
            heads[..4],
            [
                "cell",
                "resize duration_ms, n",
                "resize duration_ms, mean",
                "resize duration_ms, 95% low"
            ]
        );
        let of = vec![("cell_id", "cell".to_owned()), ("mean", "mean".to_owned())];
        let page = markdown(&summary(), &of);
        assert_eq!(
            page.lines().take(3).collect::<Vec<_>>(),
            [
                "| cell   | mean |",
                "| ------ | ---: |",
                "| pillow |  120 |"
            ]
        );
        assert!(latex(&summary(), &of).contains("\\begin{tabular}{lr}"));
    }

    #[test]
    fn a_wide_table_has_the_main_metrics_unless_others_are_asked_for() {
        let with = |metric: &[&str]| {
            let mut rows = summary();
            for (stage, metric) in [
                ("resize", "init_ms"),
                ("resize", "cost_usd_per_100k"),
                ("pipeline", "duration_ms"),
            ] {
                let names = ["rust", stage, metric].map(|text| Value::Text(text.to_owned()));
                rows.rows.push(
                    names
                        .into_iter()
                        .chain(std::iter::repeat_n(Value::Null, 4))
                        .collect(),
                );
            }
            main_ones(rows, &args("summary", metric, &[], true))
                .rows
                .len()
        };
        assert_eq!(
            (with(&[]), with(&["init_ms"])),
            (3, 6),
            "duration of stages, turnaround and cost of the pipeline"
        );
        let mut other = summary();
        other
            .rows
            .iter_mut()
            .for_each(|row| row[2] = Value::Text("init_ms".into()));
        assert_eq!(
            main_ones(other, &args("summary", &[], &[], true)).of,
            3,
            "a table without them stays as it is"
        );
    }

    #[test]
    fn what_latex_reads_as_a_command_is_escaped() {
        assert_eq!(
            escaped("a_b & 5% ^ \\x –"),
            "a\\_b \\& 5\\% \\textasciicircum{} \\textbackslash{}x --"
        );
    }
}
