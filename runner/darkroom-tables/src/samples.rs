//! Parquet → the sample of every group, and what else is in the group.
//!
//! Reads the tables just written, a column and a batch of rows at a time, so ten million rows need
//! not fit in memory with all their columns. Every statistic uses rows that a reader of the same
//! file can select: `where counts_as = 'sample'`. Knows nothing about statistics.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::path::{Path, PathBuf};

use darkroom_core::ledger::CountsAs;
use darkroom_core::statistics::{Probes, UnitValue, longer};
use polars::prelude::{DataType, ParquetReader, PolarsResult, SerReader};
use rayon::prelude::*;

use crate::read::batches;
use crate::tally::Names;

/// All rows of one stage (or of the pipeline) in one cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleGroup {
    pub rows: usize,
    pub failed: usize,
    pub wrong_start: usize,
    pub proactive: usize,
    pub warm_up: usize,
    pub probe: usize,
    pub superseded: usize,
    pub no_report: usize,
    /// Which pass each row of the sample is of, in the order of execution; the values below are in
    /// the same order.
    pub keys: Vec<SampleKey>,
    /// The environment of each row of the sample, numbered likewise; `None` where it is not known.
    /// Empty for passes.
    pub environments: Vec<Option<u32>>,
    /// Of passes, the round of environments of each row of the sample; `None` where every pass has
    /// new ones. Empty for invocations.
    pub rounds: Vec<Option<u32>>,
    /// By column; `None` where the row has no value.
    pub values: HashMap<&'static str, Vec<Option<f64>>>,
    /// The probes, in no sample: which passes they are of, and their values by column.
    pub probe_keys: Vec<SampleKey>,
    pub probe_values: HashMap<&'static str, Vec<Option<f64>>>,
}

/// How many rows of a group are not in its sample, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounts {
    pub failed: usize,
    pub wrong_start: usize,
    pub proactive: usize,
    pub warm_up: usize,
    pub probe: usize,
    pub superseded: usize,
    pub missing: usize,
}

/// What identifies a row of a sample within its group, and pairs it with one of another cell's.
///
/// Names are numbered in their alphabetical order over the whole table, so that order of keys does
/// not depend on order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleKey {
    pub image: u32,
    pub deployment: i64,
    pub repetition: i64,
}

impl SampleGroup {
    /// Returns the sample of one deployment, its keys those of the only one, so that it pairs with
    /// another's.
    pub fn deployment(&self, deployment: i64) -> Self {
        let rows: Vec<usize> = (0..self.keys.len())
            .filter(|&row| self.keys[row].deployment == deployment)
            .collect();
        let of = |values: &Vec<Option<f64>>| rows.iter().map(|&row| values[row]).collect();
        Self {
            keys: rows
                .iter()
                .map(|&row| SampleKey {
                    deployment: 1,
                    ..self.keys[row]
                })
                .collect(),
            environments: rows
                .iter()
                .filter_map(|&row| self.environments.get(row).copied())
                .collect(),
            rounds: rows
                .iter()
                .filter_map(|&row| self.rounds.get(row).copied())
                .collect(),
            values: self
                .values
                .iter()
                .map(|(name, values)| (*name, of(values)))
                .collect(),
            ..Self::default()
        }
    }

    /// Says whether the environment of every row of the sample is known.
    pub fn knows_environments(&self) -> bool {
        !self.environments.is_empty() && self.environments.iter().all(Option::is_some)
    }

    /// Returns the values of a column with their images and units: what shares its luck with no
    /// other unit. That is the environment where all are known, the round of environments of a
    /// deployment's passes, and a pass that had its own.
    pub fn measured(&self, column: &str) -> Vec<UnitValue> {
        let known = self.knows_environments();
        let unit = |row: usize| match (self.environments.get(row), self.rounds.get(row)) {
            (Some(Some(environment)), _) if known => (0, *environment),
            (_, Some(None)) => (-1, row as u32),
            (_, round) => (
                self.keys[row].deployment,
                round.copied().flatten().unwrap_or(0),
            ),
        };
        let values = self.values.get(column).into_iter().flatten().enumerate();
        let measured = |(row, value): (usize, &Option<f64>)| {
            value.map(|value| UnitValue {
                image: self.keys[row].image,
                unit: unit(row),
                value,
            })
        };
        values.filter_map(measured).collect()
    }

