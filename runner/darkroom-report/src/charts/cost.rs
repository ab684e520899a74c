//! What 100,000 images cost, by part.

use darkroom_tables::read::Row;
use plotters::prelude::*;

use super::Figure;
use super::canvas::{Drawing, colour, draw_rows};
use super::figure::Group;
use super::panels::by_kind;
use super::runtime::marked;
use super::scale::Scale;
use crate::notes::sentences;
use crate::number::{figure as spelt, interval};
use crate::run::{CellView, PIPELINE, Run};

const PARTS: [(&str, &str); 5] = [
    ("compute_usd_per_100k", "compute"),
    ("init_usd_per_100k", "init"),
    ("request_usd_per_100k", "requests"),
    ("ephemeral_usd_per_100k", "/tmp over 512 MB"),
    ("restore_usd_per_100k", "restores"),
];

/// Place of the colour of S3 requests.
const S3: usize = 6;

fn s3_of(row: Row<'_>) -> Option<f64> {
    row.number("s3_usd_per_100k").filter(|usd| *usd > 0.0)
}

/// A part of the cost: the place of its colour, its column and its name.
type Part = (usize, &'static str, &'static str);

fn high(row: Row<'_>) -> f64 {
    row.number("cost_usd_per_100k_ci_high").unwrap_or(0.0)
}

/// Draws one kind of work.
fn panel(
    rows: &[&(&CellView, f64, Row<'_>)],
    names: &[String],
    present: &[Part],
    width: u32,
) -> Option<Drawing> {
    let x = Scale::from_zero(rows.iter().map(|(_, total, row)| {
        total
            .max(high(*row))
            .max(total + s3_of(*row).unwrap_or(0.0))
    }));
    draw_rows(width, names, x, "USD per 100,000 images", |plot| {
        for (place, (cell, total, row)) in rows.iter().enumerate() {
            let (top, bottom, mut from) = (place as f64 + 0.2, place as f64 + 0.8, 0.0);
            for (part, column, name) in present {
                let value = row.number(column).unwrap_or(0.0);
                let text = format!(
                    "{}: {name} ${}, of ${} in all",
                    marked(cell),
                    spelt(value),
                    spelt(*total)
                );
                plot.bar(
                    (from, top),
                    (from + value, bottom),
                    colour(*part).mix(1.0),
                    text,
                )?;
                from += value;
            }
            if let Some(s3) = s3_of(*row) {
                let text = format!(
                    "{}: S3 requests ${}, beside ${} for compute",
                    marked(cell),
                    spelt(s3),
                    spelt(*total)
                );
                plot.bar((from, top), (from + s3, bottom), colour(S3).mix(0.35), text)?;
            }
            if let Some(low) = row.number("cost_usd_per_100k_ci_low") {
                let style = BLACK.stroke_width(1);
                plot.chart.draw_series([PathElement::new(
                    [(low, place as f64 + 0.5), (high(*row), place as f64 + 0.5)],
                    style,
                )])?;
            }
        }
        Ok(())
    })
}

/// Draws one bar a cell, made of the parts of its hosting cost.
pub fn figure(run: &Run, width: u32) -> Option<Figure> {
    let rows: Vec<_> = run
        .costs
        .iter()
        .filter_map(|row| {
            Some((
                run.cell(row.text("cell_id")?)?,
                row.number("cost_usd_per_100k")?,
                row,
            ))
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let present: Vec<Part> = PARTS
        .iter()
        .enumerate()
        .filter(|(_, (column, _))| {
            rows.iter()
                .any(|(.., row)| row.number(column).unwrap_or(0.0) > 0.0)
        })
        .map(|(place, (column, name))| (place, *column, *name))
        .collect();
    let drawing = by_kind(
        &rows,
        |row| row.0,
        |rows, names| panel(rows, names, &present, width),
    )?;
    let mut legend: Vec<_> = present
        .iter()
        .map(|(place, _, name)| (colour(*place), (*name).to_owned()))
        .collect();
    if rows.iter().any(|(.., row)| s3_of(*row).is_some()) {
        legend.push((colour(S3), "S3 requests (light)".to_owned()));
    }
    let words = rows.iter().map(|(cell, total, row)| {
        let ci = row
            .number("cost_usd_per_100k_ci_low")
            .map(|low| (low, high(*row)));
        let s3 = s3_of(*row)
            .map(|usd| format!(", and ${} for S3 requests", spelt(usd)))
            .unwrap_or_default();
        format!("{}: ${} {}{s3}", marked(cell), spelt(*total), interval(ci))
    });
    let s3 = if rows.iter().any(|(.., row)| s3_of(*row).is_some()) {
        " Light: S3 requests. They cost equally much for every variant, so they do not count in \
         the ranking."
    } else {
        ""
    };
    Some(Figure {
        id: "cost".into(),
        group: Group::Whole,
        title: "Hosting cost of 100,000 images".into(),
        caption: format!(
            "Hosting at the {} prices of {}, first tier, without the free tier{}. Thin line: 95% \
             interval of the sum.{s3}{}",
            run.about("price_region"),
            run.about("price_date"),
            if run.imported().is_some() {
                "; AWS's price for the billed times in the imported rows"
            } else if run.is_aws() {
                ""
            } else {
                "; what AWS would charge for these durations, not a measured bill"
            },
            run.unconfirmed_prices(),
        ),
        alternative: words.collect::<Vec<_>>().join(". "),
        notes: sentences(run, PIPELINE, |_| "cost_usd_per_100k"),
        svg: drawing.with_legend(&legend),
    })
}
