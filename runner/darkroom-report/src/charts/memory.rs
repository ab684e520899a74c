//! The effect of memory: turnaround and cost over memory size, and cost against turnaround with its
//! Pareto front.

use std::collections::BTreeMap;

use darkroom_core::cell::Factors;
use darkroom_tables::read::Row;
use plotters::prelude::*;

use super::Figure;
use super::canvas::{Axes, Drawing, Failed, Plot, colour, draw};
use super::figure::Group;
use super::panels::by_kind;
use super::runtime::marked;
use super::scale::Scale;
use crate::kinds::kinds;
use crate::number::{figure as spelt, interval};
use crate::run::{CellView, PIPELINE, Run, Stat};

struct Place<'a> {
    cell: &'a CellView,
    cost: Stat,
    turnaround: Stat,
    /// As the table of choices has it; `None` where there is no such table or the cell is not to be
    /// chosen.
    on_front: Option<bool>,
}

/// Draws what there is: curves over memory where a cell has several sizes, cost over turnaround
/// where there is a choice.
pub fn figures(run: &Run, width: u32) -> Vec<Figure> {
    let places: Vec<Place<'_>> = run.measured().filter_map(|cell| point(run, cell)).collect();
    let curves = [
        (
            "memory-turnaround",
            "Turnaround by memory size",
            "mean turnaround, s",
        ),
        (
            "memory-cost",
            "Cost by memory size",
            "USD per 100,000 images",
        ),
    ];
    let of: [fn(&Place<'_>) -> Stat; 2] = [|place| place.turnaround, |place| place.cost];
    let mut figures: Vec<Figure> = curves
        .into_iter()
        .zip(of)
        .filter_map(|(names, of)| curve(&places, names, of, width))
        .collect();
    figures.extend(against(run, &places, width));
    figures
}

fn point<'a>(run: &'a Run, cell: &'a CellView) -> Option<Place<'a>> {
    let choice = run
        .choices
        .iter()
        .find(|row| row.text("cell_id") == Some(&cell.id));
    Some(Place {
        cell,
        turnaround: run.stat(cell, PIPELINE, "turnaround_s")?,
        cost: run.stat(cell, PIPELINE, "cost_usd_per_100k")?,
        on_front: choice.and_then(|row: Row<'_>| row.truth("on_front")),
    })
}

/// Draws one mean with its interval over memory, a line for each set of cells that differ in memory
/// only, a panel for each kind of work.
fn curve(
    places: &[Place<'_>],
    (id, title, unit): (&str, &str, &str),
    of: fn(&Place<'_>) -> Stat,
    width: u32,
) -> Option<Figure> {
    let drawing = by_kind(
        places,
        |place| place.cell,
        |places, _| curves(places, unit, of, width),
    )?;
    let in_a_line = by_memory(&places.iter().collect::<Vec<_>>());
    let told = in_a_line.values().filter(|line| line.len() > 1).flatten();
    Some(Figure {
        id: id.into(),
        group: Group::Memory,
        title: title.into(),
        caption: "Means with their 95% intervals. On Lambda memory buys CPU: 1769 MB is one vCPU."
            .into(),
        alternative: told
            .map(|place| point_in_words(place))
            .collect::<Vec<_>>()
            .join(". "),
        notes: Vec::new(),
        svg: drawing.svg(),
    })
}

/// Draws the curves of one kind of work; nothing where no cell has several sizes.
fn curves(
    places: &[&Place<'_>],
    unit: &str,
    of: fn(&Place<'_>) -> Stat,
    width: u32,
) -> Option<Drawing> {
    let lines: Vec<Vec<&Place<'_>>> = by_memory(places)
        .into_values()
        .filter(|line| line.len() > 1)
        .collect();
    if lines.is_empty() {
        return None;
    }
    let all = || lines.iter().flatten();
    let means: Vec<f64> = all().map(|place| of(place).mean).collect();
    let ends = all().flat_map(|place| {
        <[f64; 2]>::from(of(place).ci.unwrap_or((of(place).mean, of(place).mean)))
    });
    let axes = Axes {
        width,
        x: Scale::from_zero(all().map(|place| f64::from(place.cell.cell.memory_mb))),
        y: Scale::of_levels(&means, ends),
        x_title: "memory, MB",
        y_title: unit,
        height: 300,
    };
    let at = |place: &Place<'_>| (f64::from(place.cell.cell.memory_mb), of(place).mean);
    let names: Vec<String> = lines.iter().map(|line| family(line[0].cell)).collect();
    let mut unnamed = 0;
    let drawing = draw(&axes, |plot| {
        for line in &lines {
            let ink = colour(line[0].cell.colour);
            let path: Vec<(f64, f64)> = line.iter().map(|place| at(place)).collect();
            plot.chart
                .draw_series([PathElement::new(path, ink.stroke_width(2))])?;
            for place in line {
                let (x, y) = at(place);
                if let Some((low, high)) = of(place).ci {
                    plot.chart.draw_series([PathElement::new(
                        [(x, low), (x, high)],
                        ink.stroke_width(2),
                    )])?;
                }
                plot.chart
                    .draw_series([Circle::new((x, y), 4, ink.filled())])?;
                plot.tell((x, y), 10, point_in_words(place));
            }
        }
        let first: Vec<(f64, f64)> = lines.iter().map(|line| at(line[0])).collect();
        let crossed: Vec<[(f64, f64); 2]> = lines
            .iter()
            .flat_map(|line| line.windows(2).map(|ends| [at(ends[0]), at(ends[1])]))
            .collect();
        unnamed = plot.name_all(&first, &names, &crossed)?;
        Ok(())
    })?;
    let entry =
        |(line, name): (&Vec<&Place<'_>>, &String)| (colour(line[0].cell.colour), name.clone());
    let legend: Legend = lines.iter().zip(&names).map(entry).collect();
    Some(if unnamed == 0 {
        drawing
    } else {
        drawing.under(&legend)
    })
}

/// Draws cost over turnaround, a figure for each kind of work that has more than one cell to choose
/// from: a front is of cells that do the same work, and a cold cell is not beaten by a warm one.
fn against(run: &Run, places: &[Place<'_>], width: u32) -> Vec<Figure> {
    let kinds = kinds(places, |place| &place.cell.cell);
    let drawn = kinds.iter().filter(|kind| kind.members.len() > 1);
    drawn
        .filter_map(|kind| of_kind(run, &kind.members, kind.name.as_deref(), width))
        .collect()
}

/// Draws the cells of one kind of work; `kind` names it where there are several.
fn of_kind(run: &Run, places: &[&Place<'_>], kind: Option<&str>, width: u32) -> Option<Figure> {
    // A front of one is no choice.
    let candidates = places
        .iter()
        .filter(|place| place.on_front.is_some())
        .count();
    let ringed = |place: &Place<'_>| candidates > 1 && place.on_front == Some(true);
    let factors = Factors::of(places.iter().map(|place| &place.cell.cell));
    let names: Vec<String> = places.iter().map(|place| named(place, &factors)).collect();
    let (drawing, legend, unnamed) = named_or_numbered(places, &names, &ringed, width)?;
    let front = match (run.choices.rows.is_empty(), candidates) {
        (true, _) => "The Pareto front is not marked: this run lacks the table choices.",
        (false, 0 | 1) => {
            "No Pareto front is marked: fewer than two of these cells have right outputs."
        }
        _ => {
            "Ringed: the Pareto front, cells with right outputs that no other right cell here beats in both means. Neighbours \
             may differ by noise alone."
        }
    };
    let (id, title) = match kind {
        None => (
            "cost-turnaround".to_owned(),
            "Cost against turnaround".to_owned(),
        ),
        Some(kind) => (
            format!("cost-turnaround-{}", anchor(kind)),
            format!("Cost against turnaround, {kind}"),
        ),
    };
    Some(Figure {
        id,
        group: Group::Wide,
        title,
        caption: format!(
            "Each dot is a cell, with its 95% intervals; a line joins one variant's memory sizes. {front}{unnamed}"
        ),
        alternative: places
            .iter()
            .map(|place| {
                point_in_words(place)
                    + if ringed(place) {
                        ", on the Pareto front"
                    } else {
                        ""
                    }
            })
            .collect::<Vec<_>>()
            .join(". "),
        notes: Vec::new(),
        svg: drawing.with_legend(&legend),
    })
}

type Legend = Vec<(RGBColor, String)>;

/// Draws the dots with their names, or with numbers that the legend explains where not every name
/// has room. Says in words what of both stands there.
fn named_or_numbered(
    places: &[&Place<'_>],
    names: &[String],
    ringed: &dyn Fn(&Place<'_>) -> bool,
    width: u32,
) -> Option<(Drawing, Legend, String)> {
    let of = |place: &Place<'_>, text: String| (colour(place.cell.colour), text);
    let (drawing, unnamed) = dots_of(places, names, ringed, width)?;
    if unnamed > 0 {
        let numbers: Vec<String> = (1..=places.len())
            .map(|number| number.to_string())
            .collect();
        let (numbered, without) = dots_of(places, &numbers, ringed, width)?;
        if without < unnamed {
            let entry = |((place, name), number): ((&&Place<'_>, &String), &String)| {
                of(place, format!("{number} {name}"))
            };
            let legend = places.iter().zip(names).zip(&numbers).map(entry).collect();
            let rest = if without > 0 {
                format!(" {} have no room even for that.", dots(without))
            } else {
                String::new()
            };
            return Some((
                numbered,
                legend,
                format!(" Numbers stand for names; the legend explains them.{rest}"),
            ));
        }
    }
    let mut legend: Legend = Vec::new();
    for place in places {
        let entry = of(place, place.cell.cell.variant.clone());
        if !legend.contains(&entry) {
            legend.push(entry);
        }
    }
    let unnamed = match unnamed {
        0 => String::new(),
        some => format!(
            " {} have no room for a name; the words below name every cell.",
            dots(some)
        ),
    };
    Some((drawing, legend, unnamed))
}

/// Draws the dots of these cells, named so; returns how many names had no room.
fn dots_of(
    places: &[&Place<'_>],
    names: &[String],
    ringed: &dyn Fn(&Place<'_>) -> bool,
    width: u32,
) -> Option<(Drawing, usize)> {
    // With room for names beside the outermost dots.
    let scale = |of: fn(&Place<'_>) -> Stat, room: f64| {
        let means: Vec<f64> = places.iter().map(|place| of(place).mean).collect();
        let ends = places.iter().flat_map(|place| {
            let (low, high) = of(place).ci.unwrap_or((of(place).mean, of(place).mean));
            [low, high * room]
        });
        Scale::of_levels(&means, ends)
    };
    let axes = Axes {
        width,
        x: scale(|place| place.turnaround, 1.08),
        y: scale(|place| place.cost, 1.05),
        x_title: "mean turnaround, s",
        y_title: "USD per 100,000 images",
        height: 360,
    };
    let at = |place: &Place<'_>| (place.turnaround.mean, place.cost.mean);
    let mut unnamed = 0;
    let drawing = draw(&axes, |plot| {
        for line in by_memory(places).values().filter(|line| line.len() > 1) {
            let path: Vec<(f64, f64)> = line.iter().map(|place| at(place)).collect();
            let ink = colour(line[0].cell.colour).mix(0.6).stroke_width(2);
            plot.chart.draw_series([PathElement::new(path, ink)])?;
        }
        for place in places {
            dot(plot, place, ringed(place))?;
        }
        let lines = by_memory(places);
        let lines: Vec<[(f64, f64); 2]> = lines
            .values()
            .flat_map(|line| line.windows(2).map(|ends| [at(ends[0]), at(ends[1])]))
            .collect();
        // Who chooses looks at the front first; the fast end is where dots are closest.
        let mut order: Vec<(&&Place<'_>, &String)> = places.iter().zip(names).collect();
        let fast = |place: &Place<'_>| place.turnaround.mean;
        order.sort_by(|(a, _), (b, _)| ringed(b).cmp(&ringed(a)).then(fast(a).total_cmp(&fast(b))));
        let (dots, names): (Vec<_>, Vec<String>) = order
            .into_iter()
            .map(|(place, name)| (at(place), name.clone()))
            .unzip();
        unnamed = plot.name_all(&dots, &names, &lines)?;
        Ok(())
    })?;
    Some((drawing, unnamed))
}

fn dot(plot: &mut Plot<'_>, place: &Place<'_>, ringed: bool) -> Result<(), Failed> {
    let (at, ink) = (
        (place.turnaround.mean, place.cost.mean),
        colour(place.cell.colour),
    );
    let across = place
        .turnaround
        .ci
        .map(|(low, high)| [(low, at.1), (high, at.1)]);
    let along = place.cost.ci.map(|(low, high)| [(at.0, low), (at.0, high)]);
    for bar in across.into_iter().chain(along) {
        plot.chart
            .draw_series([PathElement::new(bar, ink.stroke_width(1))])?;
    }
    plot.chart.draw_series([Circle::new(at, 5, ink.filled())])?;
    if ringed {
        plot.chart
            .draw_series([Circle::new(at, 8, BLACK.stroke_width(2))])?;
    }
    plot.tell(at, 10, point_in_words(place));
    Ok(())
}

/// Names a cell among those of its figure, and says so where its outputs are not right.
fn named(place: &Place<'_>, factors: &Factors) -> String {
    factors.label(&place.cell.cell) + place.cell.mark()
}

fn dots(count: usize) -> String {
    if count == 1 {
        "1 dot has".into()
    } else {
        format!("{count} dots have")
    }
}

/// A name as a part of a file's name and of an anchor.
fn anchor(name: &str) -> String {
    let plain = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect::<String>();
    plain
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

fn point_in_words(place: &Place<'_>) -> String {
    format!(
        "{}, {} MB: {} s {}, ${} per 100,000 images {}",
        family(place.cell),
        place.cell.cell.memory_mb,
        spelt(place.turnaround.mean),
        interval(place.turnaround.ci),
        spelt(place.cost.mean),
        interval(place.cost.ci)
    )
}

/// Names a cell without its memory size.
pub fn family(cell: &CellView) -> String {
    marked(cell).replace(&format!(" {} MB", cell.cell.memory_mb), "")
}

/// Returns places that differ in memory only, smallest first.
fn by_memory<'p, 'a>(places: &[&'p Place<'a>]) -> BTreeMap<String, Vec<&'p Place<'a>>> {
    let mut lines: BTreeMap<String, Vec<&'p Place<'a>>> = BTreeMap::new();
    for place in places {
        let mut of = place.cell.cell.clone();
        of.memory_mb = 0;
        lines.entry(of.id().to_string()).or_default().push(place);
    }
    for line in lines.values_mut() {
        line.sort_by_key(|place| place.cell.cell.memory_mb);
    }
    lines
}
