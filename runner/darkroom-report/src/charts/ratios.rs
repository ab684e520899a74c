//! Comparisons, one figure a factor: ratio of means with its interval, one row a pair and stage.

use darkroom_tables::is_claim;
use darkroom_tables::read::Row;
use plotters::prelude::*;

use super::Figure;
use super::canvas::{colour, draw_rows};
use super::figure::Group;
use super::scale::Scale;
use crate::noise::DEPLOYMENT;
use crate::pairs::{comparison_in_words, factors, floor_of, is_headline, what};
use crate::run::{PIPELINE, Run};

/// Rows that one figure can hold; the rest is in the table.
const ROWS: usize = 36;
/// Within it two cells are called equivalent.
const EQUIVALENT: (f64, f64) = (0.95, 1.05);

/// Returns a figure for every factor that has comparisons.
pub fn figures(run: &Run, width: u32) -> Vec<Figure> {
    factors(run)
        .iter()
        .filter_map(|factor| of_factor(run, factor, width))
        .collect()
}

struct Ratio {
    label: String,
    at: f64,
    ci: (f64, f64),
    claimed: bool,
    /// Ratio of the noise floor, at least 1.
    floor: Option<f64>,
    told: String,
}

fn of_factor(run: &Run, factor: &str, width: u32) -> Option<Figure> {
    let rows = run
        .comparisons
        .iter()
        .filter(|row| row.text("factor") == Some(factor) && is_headline(run, *row));
    let (mut whole, stages): (Vec<Row<'_>>, Vec<Row<'_>>) =
        rows.partition(|row| row.text("stage") == Some(PIPELINE));
    whole.extend(stages);
    let (sayable, barred): (Vec<Row<'_>>, Vec<Row<'_>>) = whole.into_iter().partition(|row| {
        !row.text("verdict").is_some_and(|verdict| {
            verdict.starts_with("outputs not") || verdict.starts_with("wrong")
        })
    });
    let mut shown: Vec<Ratio> = sayable
        .into_iter()
        .filter_map(|row| ratio(run, row))
        .collect();
    let left_out = shown.len().saturating_sub(ROWS);
    shown.truncate(ROWS);
    if shown.is_empty() {
        return None;
    }
    let labels: Vec<String> = shown.iter().map(|ratio| ratio.label.clone()).collect();
    let ends = |ratio: &Ratio| {
        let floor = ratio.floor.unwrap_or(1.0);
        [ratio.ci.0, ratio.ci.1, 1.0 / floor, floor]
    };
    let x = Scale::logarithmic(
        shown
            .iter()
            .flat_map(ends)
            .chain([EQUIVALENT.0, EQUIVALENT.1]),
    );
    let title = "ratio of means: below 1 the first is faster or cheaper";
    let drawing = draw_rows(width, &labels, x, title, |plot| {
        let rows = shown.len() as f64;
        let equivalent = [(EQUIVALENT.0, 0.0), (EQUIVALENT.1, rows)];
        plot.chart
            .draw_series([Rectangle::new(equivalent, BLACK.mix(0.06).filled())])?;
        for (row, floor) in shown
            .iter()
            .enumerate()
            .filter_map(|(row, ratio)| Some((row, ratio.floor?)))
        {
            let floor = [(1.0 / floor, row as f64 + 0.12), (floor, row as f64 + 0.88)];
            plot.chart
                .draw_series([Rectangle::new(floor, colour(5).mix(0.3).filled())])?;
        }
        plot.chart.draw_series([PathElement::new(
            [(1.0, 0.0), (1.0, rows)],
            BLACK.mix(0.7).stroke_width(1),
        )])?;
        for (row, ratio) in shown.iter().enumerate() {
            let ink = if ratio.claimed { colour(0) } else { colour(6) };
            let interval = (ratio.ci.0, ratio.at, ratio.ci.1);
            plot.whisker(interval, row as f64 + 0.5, ink.stroke_width(2))?;
            plot.tell_within(
                (x.start(), row as f64),
                (x.end(), row as f64 + 1.0),
                ratio.told.clone(),
            );
        }
        Ok(())
    })?;
    let barred = match barred.len() {
        0 => String::new(),
        rows => {
            format!(" {rows} comparisons with wrong or unchecked outputs are only in the table.")
        }
    };
    let more = if left_out == 0 {
        String::new()
    } else {
        format!(" {left_out} more rows are in the table.")
    };
    let floor = if shown.iter().any(|ratio| ratio.floor.is_some()) {
        "Gold: the noise floor, the largest difference between deployments of the same code of \
         either cell."
    } else {
        "Each cell was deployed once, so the noise floor is unknown."
    };
    Some(Figure {
        id: format!("ratio-{factor}"),
        group: Group::Compared,
        title: format!("Compared by {}", in_words(factor)),
        caption: format!(
            "Each row compares two cells, all else equal, with the 95% interval of the ratio. \
             Blue: a difference is claimed (Holm-adjusted p < 0.05, interval without 1, 2% or \
             more). Grey: no difference is claimed, but there may be one. Shaded: within 5%. \
             {floor}{barred}{more}"
        ),
        alternative: shown
            .iter()
            .map(|ratio| ratio.told.clone())
            .collect::<Vec<_>>()
            .join(". "),
        notes: Vec::new(),
        svg: drawing.svg(),
    })
}

fn ratio(run: &Run, row: Row<'_>) -> Option<Ratio> {
    let at = row.number("ratio_mean")?;
    let ci = (
        row.number("ratio_mean_ci_low")?,
        row.number("ratio_mean_ci_high")?,
    );
    if ci.0 <= 0.0 {
        return None; // Has no place on a logarithmic axis; the table has it.
    }
    let (a, b) = (row.text("level_a")?, row.text("level_b")?);
    let factor = row.text("factor")?;
    let label = format!("{} · {b} / {a}{}", what(row), context(run, row));
    // Of the floor's own rows nothing else is the floor.
    let floor = floor_of(run, row).filter(|_| factor != DEPLOYMENT);
    let told = comparison_in_words(run, row, &label);
    Some(Ratio {
        label,
        at,
        ci,
        claimed: is_claim(row.text("verdict")?),
        floor: floor.map(|f| 1.0 + f.apart),
        told,
    })
}

/// What else tells this pair of cells from the others of its factor.
fn context(run: &Run, row: Row<'_>) -> String {
    let levels = |column: &str| -> Vec<String> {
        let label = row
            .text(column)
            .and_then(|id| run.cell(id))
            .map(|cell| cell.label.clone())
            .unwrap_or_default();
        label
            .replace(" MB", "\u{a0}MB")
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    let (a, b) = (levels("cell_a"), levels("cell_b"));
    let shared: Vec<String> = a.into_iter().filter(|level| b.contains(level)).collect();
    if shared.is_empty() {
        String::new()
    } else {
        format!(" ({})", shared.join(" "))
    }
}

pub fn in_words(factor: &str) -> &str {
    match factor {
        "memory_mb" => "memory size",
        "image_set" => "image set",
        "deployment" => "deployment: the same code twice",
        other => other,
    }
}

pub fn p_text(p: f64) -> String {
    if p < 0.001 {
        "< 0.001".into()
    } else {
        format!("{p:.3}")
    }
}
