//! Parquet → the sample of every group and what else is in the group, by Polars.
//!
//! Reads only the columns it needs of the tables just written, so every statistic is one of rows that a reader of the
//! same file can select: `where counts_as = 'sample'`. Knows nothing of statistics.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use polars::prelude::{
    DataFrame, DataType, Expr, LazyFrame, PlRefPath, PolarsResult, ScanArgsParquet, Series, SortMultipleOptions, col,
    len, lit,
};

use crate::facts::CountsAs;

/// All rows of one stage (or of the pipeline) in one cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    pub rows: usize,
    pub failed: usize,
    pub wrong_start: usize,
    pub warm_up: usize,
    pub superseded: usize,
    pub no_report: usize,
    /// Which pass each row of the sample is of, in the order of execution; the values below are in the same order.
    pub keys: Vec<SampleKey>,
    /// The environment of each row of the sample, numbered likewise; `None` where it is not known. Empty for passes.
    pub environments: Vec<Option<u32>>,
    /// By column; `None` where the row has no value.
    pub values: HashMap<&'static str, Vec<Option<f64>>>,
}

/// What identifies a row of a sample within its group, and pairs it with one of another cell's.
///
/// Names are numbered in their alphabetical order over the whole table, so that order of keys does not depend on order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleKey {
    pub image: u32,
    pub deployment: i64,
    pub repetition: i64,
}

impl Group {
    /// Returns the sample of one deployment, its keys those of the only one, so that it pairs with another's.
    pub fn deployment(&self, deployment: i64) -> Self {
        let rows: Vec<usize> = (0..self.keys.len()).filter(|&row| self.keys[row].deployment == deployment).collect();
        let of = |values: &Vec<Option<f64>>| rows.iter().map(|&row| values[row]).collect();
        Self {
            keys: rows.iter().map(|&row| SampleKey { deployment: 1, ..self.keys[row] }).collect(),
            environments: rows.iter().filter_map(|&row| self.environments.get(row).copied()).collect(),
            values: self.values.iter().map(|(name, values)| (*name, of(values))).collect(),
            ..Self::default()
        }
    }

    /// Returns the values of a column that exist, in the order of execution.
    pub fn present(&self, column: &str) -> Vec<f64> {
        self.values.get(column).map(|values| values.iter().copied().flatten().collect()).unwrap_or_default()
    }
}