    /// Returns the values of a column that exist, in the order of execution.
    pub fn present(&self, column: &str) -> Vec<f64> {
        self.values
            .get(column)
            .map(|values| values.iter().copied().flatten().collect())
            .unwrap_or_default()
    }

    /// Returns the probes, held against the repetitions of their image and deployment.
    pub fn probes(&self, column: &str) -> Probes {
        let values =
            |keys: &[SampleKey], values: Option<&Vec<Option<f64>>>| -> Vec<((u32, i64), f64)> {
                let values = values.into_iter().flatten().zip(keys);
                values
                    .filter_map(|(value, key)| Some(((key.image, key.deployment), (*value)?)))
                    .collect()
            };
        let longer = longer(
            &values(&self.keys, self.values.get(column)),
            &values(&self.probe_keys, self.probe_values.get(column)),
        );
        Probes::new(longer.into_iter().map(|((image, _), log)| (image, log)))
    }

    /// As [`Self::present`], with the image of each value.
    pub fn of_images(&self, column: &str) -> (Vec<f64>, Vec<u32>) {
        let values = self
            .values
            .get(column)
            .into_iter()
            .flatten()
            .zip(&self.keys);
        values
            .filter_map(|(value, key)| Some(((*value)?, key.image)))
            .unzip()
    }

    fn count(&mut self, counts_as: &str) {
        self.rows += 1;
        let kinds = [
            (CountsAs::Failed, &mut self.failed),
            (CountsAs::WrongStart, &mut self.wrong_start),
            (CountsAs::Proactive, &mut self.proactive),
            (CountsAs::WarmUp, &mut self.warm_up),
            (CountsAs::Probe, &mut self.probe),
            (CountsAs::Superseded, &mut self.superseded),
            (CountsAs::NoReport, &mut self.no_report),
        ];
        if let Some((_, count)) = kinds
            .into_iter()
            .find(|(kind, _)| kind.as_str() == counts_as)
        {
            *count += 1;
        }
    }
}

/// The groups of a table by what they are of, with the values of the columns that were loaded.
#[derive(Debug)]
pub struct Samples<K> {
    path: PathBuf,
    /// Names of the images, by the number that keys have.
    pub images: Vec<String>,
    groups: Vec<SampleGroup>,
    places: HashMap<K, usize>,
    /// Where the value of each row of the file belongs.
    slots: Vec<Slot>,
}

/// A place in a group's sample, or [`NOWHERE`].
#[derive(Clone, Copy, Debug)]
struct Slot {
    group: u32,
    row: u32,
    /// Among the probes.
    probe: bool,
}

const NOWHERE: Slot = Slot {
    group: u32::MAX,
    row: 0,
    probe: false,
};

impl<K: Eq + Hash> Samples<K> {
    pub fn get<Q: Eq + Hash + ?Sized>(&self, place: &Q) -> Option<&SampleGroup>
    where
        K: Borrow<Q>,
    {
        self.places.get(place).map(|&index| &self.groups[index])
    }

