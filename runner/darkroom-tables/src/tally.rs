//! Counts the rows of each combination of a table's text columns, as numbers.
//!
//! Works batch by batch, so memory grows with the combinations and not with the rows.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use polars::prelude::{DataType, ParquetReader, PolarsResult, SerReader, StringChunked};

use crate::read::batches;

/// Returns how many rows of a table have each combination of the values of `by`, as texts; only of
/// those rows that are true in the column `only`, if one is named. In no particular order.
pub fn tally<const N: usize>(
    path: &Path,
    by: [&str; N],
    only: Option<&str>,
) -> PolarsResult<Vec<([Option<String>; N], i64)>> {
    let rows = ParquetReader::new(File::open(path)?).num_rows()?;
    let wanted: Vec<&str> = by.into_iter().chain(only).collect();
    let mut names = [const { Names::new() }; N];
    let mut counts: HashMap<[Option<u32>; N], i64> = HashMap::new();
    for frame in batches(path, &wanted, rows) {
        let mut frame = frame?;
        if let Some(only) = only {
            frame = frame.filter(frame.column(only)?.bool()?)?;
        }
        let mut keys = vec![[None; N]; frame.height()];
        for (level, (name, names)) in by.iter().zip(&mut names).enumerate() {
            let texts = frame.column(name)?.cast(&DataType::String)?;
            for (key, number) in keys.iter_mut().zip(names.number(texts.str()?)) {
                key[level] = number;
            }
        }
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
    }
    let names = names.map(Names::texts);
    let spelt = |key: [Option<u32>; N]| {
        std::array::from_fn(|level| {
            key[level].and_then(|number| names[level].get(number as usize).cloned())
        })
    };
    Ok(counts
        .into_iter()
        .map(|(key, count)| (spelt(key), count))
        .collect())
}

/// The texts of a column, numbered as they come.
pub struct Names {
    numbers: Option<HashMap<String, u32>>,
    last: (String, u32),
}

impl Names {
    pub const fn new() -> Self {
        Self {
            numbers: None,
            last: (String::new(), u32::MAX),
        }
    }

    /// Numbers the texts of a column.
    pub fn number<'a>(
        &'a mut self,
        texts: &'a StringChunked,
    ) -> impl Iterator<Item = Option<u32>> + 'a {
        let numbers = self.numbers.get_or_insert_default();
        let last = &mut self.last;
        texts.iter().map(move |text| {
            let text = text?;
            // Rows that follow one another are mostly of the same cell, image and environment.
            if last.1 == u32::MAX || last.0 != text {
                let next = numbers.len() as u32;
                let number = match numbers.get(text) {
                    Some(&number) => number,
                    None => *numbers.entry(text.to_owned()).or_insert(next),
                };
                *last = (text.to_owned(), number);
            }
            Some(last.1)
        })
    }

    /// Returns the texts in alphabetical order, and each number's place among them.
    pub fn alphabetical(self) -> (Vec<String>, Vec<u32>) {
        let mut texts: Vec<(String, u32)> = self.numbers.unwrap_or_default().into_iter().collect();
        texts.sort_unstable();
        let mut places = vec![0; texts.len()];
        for (place, (_, number)) in (0..).zip(&texts) {
            places[*number as usize] = place;
        }
        (texts.into_iter().map(|(text, _)| text).collect(), places)
    }

    /// Returns the texts in the order of their numbers.
    pub fn texts(self) -> Vec<String> {
        let mut texts: Vec<(String, u32)> = self.numbers.unwrap_or_default().into_iter().collect();
        texts.sort_unstable_by_key(|(_, number)| *number);
        texts.into_iter().map(|(text, _)| text).collect()
    }
}
