//! The matrix: stages down, cells across, a table for each kind of work. Each field has the mean and
//! how many times the baseline's mean it is.
//!
//! What is claimed of two cells, and with which interval, is a row of `comparisons`. Where there is
//! none, the ratio of the two means shown stands there, marked as not tested. The script
//! `matrix.js` fills the same fields for another baseline, from the tables of this very page.

use std::collections::{HashMap, HashSet};

use darkroom_core::cell::Factors;
use darkroom_tables::is_claim;
use darkroom_tables::read::Row;
use maud::{Markup, html};

use crate::kinds::{WorkKind, kinds};
use crate::number::{figure, interval};
use crate::pairs::turned;
use crate::run::{CellView, PIPELINE, Run, Stat};

/// The strongest shade, in percent of the colour: text stays readable on it, in light and dark.
const STRONGEST: f64 = 34.0;
/// From this ratio on (or its reciprocal) a shade is the strongest.
const STRONGEST_FROM: f64 = 10.0;

/// The section; nothing where nothing was measured.
pub fn section(run: &Run) -> Markup {
    let pairs = Pairs::of(run);
    let tables: Vec<Table<'_>> = kinds(run.cells.iter(), |cell| &cell.cell)
        .into_iter()
        .filter_map(|kind| Table::of(run, kind))
        .collect();
    html! {
        @if !tables.is_empty() {
            section id="matrix" {
                h2 { "Every stage of every cell" }
                p class="quiet" { "Bold: the mean, in the unit of its row. ×: how many times the \
                    baseline's mean that is. A field is shaded, and says faster, slower, cheaper or \
                    dearer, only where a comparison claims the difference (below, with its \
                    interval). Unclear: a difference is neither shown nor excluded. Not tested: \
                    the two cells differ in several factors, so × is only one mean divided by the \
                    other. Claims are of means. With medians shown, a claim stays only where the \
                    interval of their ratio shows it too." }
                div class="kinds" { @for table in &tables { div { (table.html(run, &pairs)) } } }
            }
        }
    }
}

/// Comparisons of two cells by both, the stage and the metric, as the table has them.
struct Pairs<'a>(HashMap<[&'a str; 4], Row<'a>>);

/// A cell against its baseline: the ratio of their means, and what `comparisons` says of it.
struct Against {
    ratio: f64,
    ci: Option<(f64, f64)>,
    /// `None` where there is no row of the two.
    verdict: Option<String>,
}

impl<'a> Pairs<'a> {
    fn of(run: &'a Run) -> Self {
        let of_two_cells =
            |row: &Row<'_>| !matches!(row.text("factor"), Some("model" | crate::noise::DEPLOYMENT));
        let key = |row: Row<'a>| {
            Some(["cell_a", "cell_b", "stage", "metric"].map(|column| row.text(column)))
                .and_then(|[a, b, stage, metric]| Some([a?, b?, stage?, metric?]))
        };
        let rows = run.comparisons.iter().filter(of_two_cells);
        Self(rows.filter_map(|row| Some((key(row)?, row))).collect())
    }

    /// Looks two cells up either way round, turned so that the baseline comes first.
    fn against(&self, base: &str, cell: &str, stage: &str, metric: &str) -> Option<Against> {
        let metric = if metric == "cost_usd_per_100k" {
            "cost_usd"
        } else {
            metric
        };
        let found = |a, b| self.0.get(&[a, b, stage, metric]);
        let (row, is_turned) = match found(base, cell) {
            Some(row) => (row, false),
            None => (found(cell, base)?, true),
        };
        let number = |column| row.number(column);
        let ci = number("ratio_mean_ci_low").zip(number("ratio_mean_ci_high"));
        let (ratio, verdict) = (number("ratio_mean")?, row.text("verdict")?);
        Some(if is_turned {
            Against {
                ratio: 1.0 / ratio,
                ci: ci.map(|(low, high)| (1.0 / high, 1.0 / low)),
                verdict: Some(turned(verdict).to_owned()),
            }
        } else {
            Against {
                ratio,
                ci,
                verdict: Some(verdict.to_owned()),
            }
        })
    }
}

/// The matrix of one kind of work.
struct Table<'a> {
    name: Option<String>,
    cells: Vec<&'a CellView>,
    labels: Vec<String>,
    lines: Vec<Line<'a>>,
    /// The first cell of the plan whose numbers may be compared.
    base: Option<&'a CellView>,
}

