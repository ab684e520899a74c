//! Rows of texts and a map → facts, and the rows that are refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use darkroom_core::cell::{Architecture, Cell, Input, Start, Trigger};
use darkroom_core::event::{PassKey, PlannedCell, Status};
use darkroom_core::imported::{ImportedRow, RefusedRow};

use super::map::{Field, Map};
use super::rows::Raw;

/// What was taken of some files.
#[derive(Debug, Default)]
pub struct Taken {
    /// In the order of their first rows.
    pub cells: Vec<PlannedCell>,
    pub stages: Vec<String>,
    /// Images by set, in the order of their first rows.
    pub image_sets: BTreeMap<String, Vec<String>>,
    pub deployments: u32,
    pub rows: Vec<ImportedRow>,
    pub refused: Vec<RefusedRow>,
    /// All columns that any row has.
    pub columns: BTreeSet<String>,
    /// Those that the map does not name.
    pub unused_columns: BTreeSet<String>,
    /// Columns that the map names and no row has.
    pub missing_columns: BTreeSet<String>,
}

/// Takes every row that can be read.
pub fn take(rows: &[Raw], map: &Map) -> Taken {
    let mut taken = Taken { stages: map.stages.clone(), deployments: 1, ..Taken::default() };
    let (mut places, mut repetitions) = (HashMap::new(), HashMap::new());
    for raw in rows {
        let fields = match &raw.fields {
            Ok(fields) => fields,
            Err(reason) => {
                taken.refuse(raw, reason.clone());
                continue;
            }
        };
        taken.columns.extend(fields.keys().cloned());
        match row(raw, fields, map, &mut repetitions) {
            Ok((planned, image_set, row)) => {
                let place = (row.pass.clone(), row.stage.clone());
                match places.get(&place) {
                    Some(first) => taken.refuse(raw, format!("the same cell, image, repetition and stage as {first}")),
                    None if !map.stages.is_empty() && !map.stages.contains(&row.stage) => {
                        let known = map.stages.join(", ");
                        taken.refuse(raw, format!("stage `{}` is not one of the map's: {known}", row.stage));
                    }
                    None => {
                        places.insert(place, raw.at.clone());
                        taken.keep(planned, image_set, row);
                    }
                }
            }
            Err(reason) => taken.refuse(raw, reason),
        }
    }
    let named: BTreeSet<String> = map.columns.values().map(|column| column.name.clone()).collect();
    taken.unused_columns = taken.columns.difference(&named).cloned().collect();
    taken.missing_columns = named.difference(&taken.columns).cloned().collect();
    taken
}

impl Taken {
    fn refuse(&mut self, raw: &Raw, reason: String) {
        self.refused.push(RefusedRow { at: raw.at.clone(), reason });
    }

    fn keep(&mut self, planned: PlannedCell, image_set: String, mut row: ImportedRow) {
        if !self.cells.iter().any(|known| known.id == planned.id) {
            self.cells.push(planned);
        }
        if !self.stages.contains(&row.stage) {
            self.stages.push(row.stage.clone());
        }
        let images = self.image_sets.entry(image_set).or_default();
        if !images.contains(&row.pass.image) {
            images.push(row.pass.image.clone());
        }
        self.deployments = self.deployments.max(row.pass.deployment);
        row.sequence = self.rows.len() as u64;
        self.rows.push(row);
    }
}

type Fields = BTreeMap<String, String>;
/// Repetitions that were not numbered, by what they repeat.
type Numbers = HashMap<(PassKey, String), u32>;

