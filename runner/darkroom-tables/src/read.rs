//! Parquet → plain rows, for code that shows tables. No Polars type leaves this file.
//!
//! A page need not show a million invocations: [`read`] can take every k-th row, and says how many
//! there were.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use darkroom_core::shell::quoted;
use darkroom_core::shown;
use polars::prelude::{
    AnyValue, ChunkCompareEq, DataFrame, IdxCa, NewChunkedArray, ParquetReader, PlSmallStr,
    PolarsResult, SerReader,
};

use crate::frames::BATCH_ROWS;
use crate::parquet::failed;
use crate::{SCHEMA_VERSION, TablesError};

/// Rows that are read together.
const AT_ONCE: usize = 8 * BATCH_ROWS;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    /// UTC, epoch milliseconds.
    Time(i64),
}

impl Value {
    /// Returns a number, whichever kind it is stored as; `None` for everything else.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }
}

/// Rows of a table, or every k-th of them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// In the order of the file.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// Rows that were asked for before every k-th was taken.
    pub of: usize,
}

/// One row, its values found by name.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    values: &'a [Value],
}

impl Rows {
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row {
            columns: &self.columns,
            values,
        })
    }

    pub fn row(&self, place: usize) -> Option<Row<'_>> {
        self.rows.get(place).map(|values| Row {
            columns: &self.columns,
            values,
        })
    }

    /// Leaves out the rows that `keep` says no to; `of` stays.
    pub fn retain(&mut self, keep: impl Fn(Row<'_>) -> bool) {
        let columns = &self.columns;
        self.rows.retain(|values| keep(Row { columns, values }));
    }

    /// Returns the rows as they are shown: control characters in texts escaped ([`shown`]).
    #[must_use]
    pub fn shown(mut self) -> Self {
        for value in self.rows.iter_mut().flatten() {
            if let Value::Text(text) = value
                && let Cow::Owned(escaped) = shown::text(text)
            {
                *text = escaped;
            }
        }
        self
    }

    /// Returns the rows as CSV (RFC 4180), numbers in full; a null is an empty field, a time epoch
    /// milliseconds.
    pub fn csv(&self, formulas: Formulas) -> String {
        let mut text = String::new();
        let heads = self.columns.iter().map(|name| quoted_field(name, formulas));
        text += &(heads.collect::<Vec<_>>().join(",") + "\n");
        for row in &self.rows {
            let fields: Vec<String> = row.iter().map(|value| field(value, formulas)).collect();
            text += &fields.join(",");
            text.push('\n');
        }
        text
    }
}

/// What becomes of a text in CSV that a spreadsheet would take for a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formulas {
    /// An apostrophe before it makes it text.
    Harmless,
    Kept,
}

