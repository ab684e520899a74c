//! `darkroom cost`: what a month of images would cost, from a run's measurements.

use std::path::Path;

use comfy_table::{CellAlignment, ContentArrangement, Table};
use darkroom_core::cell::{Cell, Start};
use darkroom_core::cost::{OF_TABLES, PriceTable};
use darkroom_core::month::{Month, PerImage, month};
use darkroom_report::{CellView, Run};
use serde::Serialize;

use crate::cli::{CostArgs, Globals};
use crate::display::{self, terminal};
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::results;

/// One cell's month.
#[derive(Serialize)]
struct Row {
    cell_id: String,
    outputs_ok: Option<bool>,
    per_image: PerImage,
    #[serde(flatten)]
    month: Month,
    /// `None` where restores have no price.
    hosting_usd: Option<f64>,
    /// 95% interval, of the compute that the passes measured.
    hosting_usd_ci: Option<(f64, f64)>,
    /// Prices that the table marks as unconfirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    unconfirmed_prices: Option<String>,
}

pub fn run(args: &CostArgs, globals: Globals) -> Result<Outcome, Failure> {
    let run = results::read(&args.run, &["cost", "{}"])?;
    let region = args
        .region
        .clone()
        .unwrap_or_else(|| run.about("price_region").to_owned());
    let prices = prices(&args.run, &region)?;
    let rows = rows(&run, args, &prices)?;
    if globals.json {
        let json = serde_json::to_string_pretty(&rows).expect("plain values");
        display::answer(&format!("{json}\n"))?;
    } else {
        display::answer(&text(&run, args, &prices, &rows))?;
    }
    Ok(Outcome::Done)
}

/// Unlike a run's own tables, a question about a region needs that region's prices: none is stood
/// in for.
fn prices(run: &Path, region: &str) -> Result<PriceTable, Failure> {
    let project = Project::of(&run.join("manifest.toml")).or_else(|_| Project::here());
    let prices = project
        .ok()
        .map(|project| results::prices(&project, region))
        .transpose()?
        .flatten();
    prices.ok_or_else(|| {
        Failure::wrong_request(miette::miette!(
            help = "copy experiments/prices/us-east-1.toml to that name, and fill in the \
                region's prices and their source",
            "no prices for {region}: experiments/prices/{region}.toml does not exist"
        ))
    })
}

fn rows(run: &Run, args: &CostArgs, prices: &PriceTable) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut without_partner = Vec::new();
    for cell in run.measured() {
        if args.cold_share > 0.0 && cell.cell.start == Start::Cold {
            continue; // It is part of its warm partner's mix.
        }
        let Some(warm) = work(run, cell) else {
            continue;
        };
        let (mut per_image, mut bounds) = (warm, compute_bounds(run, cell, &warm));
        if args.cold_share > 0.0 {
            let partner = cold_partner(cell);
            let partner_cell = run.measured().find(|other| other.id == partner);
            let Some((other, cold)) =
                partner_cell.and_then(|other| Some((other, work(run, other)?)))
            else {
                without_partner.push(partner);
                continue;
            };
            per_image = PerImage::mixed(cold, warm, args.cold_share);
            bounds = mixed_bounds(compute_bounds(run, other, &cold), bounds, args.cold_share);
        }
        let of = |per_image: &PerImage| {
            month(
                per_image,
                args.images,
                cell.cell.architecture,
                prices,
                args.free_tier,
            )
        };
        let found = of(&per_image);
        let ci = bounds.and_then(|(low, high)| {
            let at = |gb_s: f64| of(&PerImage { gb_s, ..per_image }).hosting_usd();
            Some((at(low)?, at(high)?))
        });
        rows.push(Row {
            cell_id: cell.id.clone(),
            outputs_ok: cell.outputs_ok,
            per_image,
            hosting_usd: found.hosting_usd(),
            hosting_usd_ci: ci,
            unconfirmed_prices: prices.unconfirmed(OF_TABLES),
            month: found,
        });
    }
    if rows.is_empty() && !without_partner.is_empty() {
        return Err(Failure::wrong_request(miette::miette!(
            help = "add start = [\"warm\", \"cold\"] to the manifest's matrix and run it again",
            "--cold-share needs cold cells, but the run measured none for {}",
            without_partner.join(", ")
        )));
    }
    for partner in without_partner {
        display::note(&format!(
            "left out: its cold counterpart {partner} was not measured"
        ));
    }
    Ok(rows)
}