/// A row of the matrix.
struct Line<'a> {
    what: &'a str,
    unit: &'static str,
    stage: &'a str,
    metric: &'static str,
}

/// What a field has to say.
enum Field {
    Measured(Stat),
    Failed(String),
    NotRun(String),
    NoValue,
}

impl<'a> Table<'a> {
    fn of(run: &'a Run, kind: WorkKind<&'a CellView>) -> Option<Self> {
        let cells = kind.members;
        let time = Run::time_metric(cells.first()?);
        let stages = run.stages.iter().map(|stage| Line {
            what: stage,
            unit: "ms",
            stage,
            metric: time,
        });
        let whole = [
            ("turnaround", "s", "turnaround_s"),
            ("100,000 images", "$", "cost_usd_per_100k"),
        ]
        .map(|(what, unit, metric)| Line {
            what,
            unit,
            stage: PIPELINE,
            metric,
        });
        let has_value = |line: &Line<'_>| {
            cells
                .iter()
                .any(|cell| run.stat(cell, line.stage, line.metric).is_some())
        };
        let lines: Vec<Line<'a>> = stages.chain(whole).filter(has_value).collect();
        let factors = Factors::of(cells.iter().map(|cell| &cell.cell));
        let is_base = |cell: &&&CellView| {
            cell.may_be_ranked()
                && lines
                    .iter()
                    .any(|line| run.stat(cell, line.stage, line.metric).is_some())
        };
        let base = cells.iter().find(is_base).copied();
        (!lines.is_empty()).then(|| Self {
            name: kind.name,
            labels: cells.iter().map(|cell| factors.label(&cell.cell)).collect(),
            base,
            cells,
            lines,
        })
    }

    fn html(&self, run: &Run, pairs: &Pairs<'_>) -> Markup {
        let wrong: HashSet<(&str, &str)> = run
            .wrong
            .iter()
            .filter_map(|row| Some((row.text("cell_id")?, row.text("stage")?)))
            .collect();
        let title = self.name.as_deref().map_or_else(
            || "Every stage of every cell".to_owned(),
            |name| format!("Every stage of every cell: {name}"),
        );
        html! {
            @if let Some(name) = &self.name { h3 { (name) } }
            div class="wide" role="region" aria-label=(title) tabindex="0" {
                table class="matrix stages" {
                    caption { (title) }
                    thead { tr {
                        th scope="col" { "mean" }
                        @for (cell, label) in self.cells.iter().zip(&self.labels) { (self.head(cell, label)) }
                    } }
                    tbody {
                        @for line in &self.lines {
                            tr class=[(line.stage == PIPELINE).then_some("whole")] data-stage=(line.stage) data-metric=(line.metric) data-unit=(line.unit) {
                                th scope="row" { (line.what) ", " (line.unit) }
                                @for cell in &self.cells {
                                    (self.field(run, pairs, cell, line, wrong.contains(&(cell.id.as_str(), line.stage))))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn head(&self, cell: &CellView, label: &str) -> Markup {
        let is_base = self.base.is_some_and(|base| base.id == cell.id);
        html! {
            th scope="col" data-cell=(cell.id) data-label=(label) data-compared=(cell.may_be_ranked()) data-levels=(levels(cell)) class=[is_base.then_some("base")] {
                (label) (cell.mark())
                @if is_base { " " i { "baseline" } }
            }
        }
    }

    fn field(
        &self,
        run: &Run,
        pairs: &Pairs<'_>,
        cell: &CellView,
        line: &Line<'_>,
        is_wrong: bool,
    ) -> Markup {
        let stat = match field(run, cell, line) {
            Field::Measured(stat) => stat,
            Field::Failed(why) => {
                return html! { td class="failed" title=(why) { b { "failed" } span { (why) } } };
            }
            Field::NotRun(why) => return html! { td class="not-run" title=(why) { "not run" } },
            Field::NoValue => return html! { td class="not-run" { "no value" } },
        };
        let against = self.against(run, pairs, cell, line, stat.mean);
        let of_right_work = cell.may_be_ranked();
        let (class, shade) = against.as_ref().map_or((None, 0.0), Against::shade);
        let class = if of_right_work {
            class
        } else {
            Some("wrong-work")
        };
        let shade = (shade > 0.0).then(|| format!("--shade:{shade:.0}%"));
        html! {
            td class=[class] style=[shade] data-value=(stat.mean) data-ratio=[against.as_ref().map(|against| against.ratio)] title=(told(line, &stat, against.as_ref())) {
                b { (figure(stat.mean)) }
                @if let Some(against) = &against { span { "×" (figure(against.ratio)) " " i { (against.word()) } } }
                @if is_wrong { span class="flag" { "WRONG" } }
                @if stat.n_failed > 0 { span class="flag" { (stat.n_failed) " failed" } }
                span class="ci" { (interval(stat.ci)) }
            }
        }
    }

    /// How a cell stands to the baseline; `None` of the baseline itself, and where numbers are not
    /// those of right work.
    fn against(
        &self,
        run: &Run,
        pairs: &Pairs<'_>,
        cell: &CellView,
        line: &Line<'_>,
        mean: f64,
    ) -> Option<Against> {
        let base = self
            .base
            .filter(|base| base.id != cell.id && cell.may_be_ranked())?;
        let (stage, metric) = (line.stage, line.metric);
        pairs
            .against(&base.id, &cell.id, stage, metric)
            .or_else(|| {
                let of_base = run.stat(base, stage, metric)?.mean;
                let untested = Against {
                    ratio: mean / of_base,
                    ci: None,
                    verdict: None,
                };
                (of_base > 0.0).then_some(untested)
            })
    }
}

impl Against {
    /// The class and the strength of the shade, in percent: only of what is claimed.
    fn shade(&self) -> (Option<&'static str>, f64) {
        let Some(verdict) = self.verdict.as_deref().filter(|verdict| is_claim(verdict)) else {
            return (None, 0.0);
        };
        let strength = (self.ratio.ln().abs() / STRONGEST_FROM.ln()).min(1.0);
        let class = if ["faster", "cheaper"].contains(&verdict) {
            "better"
        } else {
            "worse"
        };
        (Some(class), 8.0 + strength * (STRONGEST - 8.0))
    }

    /// The verdict as a field has room for it.
    fn word(&self) -> &str {
        match self.verdict.as_deref() {
            None => "not tested",
            Some("equivalent") => "within 5%",
            Some("inconclusive") => "unclear",
            Some(claim) if is_claim(claim) => claim,
            Some(_) => "not compared",
        }
    }
}

/// The levels of a cell's factors as JSON, for the script that filters by them, in the order of
/// `FACTORS` there.
fn levels(cell: &CellView) -> String {
    let cell = &cell.cell;
    let levels = [
        cell.variant.clone(),
        cell.runtime.clone().unwrap_or_else(|| "own".into()),
        cell.architecture.to_string(),
        format!("{} MB", cell.memory_mb),
        cell.image_set.clone(),
        cell.trigger.to_string(),
        cell.input.to_string(),
        cell.start.to_string(),
        cell.snapstart.to_string(),
        cell.concurrency.to_string(),
    ];
    serde_json::Value::from(levels.to_vec()).to_string()
}

fn field(run: &Run, cell: &CellView, line: &Line<'_>) -> Field {
    if let Some(stat) = run.stat(cell, line.stage, line.metric) {
        return Field::Measured(stat);
    }
    let row = run.summary_row(cell, line.stage, line.metric);
    let count = |column| row.and_then(|row| row.number(column)).unwrap_or(0.0);
    let (failed, missing) = (count("n_failed"), count("n_missing"));
    match (&cell.failed, &cell.not_measured) {
        _ if failed > 0.0 => Field::Failed(format!("{failed} of {}", failed + missing)),
        (Some(why), _) => Field::Failed(why.clone()),
        (None, Some(why)) => Field::NotRun(why.clone()),
        (None, None) => Field::NoValue,
    }
}

/// What a field tells when pointed at.
fn told(line: &Line<'_>, stat: &Stat, against: Option<&Against>) -> String {
    let beside = against.map_or(String::new(), |against| {
        let ratio = format!("×{} {}", figure(against.ratio), interval(against.ci));
        format!("; {}, {}", ratio.trim_end(), against.word())
    });
    let mean = format!("{} {} {}", figure(stat.mean), line.unit, interval(stat.ci));
    format!(
        "{}, median {}, n = {}{beside}",
        mean.trim_end(),
        figure(stat.p50),
        stat.n
    )
}
