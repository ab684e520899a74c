//! The prices of results: the only file that reads `experiments/prices/<region>.toml`.

use darkroom_core::cost::PriceTable;

use crate::exit::Failure;
use crate::project::Project;

/// Prices that every project has; used where a region has no table of its own.
const DEFAULT_PRICES: &str = include_str!("../../../../experiments/prices/us-east-1.toml");

/// Reads the region's price table; `None` where the project has none for it: what a run costs there
/// is not known.
pub fn prices(project: &Project, region: &str) -> Result<Option<PriceTable>, Failure> {
    project
        .price_table(region)
        .map(|text| parse(&text, region))
        .transpose()
}

/// Returns the region's price table, or the default one where there is no project or it has none
/// for the region.
pub fn prices_or_default(project: Option<&Project>, region: &str) -> Result<PriceTable, Failure> {
    let known = project
        .map(|project| prices(project, region))
        .transpose()?
        .flatten();
    known.map_or_else(default_prices, Ok)
}

/// Returns the prices that are built into the program, of us-east-1.
pub fn default_prices() -> Result<PriceTable, Failure> {
    parse(DEFAULT_PRICES, "us-east-1")
}

fn parse(text: &str, region: &str) -> Result<PriceTable, Failure> {
    let wrong = |error| {
        Failure::wrong_request(miette::miette!("experiments/prices/{region}.toml: {error}"))
    };
    PriceTable::parse(text).map_err(wrong)
}