/// Returns the mean work of one image in a cell; `None` where a stage has no measured duration.
fn work(run: &Run, cell: &CellView) -> Option<PerImage> {
    let billed: Option<f64> = run
        .stages
        .iter()
        .map(|stage| Some(run.stat(cell, stage, "billed_ms")?.mean))
        .sum();
    let stages = run.stages.len() as f64;
    // As `costs` counts them: the contract's, not those of a bill.
    let (s3_puts, s3_gets) = if run.about("transport") == "payload" {
        (1.0, 0.0)
    } else {
        (stages, stages)
    };
    let gb = f64::from(cell.cell.memory_mb) / 1024.0;
    let gb_s = gb * billed? / 1000.0;
    // Every start of such a cell restores an environment.
    let restored = cell.cell.start == Start::Cold && cell.cell.snapstart.is_on();
    let restored_gb = if restored { stages * gb } else { 0.0 };
    Some(PerImage {
        gb_s,
        requests: stages,
        s3_puts,
        s3_gets,
        restored_gb,
    })
}

/// Returns the id of the cell that differs in its start only.
fn cold_partner(cell: &CellView) -> String {
    Cell {
        start: Start::Cold,
        ..cell.cell.clone()
    }
    .id()
    .to_string()
}

/// Adds up the bounds of both starts' shares: no narrower than the interval of the mix, and either
/// start's own at its end.
fn mixed_bounds(
    cold: Option<(f64, f64)>,
    warm: Option<(f64, f64)>,
    share: f64,
) -> Option<(f64, f64)> {
    let (cold, warm) = (cold?, warm?);
    let mixed = |cold: f64, warm: f64| share * cold + (1.0 - share) * warm;
    Some((mixed(cold.0, warm.0), mixed(cold.1, warm.1)))
}

/// The 95% interval of the GB-seconds of an image: what the measured passes leave open.
fn compute_bounds(run: &Run, cell: &CellView, work: &PerImage) -> Option<(f64, f64)> {
    let row = run
        .costs
        .iter()
        .find(|row| row.text("cell_id") == Some(&cell.id))?;
    let compute = row.number("compute_usd_per_100k")? + row.number("init_usd_per_100k")?;
    let rest = row.number("cost_usd_per_100k")? - compute;
    let factor = |bound: &str| Some((row.number(bound)? - rest) / compute * work.gb_s);
    Some((
        factor("cost_usd_per_100k_ci_low")?,
        factor("cost_usd_per_100k_ci_high")?,
    ))
}

/// Says which starts the month's calls have: the mix that was asked for, or each cell's own.
fn starts(run: &Run, args: &CostArgs, rows: &[Row]) -> String {
    let is_cold = |row: &&Row| {
        let cell = run.cell(&row.cell_id);
        cell.is_some_and(|cell| cell.cell.start == Start::Cold)
    };
    let cold = rows.iter().filter(is_cold).count();
    starts_in_words(cold, rows.len(), args.cold_share)
}

fn starts_in_words(cold: usize, all: usize, share: f64) -> String {
    match cold {
        0 => format!("{:.1}% cold starts", share * 100.0),
        _ if cold == all => "cold starts only".to_owned(),
        _ => "cold cells with cold starts only, warm cells with none".to_owned(),
    }
}

/// Whether any image of these meets environments that are restored from snapshots.
fn has_restores(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.per_image.restored_gb > 0.0)
}

/// A line for each cell, whose label `label` tells; a column for restores where there are any.
fn table(rows: &[Row], label: impl Fn(&Row) -> String) -> Table {
    let restores = has_restores(rows);
    let mut table = Table::new();
    table
        .load_style(terminal::RULED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(display::width()).force_no_tty();
    let header = header(restores);
    let numbers = 1..header.len() - 1;
    table.set_header(header);
    for row in rows {
        table.add_row(line(row, label(row), restores));
    }
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn header(restores: bool) -> Vec<&'static str> {
    let mut header = vec!["cell", "GB-s", "compute $", "requests $"];
    header.extend(restores.then_some("restores $"));
    header.extend(["hosting $ a month", "95% interval", "S3 requests $", ""]);
    header
}

fn line(row: &Row, label: String, restores: bool) -> Vec<String> {
    let usd = |value: f64| format!("{value:.2}");
    let known = |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), usd);
    let mut remarks = Vec::new();
    if row.outputs_ok == Some(false) {
        remarks.push("WRONG");
    }
    if row.month.restore_usd.is_none() {
        remarks.push("restores: price unknown");
    }
    let mut line = vec![
        label,
        format!("{:.0}", row.month.gb_s),
        usd(row.month.compute_usd),
        usd(row.month.requests_usd),
    ];
    line.extend(restores.then(|| known(row.month.restore_usd)));
    line.extend([
        known(row.hosting_usd),
        row.hosting_usd_ci
            .map_or_else(String::new, |(low, high)| format!("{low:.2} to {high:.2}")),
        usd(row.month.s3_usd),
        remarks.join(", "),
    ]);
    line
}