/// Returns the groups of `invocations` by cell and stage.
pub fn of_invocations(path: &Path, columns: &[&'static str]) -> PolarsResult<HashMap<(String, String), Group>> {
    let frame = grouped(path, &["cell_id", "stage"], "sequence", &[&KEYS[..], &["environment_id"]].concat(), columns)?;
    let (cells, stages) = (frame.column("cell_id")?.str()?, frame.column("stage")?.str()?);
    let names = cells.iter().zip(stages.iter()).map(|(c, s)| (c.unwrap_or("").to_owned(), s.unwrap_or("").to_owned()));
    names.zip(read(&frame, columns)?).map(Ok).collect()
}

/// Returns the groups of `pipelines` by cell.
pub fn of_pipelines(path: &Path, columns: &[&'static str]) -> PolarsResult<HashMap<String, Group>> {
    let frame = grouped(path, &["cell_id"], "started_at", &KEYS, columns)?;
    let cells = frame.column("cell_id")?.str()?;
    cells.iter().map(|c| c.unwrap_or("").to_owned()).zip(read(&frame, columns)?).map(Ok).collect()
}

const KEYS: [&str; 3] = ["image", "deployment", "repetition"];
const COUNTED: [CountsAs; 5] =
    [CountsAs::Failed, CountsAs::WrongStart, CountsAs::WarmUp, CountsAs::Superseded, CountsAs::NoReport];

/// One row a group: how many rows count as what, and a list per column of the sample's values in `order`.
fn grouped(path: &Path, by: &[&str], order: &str, keys: &[&str], columns: &[&'static str]) -> PolarsResult<DataFrame> {
    let sample = || col("counts_as").eq(lit(CountsAs::Sample.as_str()));
    let count =
        |kind: CountsAs| col("counts_as").eq(lit(kind.as_str())).sum().cast(DataType::Int64).alias(kind.as_str());
    let mut aggregates = vec![len().cast(DataType::Int64).alias("rows")];
    aggregates.extend(COUNTED.map(count));
    aggregates.extend(keys.iter().map(|&key| col(key).filter(sample())));
    aggregates.extend(columns.iter().map(|&name| col(name).cast(DataType::Float64).filter(sample())));
    let also = ["counts_as", order];
    let needed = by.iter().chain(keys).chain(columns).chain(&also).map(|&name| col(name));
    let needed: Vec<Expr> = needed.collect();
    LazyFrame::scan_parquet(PlRefPath::new(path.to_string_lossy()), ScanArgsParquet::default())?
        .select(needed)
        .sort([order], SortMultipleOptions::default().with_maintain_order(true))
        .group_by(by.iter().map(|&name| col(name)).collect::<Vec<_>>())
        .agg(aggregates)
        .collect()
}

fn read(frame: &DataFrame, columns: &[&'static str]) -> PolarsResult<Vec<Group>> {
    let images = numbered(frame, "image")?;
    let environments = if frame.get_column_index("environment_id").is_some() {
        numbered(frame, "environment_id")?
    } else {
        vec![Vec::new(); frame.height()]
    };
    let rows = images.into_iter().zip(environments).enumerate();
    rows.map(|(row, (images, environments))| read_group(frame, row, &images, environments, columns)).collect()
}

/// Returns the lists of texts in a column, each text as its place among all of the column's in alphabetical order.
fn numbered(frame: &DataFrame, column: &str) -> PolarsResult<Vec<Vec<Option<u32>>>> {
    let lists = frame.column(column)?.list()?;
    let rows: Vec<Series> = (0..frame.height()).filter_map(|row| lists.get_as_series(row)).collect();
    let texts = rows.iter().map(Series::str).collect::<PolarsResult<Vec<_>>>()?;
    let names: BTreeSet<&str> = texts.iter().flat_map(|texts| texts.iter().flatten()).collect();
    let numbers: HashMap<&str, u32> = names.into_iter().zip(0..).collect();
    Ok(texts
        .iter()
        .map(|texts| texts.iter().map(|text| text.and_then(|t| numbers.get(t).copied())).collect())
        .collect())
}

fn read_group(
    frame: &DataFrame,
    row: usize,
    images: &[Option<u32>],
    environments: Vec<Option<u32>>,
    columns: &[&'static str],
) -> PolarsResult<Group> {
    let count = |name: &str| PolarsResult::Ok(frame.column(name)?.i64()?.get(row).unwrap_or(0) as usize);
    let values = columns.iter().map(|&name| {
        let list = frame.column(name)?.list()?.get_as_series(row);
        let values = list.map(|series| PolarsResult::Ok(series.f64()?.iter().collect())).transpose()?;
        Ok((name, values.unwrap_or_default()))
    });
    Ok(Group {
        rows: count("rows")?,
        failed: count(CountsAs::Failed.as_str())?,
        wrong_start: count(CountsAs::WrongStart.as_str())?,
        warm_up: count(CountsAs::WarmUp.as_str())?,
        superseded: count(CountsAs::Superseded.as_str())?,
        no_report: count(CountsAs::NoReport.as_str())?,
        keys: read_keys(frame, row, images)?,
        environments,
        values: values.collect::<PolarsResult<_>>()?,
    })
}

fn read_keys(frame: &DataFrame, row: usize, images: &[Option<u32>]) -> PolarsResult<Vec<SampleKey>> {
    let list = |name: &str| PolarsResult::Ok(frame.column(name)?.list()?.get_as_series(row));
    let (Some(deployments), Some(repetitions)) = (list("deployment")?, list("repetition")?) else {
        return Ok(Vec::new());
    };
    let integers = deployments.i64()?.iter().zip(repetitions.i64()?.iter());
    let keys = images.iter().zip(integers).map(|(image, (deployment, repetition))| SampleKey {
        image: image.unwrap_or(0),
        deployment: deployment.unwrap_or(0),
        repetition: repetition.unwrap_or(0),
    });
    Ok(keys.collect())
}
