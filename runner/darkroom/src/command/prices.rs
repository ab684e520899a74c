//! `darkroom prices check`: compares a region's price table with price lists that the user
//! downloaded from AWS. Needs no network.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use darkroom_core::cost::PriceTable;
use darkroom_core::price_list::{self, Checked, Finding, ListedTier, PriceList};
use serde::Serialize;

use crate::cli::{Globals, PriceCheckArgs, PricesArgs, PricesCommand};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::plain_file;
use crate::project::Project;
use crate::results;

/// One price, for `--json`.
#[derive(Serialize)]
struct Row {
    price: &'static str,
    verdict: &'static str,
    table_usd: Vec<f64>,
    list_usd: Vec<f64>,
    unconfirmed: bool,
}

pub fn run(args: &PricesArgs, globals: Globals) -> Result<Outcome, Failure> {
    match &args.command {
        PricesCommand::Check(args) => check(args, globals),
    }
}

fn check(args: &PriceCheckArgs, globals: Globals) -> Result<Outcome, Failure> {
    let lists = args.lists.iter().map(|path| read(path));
    let lists = lists.collect::<Result<Vec<_>, _>>()?;
    let region = region(args, &lists)?;
    let project = Project::here().map_err(Failure::wrong_request)?;
    let table = results::prices(&project, &region)?;
    let checked = price_list::check(table.as_ref(), &lists, &region);
    if globals.json {
        display::answer_json(&rows(&checked, table.as_ref()))?;
    } else if !globals.quiet {
        display::answer(&text(&checked, table.as_ref(), &lists, &region))?;
    }
    if let Some(path) = &args.write {
        write(path, table.as_ref(), &lists, &region)?;
        display::note(&format!("wrote {}", path.display()));
    }
    let agrees = |of: &Checked| matches!(of.finding, Finding::Agrees { .. } | Finding::NoList);
    Ok(if checked.iter().all(agrees) {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    })
}

fn read(path: &Path) -> Result<PriceList, Failure> {
    let wrong = |why: String| {
        Failure::wrong_request(miette::miette!(
            code = "prices::list",
            help = "download a service's list of one region as JSON, also of AmazonS3 and \
                AmazonCloudWatch:\nhttps://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AWSLambda/current/us-east-1/index.json",
            "{} is not an AWS price list (offer file): {why}",
            path.display()
        ))
    };
    let bytes =
        plain_file::read(path, plain_file::MOST).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| wrong(error.to_string()))?;
    PriceList::parse(&text).map_err(|error| wrong(error.to_string()))
}

/// Returns the region to check: the one asked for, else the only one that the lists have in common.
fn region(args: &PriceCheckArgs, lists: &[PriceList]) -> Result<String, Failure> {
    for (list, path) in lists.iter().zip(&args.lists) {
        let lacks = args
            .region
            .as_deref()
            .filter(|region| !list.regions().contains(region));
        if let Some(region) = lacks {
            return Err(Failure::wrong_request(miette::miette!(
                code = "prices::region",
                help = "download the list of that region, or name another one with --region",
                "{} has no price of {region}",
                path.display()
            )));
        }
    }
    if let Some(region) = &args.region {
        return Ok(region.clone());
    }
    let regions = lists.iter().map(PriceList::regions);
    let common = regions.reduce(|all, of| all.intersection(&of).copied().collect());
    let common: Vec<&str> = common.unwrap_or_default().into_iter().collect();
    match common[..] {
        [region] => Ok(region.to_owned()),
        [] => Err(Failure::wrong_request(miette::miette!(
            code = "prices::region",
            help = "give lists of one region",
            "the files have no region in common"
        ))),
        _ => Err(Failure::wrong_request(miette::miette!(
            code = "prices::region",
            help = "choose one with --region",
            "the files hold prices of {} regions",
            common.len()
        ))),
    }
}