fn row(
    raw: &Raw,
    fields: &Fields,
    map: &Map,
    repetitions: &mut Numbers,
) -> Result<(PlannedCell, String, ImportedRow), String> {
    let text = |field| map.value(field, fields).map(str::to_owned);
    let needed = |field, name: &str| text(field).ok_or_else(|| format!("no {name}"));
    let cell = Cell {
        variant: needed(Field::Variant, "variant")?,
        architecture: level(&needed(Field::Architecture, "architecture")?, "architecture", Architecture::ALL)?,
        memory_mb: memory(&needed(Field::MemoryMb, "memory_mb")?)?,
        image_set: needed(Field::ImageSet, "image_set")?,
        trigger: level(&needed(Field::Trigger, "trigger")?, "trigger", Trigger::ALL)?,
        input: level(&needed(Field::Input, "input")?, "input", Input::ALL)?,
        start: level(&needed(Field::Start, "start")?, "start", Start::ALL)?,
        concurrency: optional(text(Field::Concurrency), "concurrency", whole)?.unwrap_or(1),
    };
    let planned = PlannedCell {
        id: cell.id(),
        model: text(Field::Model),
        sample: optional(text(Field::Sample), "sample", whole)?,
        not_runnable: None,
        wrong_on_purpose: false,
        cell,
    };
    let stage = needed(Field::Stage, "stage")?;
    let mut pass = PassKey {
        cell_id: planned.id.clone(),
        deployment: optional(text(Field::Deployment), "deployment", whole)?.unwrap_or(1),
        image: needed(Field::Image, "image")?,
        warm_up: optional(text(Field::WarmUp), "warm_up", truth)?.unwrap_or(false),
        repetition: 0,
        attempt: 1,
    };
    let ok = text(Field::Status)
        .is_none_or(|status| map.columns.get(&Field::Status).is_none_or(|column| column.ok.contains(&status)));
    let ms = |field, name: &str| {
        let unit = map.columns.get(&field).map_or(1.0, |column| column.unit.ms());
        optional(text(field), name, |text, name| within(number(text, name)? * unit, text, name))
    };
    let duration_ms = if ok { Some(ms(Field::Duration, "duration")?.ok_or("no duration")?) } else { None };
    let billed_ms = ms(Field::Billed, "billed")?.map(f64::ceil);
    let taken = ImportedRow {
        sequence: 0,
        from: raw.at.clone(),
        started_at: text(Field::StartedAt).map(|at| moment(&at, map)).transpose()?,
        status: if ok { Status::Ok } else { Status::FunctionError },
        duration_ms,
        billed_ms: billed_ms.map(|ms| ms as u64),
        init_ms: ms(Field::Init, "init")?.filter(|ms| *ms > 0.0),
        cold: optional(text(Field::Cold), "cold", truth)?,
        max_memory_mb: optional(text(Field::MaxMemoryMb), "max_memory_mb", number)?.map(|mb| mb.ceil() as u32),
        client_ms: ms(Field::Client, "client")?,
        handler_reported_ms: ms(Field::HandlerReported, "handler_reported")?,
        turnaround_s: ms(Field::Turnaround, "turnaround")?.map(|ms| ms / 1e3),
        error_type: text(Field::ErrorType).filter(|_| !ok),
        error: text(Field::Error).filter(|_| !ok),
        request_id: text(Field::RequestId),
        environment_id: text(Field::Environment),
        cpu_model: text(Field::CpuModel),
        output_ok: optional(text(Field::OutputOk), "output_ok", truth)?,
        stage: stage.clone(),
        pass: pass.clone(),
    };
    pass.repetition = if let Some(given) = optional(text(Field::Repetition), "repetition", whole)? {
        given
    } else {
        let number = repetitions.entry((pass.clone(), stage)).or_insert(0);
        *number += 1;
        *number
    };
    let image_set = planned.cell.image_set.clone();
    Ok((planned, image_set, ImportedRow { pass, ..taken }))
}

fn optional<T>(
    text: Option<String>,
    name: &str,
    read: impl Fn(&str, &str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    text.map(|text| read(&text, name)).transpose()
}

fn level<T: Copy + ToString>(text: &str, name: &str, levels: &[T]) -> Result<T, String> {
    levels.iter().copied().find(|level| level.to_string() == text).ok_or_else(|| {
        let known: Vec<String> = levels.iter().map(ToString::to_string).collect();
        format!("{name} `{text}` is not one of {}; [values.{name}] can translate it", known.join(", "))
    })
}

fn whole(text: &str, name: &str) -> Result<u32, String> {
    u32::from_str(text).map_err(|_| format!("{name} `{text}` is not a whole number"))
}

fn memory(text: &str) -> Result<u32, String> {
    whole(text, "memory_mb").and_then(|mb| if mb > 0 { Ok(mb) } else { Err("memory_mb is 0".to_owned()) })
}

/// A number that a measurement can be: finite and not negative.
fn number(text: &str, name: &str) -> Result<f64, String> {
    let value = f64::from_str(text).map_err(|_| format!("{name} `{text}` is not a number"))?;
    if !value.is_finite() {
        return Err(format!("{name} is `{text}`: no value"));
    }
    if value < 0.0 {
        return Err(format!("{name} `{text}` is negative"));
    }
    Ok(value)
}

/// A century: what is longer is a wrong unit, and would not fit what counts milliseconds.
const LONGEST_MS: f64 = 100.0 * 366.0 * 86_400_000.0;

fn within(ms: f64, text: &str, name: &str) -> Result<f64, String> {
    if ms <= LONGEST_MS { Ok(ms) } else { Err(format!("{name} `{text}` is more than a century: is its unit right?")) }
}

fn truth(text: &str, name: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "cold" => Ok(true),
        "false" | "0" | "no" | "warm" => Ok(false),
        _ => Err(format!("{name} `{text}` is neither true nor false")),
    }
}

/// A time as RFC 3339, or as a number since 1970 in the column's unit.
fn moment(text: &str, map: &Map) -> Result<String, String> {
    let unit = map.columns.get(&Field::StartedAt).map_or(1.0, |column| column.unit.ms());
    let since_1970 = f64::from_str(text).ok().map(|number| jiff::Timestamp::from_millisecond((number * unit) as i64));
    let time = since_1970.unwrap_or_else(|| text.parse());
    time.map(|time| format!("{time:.3}")).map_err(|_| {
        format!("started_at `{text}` is neither a time such as 2024-05-01T12:00:00Z nor a number since 1970")
    })
}