    /// Reads the values of columns, as floats, into their groups.
    pub fn load(&mut self, columns: &[&'static str]) -> PolarsResult<()> {
        for &column in columns {
            let empty = |lengths: Vec<usize>| {
                lengths
                    .into_iter()
                    .map(|length| vec![None; length])
                    .collect::<Vec<_>>()
            };
            let mut lists = empty(self.groups.iter().map(|group| group.keys.len()).collect());
            let mut probes = empty(
                self.groups
                    .iter()
                    .map(|group| group.probe_keys.len())
                    .collect(),
            );
            let mut slots = self.slots.iter();
            for frame in batches(&self.path, &[column], self.slots.len()) {
                let values = frame?.column(column)?.cast(&DataType::Float64)?;
                for (value, slot) in values.f64()?.iter().zip(slots.by_ref()) {
                    let lists = if slot.probe { &mut probes } else { &mut lists };
                    if let Some(list) = lists.get_mut(slot.group as usize) {
                        list[slot.row as usize] = value;
                    }
                }
            }
            for ((group, list), probes) in self.groups.iter_mut().zip(lists).zip(probes) {
                group.values.insert(column, list);
                group.probe_values.insert(column, probes);
            }
        }
        Ok(())
    }

    /// Forgets the values of a column, to have room for another's.
    pub fn forget(&mut self, column: &str) {
        for group in &mut self.groups {
            group.values.remove(column);
            group.probe_values.remove(column);
        }
    }
}

/// Returns the groups of `invocations` by cell and stage.
pub fn of_invocations(path: &Path) -> PolarsResult<Samples<(String, String)>> {
    let read = drafts(path, ["cell_id", "stage"], "sequence", Environment::Id)?;
    let name = |[cell, stage]: [String; 2]| (cell, stage);
    Ok(samples(path, read, name, Environment::Id))
}

/// Returns the groups of `pipelines` by cell.
pub fn of_pipelines(path: &Path) -> PolarsResult<Samples<String>> {
    let read = drafts(path, ["cell_id"], "started_at", Environment::Round)?;
    Ok(samples(path, read, |[cell]| cell, Environment::Round))
}

/// What a table says of the environments of its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Environment {
    Id,
    /// Those of all stages, renewed together.
    Round,
}

impl Environment {
    const fn column(self) -> &'static str {
        match self {
            Self::Id => "environment_id",
            Self::Round => "environment_round",
        }
    }
}

/// A group while its table is read.
#[derive(Default)]
struct Draft {
    group: SampleGroup,
    drawn: Vec<Drawn>,
    probes: Vec<Drawn>,
}

/// One row of a sample.
struct Drawn {
    /// Of execution.
    order: i64,
    /// In the file.
    row: u32,
    image: u32,
    deployment: u32,
    repetition: u32,
    /// By id or round.
    environment: Option<u32>,
}

/// A table, read but for its values.
struct Read<const N: usize> {
    /// What each group is of.
    names: Vec<[String; N]>,
    drafts: Vec<Draft>,
    /// In alphabetical order.
    images: Vec<String>,
    rows: usize,
}