fn rows(checked: &[Checked], table: Option<&PriceTable>) -> Vec<Row> {
    let usd = |tiers: &[ListedTier]| tiers.iter().map(|tier| tier.usd).collect::<Vec<f64>>();
    let row = |of: &Checked| {
        let (verdict, table_usd, list_usd) = match &of.finding {
            Finding::Agrees { usd } => ("agrees", vec![*usd], vec![*usd]),
            Finding::Differs { table, list } => ("differs", table.clone(), usd(list)),
            Finding::New(list) => ("not in the table", Vec::new(), usd(list)),
            Finding::NotInList => ("not in the list", Vec::new(), Vec::new()),
            Finding::Several(all) => ("several prices", Vec::new(), all.clone()),
            Finding::NoList => ("no list", Vec::new(), Vec::new()),
        };
        Row {
            price: of.key,
            verdict,
            table_usd,
            list_usd,
            unconfirmed: is_unconfirmed(table, of.key),
        }
    };
    checked.iter().map(row).collect()
}

fn is_unconfirmed(table: Option<&PriceTable>, key: &str) -> bool {
    let marked = |table: &PriceTable| table.unconfirmed(&[key]).is_some();
    table.is_some_and(marked)
}

fn text(
    checked: &[Checked],
    table: Option<&PriceTable>,
    lists: &[PriceList],
    region: &str,
) -> String {
    let mut text = match table {
        Some(table) => format!("experiments/prices/{region}.toml of {}", table.date),
        None => format!("no experiments/prices/{region}.toml"),
    };
    let lists = lists
        .iter()
        .map(|list| format!("{} of {}", list.offer_code, list.day()));
    let _ = writeln!(
        text,
        " beside AWS's {}",
        lists.collect::<Vec<_>>().join(", ")
    );
    let width = checked.iter().map(|of| of.key.len()).max().unwrap_or(0);
    for of in checked {
        let mark = if is_unconfirmed(table, of.key) {
            " (marked as unconfirmed)"
        } else {
            ""
        };
        let said = match &of.finding {
            Finding::Agrees { usd } => format!("agrees     ${usd}"),
            Finding::Differs { table, list } => {
                format!(
                    "DIFFERS    ${} in the table, ${} in the list",
                    dollars(table),
                    tiers(list)
                )
            }
            Finding::New(list) => format!("MISSING    in the table; ${} in the list", tiers(list)),
            Finding::NotInList => "NOT FOUND  in the list".to_owned(),
            Finding::Several(all) => {
                format!("UNCLEAR    the list has several prices: ${}", dollars(all))
            }
            Finding::NoList => format!("not checked: add the list of {}", of.offer),
        };
        let _ = writeln!(text, "{:<width$}  {said}{mark}", of.key);
    }
    text
}

fn dollars(all: &[f64]) -> String {
    let all: Vec<String> = all.iter().map(f64::to_string).collect();
    all.join(" / ")
}

fn tiers(list: &[ListedTier]) -> String {
    dollars(&list.iter().map(|tier| tier.usd).collect::<Vec<f64>>())
}

/// Writes the new table. A file that is there already is replaced only if it is the region's own.
fn write(
    path: &PathBuf,
    table: Option<&PriceTable>,
    lists: &[PriceList],
    region: &str,
) -> Result<(), Failure> {
    let own = Path::new("experiments/prices").join(format!("{region}.toml"));
    if path.exists() && !path.ends_with(own) {
        return Err(Failure::wrong_request(miette::miette!(
            code = "prices::exists",
            help = "name a new file, or experiments/prices/{region}.toml itself",
            "{} exists already",
            path.display()
        )));
    }
    let free = results::default_prices()?.lambda.free_tier;
    let new = price_list::renewed(table, lists, region, &free).map_err(|missing| {
        Failure::wrong_request(miette::miette!(
            code = "prices::incomplete",
            help = "give the lists of AWSLambda and AmazonS3 too",
            "{region} has no price table yet, and the files lack {}",
            missing.join(", ")
        ))
    })?;
    let text = price_list::spelled(&new).map_err(|error| error.to_string());
    let written = text.and_then(|text| fs::write(path, text).map_err(|error| error.to_string()));
    written.map_err(|reason| {
        Failure::broken(miette::miette!("cannot write {}: {reason}", path.display()))
    })
}