fn text(run: &Run, args: &CostArgs, prices: &PriceTable, rows: &[Row]) -> String {
    let table = table(rows, |row| {
        run.cell(&row.cell_id)
            .map_or_else(String::new, |cell| cell.label.clone())
    });
    let compute = &prices.lambda.compute;
    let tiers = if compute.x86_64.len() > 1 && compute.arm64.len() > 1 {
        "Volume tiers are applied."
    } else {
        "All at the price of the first volume tier: this price table lacks the prices of larger \
         volumes."
    };
    let measured = if run.is_local() {
        " Durations are this machine's, not AWS's."
    } else {
        ""
    };
    let snapshots = if has_restores(rows) {
        ", keeping snapshots"
    } else {
        ""
    };
    let unconfirmed = prices
        .unconfirmed(OF_TABLES)
        .map(|keys| format!(" Unconfirmed prices: {keys}."))
        .unwrap_or_default();
    format!(
        "\n{} images per month, {} prices of {}, {}, {} the free \
         tier\n{table}\n{tiers} Not included: log ingestion, data transfer, \
         storage{snapshots}.{measured}{unconfirmed}\n",
        args.images,
        prices.region,
        prices.date,
        starts(run, args, rows),
        if args.free_tier { "with" } else { "without" },
    )
}

#[cfg(test)]
mod tests {
    use darkroom_core::cell::Architecture;

    use super::*;

    fn row(restored_gb: f64, snapstart: bool) -> Row {
        let file = include_str!("../../../../experiments/prices/us-east-1.toml");
        let mut prices = PriceTable::parse(file).unwrap();
        prices.lambda.snapstart = prices.lambda.snapstart.filter(|_| snapstart);
        let per_image = PerImage {
            gb_s: 1.0,
            requests: 5.0,
            s3_puts: 5.0,
            s3_gets: 5.0,
            restored_gb,
        };
        let month = month(&per_image, 1e6, Architecture::X86_64, &prices, false);
        Row {
            cell_id: "a".into(),
            outputs_ok: Some(true),
            per_image,
            hosting_usd: month.hosting_usd(),
            hosting_usd_ci: None,
            unconfirmed_prices: None,
            month,
        }
    }

    #[test]
    fn restores_have_a_column_of_their_own_and_without_a_price_there_is_no_sum() {
        let shown = |row: &Row| -> Vec<(&str, String)> {
            let restores = has_restores(std::slice::from_ref(row));
            let line = line(row, "a".into(), restores);
            header(restores).into_iter().zip(line).collect()
        };
        let usd = |column: &'static str, text: &str| (column, text.to_owned());
        let with = shown(&row(2.5, true));
        // Of a million images, each of 1 GB-s, 5 requests and 2.5 GB.
        let sum = [
            usd("compute $", "16.67"),
            usd("requests $", "1.00"),
            usd("restores $", "349.50"),
            usd("hosting $ a month", "367.17"),
        ];
        assert_eq!(with[2..6], sum);
        let unpriced = row(2.5, false);
        let json = serde_json::to_value(&unpriced).unwrap();
        assert!(json["hosting_usd"].is_null() && json["restore_usd"].is_null());
        let without = shown(&unpriced);
        let unknown = [
            usd("restores $", "unknown"),
            usd("hosting $ a month", "unknown"),
        ];
        assert_eq!(without[4..6], unknown);
        assert_eq!(without[8], usd("", "restores: price unknown"));
        let never = shown(&row(0.0, false));
        assert_eq!(never[4], usd("hosting $ a month", "17.67"));
        assert_eq!(never[7], usd("", ""));
    }

    #[test]
    fn a_month_of_cold_cells_is_not_said_to_have_no_cold_starts() {
        assert_eq!(starts_in_words(0, 3, 0.05), "5.0% cold starts");
        assert_eq!(starts_in_words(2, 2, 0.0), "cold starts only");
        assert!(starts_in_words(1, 3, 0.0).starts_with("cold cells with cold starts only"));
    }
}
