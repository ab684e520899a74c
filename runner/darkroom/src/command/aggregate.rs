//! `darkroom aggregate`: a run's tables, made from its journal alone; and their showing, which every run ends with.

use std::io;
use std::path::Path;

use darkroom_core::cost::PriceTable;
use darkroom_core::event::Event;
use darkroom_tables::Summary;

use crate::cli::{AggregateArgs, Globals};
use crate::display::{self, terminal};
use crate::exit::{Failure, Outcome};
use crate::record::{complete, read};

/// Prices that every project has; used where a region has no table of its own.
const DEFAULT_PRICES: &str = include_str!("../../../../experiments/prices/us-east-1.toml");

pub fn run(args: &AggregateArgs, globals: Globals) -> Result<Outcome, Failure> {
    let path = args.run.canonicalize().map_err(|error| {
        Failure::wrong_request(miette::miette!("cannot open the run {}: {error}", args.run.display()))
    })?;
    let root = path.ancestors().find(|folder| folder.join("experiments").is_dir()).unwrap_or(&path).to_owned();
    tables(&path, &root, globals)
}

/// Makes every table of the run at `path` and shows its summary.
pub fn tables(path: &Path, root: &Path, globals: Globals) -> Result<Outcome, Failure> {
    let journal = path.join("journal.ndjson");
    let first = read(&journal).and_then(|mut facts| facts.next().transpose()).map_err(Failure::wrong_request)?;
    let Some(Event::RunStarted(run)) = first else {
        return Err(Failure::wrong_request(miette::miette!("{} holds no run", journal.display())));
    };
    let prices = prices(root, &run.region)?;
    let facts = complete(&journal).map_err(Failure::wrong_request)?;
    let summary = darkroom_tables::aggregate(facts, &prices, path)
        .map_err(|error| Failure::broken(miette::miette!("the tables could not be made: {error}")))?;
    show(&summary, globals)?;
    Ok(if summary.has_failures() { Outcome::SomeCellsFailed } else { Outcome::Done })
}

fn show(summary: &Summary, globals: Globals) -> Result<(), Failure> {
    if globals.json {
        let json = serde_json::to_string_pretty(summary).expect("a summary is plain values");
        return display::answer(&format!("{json}\n"));
    }
    if globals.quiet {
        return Ok(());
    }
    let look = terminal::Look { colours: display::colours(&io::stdout()), width: display::width() };
    display::answer(&terminal::summary(summary, look))
}

/// Reads the region's price table, or the default one where the project has none for it.
fn prices(root: &Path, region: &str) -> Result<PriceTable, Failure> {
    let path = root.join("experiments/prices").join(format!("{region}.toml"));
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => DEFAULT_PRICES.to_owned(),
        Err(error) => return Err(Failure::wrong_request(miette::miette!("cannot read {}: {error}", path.display()))),
    };
    PriceTable::parse(&text).map_err(|error| Failure::wrong_request(miette::miette!("{}: {error}", path.display())))
}
