//! What a table and a column are: type, unit, meaning, and who measured it.

/// Type of a column, as a reader of Parquet sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// 64-bit signed.
    Integer,
    /// 64-bit; null where there is no value, never NaN.
    Float,
    Bool,
    /// UTC, milliseconds.
    Time,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Integer => "int64",
            Self::Float => "double",
            Self::Bool => "bool",
            Self::Time => "timestamp[ms, UTC]",
        }
    }
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The resolved manifest and the plan made of it.
    Plan,
    /// The runner's own observation: its clock, its call, its schedule.
    Runner,
    /// The platform's REPORT line, log stream or API answer.
    Platform,
    /// The contract's check of an output.
    Contract,
    /// The profile wrapper's line: what the handler's own process says. Null with
    /// `profile = false`.
    Inside,
    /// Derived from other columns by `darkroom aggregate`.
    Derived,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Runner => "runner",
            Self::Platform => "platform",
            Self::Contract => "contract",
            Self::Inside => "inside",
            Self::Derived => "derived",
        }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    /// Empty for what has none.
    pub unit: &'static str,
    pub source: Source,
    pub doc: &'static str,
}

/// One table.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// File name without `.parquet`.
    pub name: &'static str,
    /// What one row is.
    pub row: &'static str,
    pub columns: &'static [Column],
}

pub(super) const fn column(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    source: Source,
    doc: &'static str,
) -> Column {
    Column {
        name,
        kind,
        unit,
        source,
        doc,
    }
}