/// Reads who every row belongs to and what it counts as.
fn drafts<const N: usize>(
    path: &Path,
    by: [&str; N],
    order: &str,
    environment: Environment,
) -> PolarsResult<Read<N>> {
    let mut file = ParquetReader::new(File::open(path)?);
    let rows = file.num_rows()?;
    // Tables of an older version know no rounds; ids they all have, and one without is an error.
    let told = environment == Environment::Id || file.schema()?.contains(environment.column());
    let wanted: Vec<&str> = by
        .into_iter()
        .chain(["counts_as", order, "image", "deployment", "repetition"])
        .chain(told.then(|| environment.column()))
        .collect();
    let mut places: HashMap<[u32; N], usize> = HashMap::new();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut levels = [const { Names::new() }; N];
    let (mut images, mut environments) = (Names::new(), Names::new());
    let mut first = 0u32;
    for frame in batches(path, &wanted, rows) {
        let frame = frame?;
        let mut of_row = vec![[0; N]; frame.height()];
        for (level, (name, names)) in by.iter().zip(&mut levels).enumerate() {
            for (row, number) in names.number(frame.column(name)?.str()?).enumerate() {
                of_row[row][level] = number.unwrap_or(0);
            }
        }
        let integers = |name: &str| frame.column(name)?.cast(&DataType::Int64);
        let (orders, deployments, repetitions) = (
            integers(order)?,
            integers("deployment")?,
            integers("repetition")?,
        );
        let small = |value: Option<i64>| {
            value
                .and_then(|value| u32::try_from(value).ok())
                .unwrap_or(0)
        };
        let of_row_environments: Vec<Option<u32>> = match environment {
            _ if !told => vec![Some(0); frame.height()],
            Environment::Id => environments
                .number(frame.column(environment.column())?.str()?)
                .collect(),
            Environment::Round => {
                let rounds = integers(environment.column())?;
                rounds
                    .i64()?
                    .iter()
                    .map(|round| round.map(|_| small(round)))
                    .collect()
            }
        };
        let mut of_row_environments = of_row_environments.into_iter();
        let keys = images.number(frame.column("image")?.str()?);
        let keys = keys.zip(deployments.i64()?.iter().zip(repetitions.i64()?.iter()));
        let counts = frame.column("counts_as")?.str()?;
        for (row, (((place, counts_as), order), (image, (deployment, repetition)))) in (first..)
            .zip(
                of_row
                    .iter()
                    .zip(counts.iter())
                    .zip(orders.i64()?.iter())
                    .zip(keys),
            )
        {
            let index = *places.entry(*place).or_insert(drafts.len());
            if index == drafts.len() {
                drafts.push(Draft::default());
            }
            let draft = &mut drafts[index];
            let counts_as = counts_as.unwrap_or_default();
            draft.group.count(counts_as);
            let environment = of_row_environments.next().flatten();
            let probe = counts_as == CountsAs::Probe.as_str();
            if probe || counts_as == CountsAs::Sample.as_str() {
                let list = if probe {
                    &mut draft.probes
                } else {
                    &mut draft.drawn
                };
                list.push(Drawn {
                    order: order.unwrap_or(i64::MIN),
                    row,
                    image: image.unwrap_or(0),
                    deployment: small(deployment),
                    repetition: small(repetition),
                    environment,
                });
            }
        }
        first += frame.height() as u32;
    }
    let (images, image_places) = images.alphabetical();
    let (_, environments) = environments.alphabetical();
    for drawn in drafts
        .iter_mut()
        .flat_map(|draft| draft.drawn.iter_mut().chain(&mut draft.probes))
    {
        drawn.image = image_places.get(drawn.image as usize).copied().unwrap_or(0);
        if environment == Environment::Id {
            drawn.environment = drawn
                .environment
                .map(|number| environments[number as usize]);
        }
    }
    let mut names: Vec<([u32; N], usize)> = places.into_iter().collect();
    names.sort_unstable_by_key(|(_, index)| *index);
    let levels = levels.map(Names::texts);
    let spelt = |place: [u32; N]| {
        std::array::from_fn(|level| {
            levels[level]
                .get(place[level] as usize)
                .cloned()
                .unwrap_or_default()
        })
    };
    Ok(Read {
        names: names.into_iter().map(|(place, _)| spelt(place)).collect(),
        drafts,
        images,
        rows,
    })
}

/// Puts every group's sample in the order of execution.
fn samples<K: Eq + Hash, const N: usize>(
    path: &Path,
    Read {
        names,
        mut drafts,
        images,
        rows,
    }: Read<N>,
    name: impl Fn([String; N]) -> K,
    environment: Environment,
) -> Samples<K> {
    drafts
        .par_iter_mut()
        .for_each(|draft| draft.drawn.sort_by_key(|drawn| drawn.order));
    let mut slots = vec![NOWHERE; rows];
    let with_environments = drafts
        .iter()
        .any(|draft| draft.drawn.iter().any(|drawn| drawn.environment.is_some()));
    let mut groups = Vec::with_capacity(drafts.len());
    for (group, draft) in (0u32..).zip(drafts) {
        for (row, drawn) in (0u32..).zip(&draft.drawn) {
            slots[drawn.row as usize] = Slot {
                group,
                row,
                probe: false,
            };
        }
        for (row, drawn) in (0u32..).zip(&draft.probes) {
            slots[drawn.row as usize] = Slot {
                group,
                row,
                probe: true,
            };
        }
        let key = |drawn: &Drawn| SampleKey {
            image: drawn.image,
            deployment: drawn.deployment.into(),
            repetition: drawn.repetition.into(),
        };
        let mut group = SampleGroup {
            keys: draft.drawn.iter().map(key).collect(),
            probe_keys: draft.probes.iter().map(key).collect(),
            ..draft.group
        };
        let environments = || draft.drawn.iter().map(|drawn| drawn.environment).collect();
        match environment {
            Environment::Id if with_environments => group.environments = environments(),
            Environment::Id => {}
            Environment::Round => group.rounds = environments(),
        }
        groups.push(group);
    }
    Samples {
        path: path.to_owned(),
        groups,
        images,
        places: names.into_iter().map(name).zip(0..).collect(),
        slots,
    }
}
