//! A journal made into tables in a folder of its own, and read back with Polars.

use std::path::Path;

use darkroom_core::cell::Cell;
use darkroom_tables::{Summary, aggregate};
use polars::prelude::*;
use tempfile::TempDir;

use crate::journal::{Journal, prices};

/// A run's tables on disk.
pub struct Run {
    pub dir: TempDir,
    pub summary: Summary,
}

impl Run {
    pub fn of(journal: &Journal) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let summary = aggregate(journal.facts(), &prices(), dir.path()).unwrap();
        Self { dir, summary }
    }

    pub fn table(&self, name: &str) -> DataFrame {
        read(&self.dir.path().join(format!("{name}.parquet")))
    }

    /// Rows of `summary` of one stage and metric.
    pub fn summary(&self, cell: &Cell, stage: &str, metric: &str) -> DataFrame {
        let id = cell.id().to_string();
        rows(
            &self.table("summary"),
            &[("cell_id", &id), ("stage", stage), ("metric", metric)],
        )
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(format!("{name}.parquet"))).unwrap()
    }
}

fn read(path: &Path) -> DataFrame {
    ParquetReader::new(std::fs::File::open(path).unwrap())
        .finish()
        .unwrap()
}

/// Rows that have these texts in these columns.
pub fn rows(frame: &DataFrame, wanted: &[(&str, &str)]) -> DataFrame {
    wanted.iter().fold(frame.clone(), |frame, (column, value)| {
        let mask = frame.column(column).unwrap().str().unwrap().equal(*value);
        frame.filter(&mask).unwrap()
    })
}

pub fn integer(frame: &DataFrame, column: &str) -> Option<i64> {
    assert_eq!(frame.height(), 1);
    frame.column(column).unwrap().i64().unwrap().get(0)
}

pub fn float(frame: &DataFrame, column: &str) -> Option<f64> {
    assert_eq!(frame.height(), 1);
    frame.column(column).unwrap().f64().unwrap().get(0)
}

pub fn text(frame: &DataFrame, column: &str) -> Option<String> {
    assert_eq!(frame.height(), 1);
    frame
        .column(column)
        .unwrap()
        .str()
        .unwrap()
        .get(0)
        .map(String::from)
}

pub fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    frame
        .column(column)
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .map(|t| t.unwrap_or("null").to_owned())
        .collect()
}