fn quoted_field(text: &str, formulas: Formulas) -> String {
    let text = if formulas == Formulas::Harmless {
        shown::no_formula(text)
    } else {
        Cow::Borrowed(text)
    };
    if text.contains([',', ';', '"', '\n', '\r', '\t']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

fn field(value: &Value, formulas: Formulas) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => quoted_field(text, formulas),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(number) | Value::Time(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
    }
}

impl<'a> Row<'a> {
    /// Returns the value of a column; null where the table, perhaps an older one, has no such
    /// column.
    pub fn value(self, column: &str) -> &'a Value {
        self.columns
            .iter()
            .position(|name| name == column)
            .map_or(&Value::Null, |index| &self.values[index])
    }

    pub fn number(self, column: &str) -> Option<f64> {
        self.value(column).number()
    }

    pub fn text(self, column: &str) -> Option<&'a str> {
        match self.value(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn truth(self, column: &str) -> Option<bool> {
        match self.value(column) {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    pub fn time_ms(self, column: &str) -> Option<i64> {
        match self.value(column) {
            Value::Time(ms) => Some(*ms),
            _ => None,
        }
    }
}

/// What to read of a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Columns; all when empty. One that the file lacks is left out.
    pub columns: &'a [&'a str],
    /// Only rows whose text in this column is that.
    pub only: Option<(&'a str, &'a str)>,
    /// Take every k-th row, so that about this many remain, spread evenly over the file; 0: all.
    pub about: usize,
}

/// Reads rows of a run's table. Fails if the file is missing or not Parquet.
pub fn read(path: &Path, wanted: Wanted<'_>) -> Result<Rows, TablesError> {
    read_frame(path, wanted)
        .map(|(frame, of)| Rows {
            of,
            ..plain(&frame)
        })
        .map_err(|error| failed("read", path, &error))
}

/// Reads a table's key-value metadata: where it comes from. Only Darkroom's own keys, without their
/// prefix.
pub fn provenance(path: &Path) -> Result<BTreeMap<String, String>, TablesError> {
    let file = File::open(path).map_err(|source| TablesError::Io {
        action: "open",
        path: path.into(),
        source,
    })?;
    let mut reader = ParquetReader::new(file);
    let metadata = reader
        .get_metadata()
        .map_err(|error| failed("read", path, &error))?;
    let pairs = metadata.key_value_metadata().iter().flatten();
    let ours = pairs.filter_map(|pair| {
        Some((
            pair.key.strip_prefix("darkroom.")?.to_owned(),
            pair.value.clone()?,
        ))
    });
    Ok(ours.collect())
}

/// Says so where a run's table is of another schema than this version's; `None` where it is not.
pub fn other_schema(path: &Path) -> Result<Option<String>, TablesError> {
    let about = provenance(path)?;
    let schema = about
        .get("schema_version")
        .map_or("unknown", String::as_str);
    let run = path
        .parent()
        .filter(|run| *run != Path::new(""))
        .unwrap_or(Path::new("."));
    Ok((schema != SCHEMA_VERSION.to_string()).then(|| {
        format!(
            "{} has schema {schema}, but this Darkroom has schema {SCHEMA_VERSION}: columns may \
             be missing or mean something else; run `darkroom aggregate {}` to rebuild the \
             tables from the journal",
            path.display(),
            quoted(&run.display().to_string())
        )
    }))
}

fn read_frame(path: &Path, wanted: Wanted<'_>) -> PolarsResult<(DataFrame, usize)> {
    let mut reader = ParquetReader::new(File::open(path)?);
    let (rows, schema) = (reader.num_rows()?, reader.schema()?);
    let present = |name: &&&str| schema.contains(name);
    let shown: Vec<&str> = match wanted.columns {
        [] => schema.iter_names().map(PlSmallStr::as_str).collect(),
        columns => columns.iter().filter(present).copied().collect(),
    };
    let read: Vec<&str> = match wanted.only {
        Some((column, _)) if !shown.contains(&column) => {
            shown.iter().copied().chain([column]).collect()
        }
        _ => shown.clone(),
    };
    let mut whole: Option<DataFrame> = None;
    for frame in batches(path, &read, rows) {
        let mut frame = frame?;
        if let Some((column, value)) = wanted.only {
            frame = frame.filter(&frame.column(column)?.str()?.equal(value))?;
        }
        let frame = frame.select(shown.iter().copied())?;
        match &mut whole {
            Some(whole) => {
                whole.vstack_mut(&frame)?;
            }
            None => whole = Some(frame),
        }
    }
    let frame = whole.unwrap_or_default();
    let of = frame.height();
    let every = if wanted.about == 0 {
        1
    } else {
        of.div_ceil(wanted.about).max(1)
    };
    if every > 1 {
        let kept = IdxCa::from_iter_values("".into(), (0..of as u32).step_by(every));
        return Ok((frame.take(&kept)?, of));
    }
    Ok((frame, of))
}

/// Returns some columns of a table of `rows` rows, batch by batch; one frame without rows of a
/// table that has none.
pub fn batches(
    path: &Path,
    columns: &[&str],
    rows: usize,
) -> impl Iterator<Item = PolarsResult<DataFrame>> {
    let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
    (0..rows.max(1)).step_by(AT_ONCE).map(move |start| {
        let slice = (start, AT_ONCE.min(rows - start));
        ParquetReader::new(File::open(path)?)
            .with_columns(Some(columns.clone()))
            .with_slice(Some(slice))
            .finish()
    })
}

fn plain(frame: &DataFrame) -> Rows {
    let columns: Vec<String> = frame
        .get_column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut rows = vec![Vec::with_capacity(columns.len()); frame.height()];
    for column in frame.columns() {
        let series = column.as_materialized_series();
        for (row, value) in rows.iter_mut().zip(series.rechunk().iter()) {
            row.push(match value {
                AnyValue::Null => Value::Null,
                AnyValue::String(text) => Value::Text(text.to_owned()),
                AnyValue::Boolean(truth) => Value::Bool(truth),
                AnyValue::Datetime(ms, ..) => Value::Time(ms),
                AnyValue::Float64(number) => Value::Float(number),
                other => other
                    .extract::<i64>()
                    .map_or_else(|| Value::Text(other.to_string()), Value::Integer),
            });
        }
    }
    Rows {
        columns,
        rows,
        of: 0,
    }
}
