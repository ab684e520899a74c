//! Rows of texts and a map → facts, and the rows that are refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use darkroom_core::cell::{Architecture, Cell, Input, SnapStart, Start, Trigger};
use darkroom_core::event::{PassKey, PlannedCell, Status as EventStatus};
use darkroom_core::imported::{ImportedRow, RefusedRow};

use super::map::{Column, Field, Map, Unit};
use super::rows::{Raw, Said, ValueKind};
use super::words::{Digits, Ended};

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
    /// Words of the status in all rows, with what they were taken for.
    pub statuses: BTreeMap<String, Status>,
    /// Taken rows without a value, by the map's column and what the lack was taken for (or
    /// nothing).
    pub nulls: BTreeMap<(String, &'static str), usize>,
    /// Taken rows whose `cold` says nothing, so that they count as their cell's start.
    pub without_start: usize,
}

/// A word of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub ended: Ended,
    pub rows: usize,
    /// Of these, the ones that were taken.
    pub taken: usize,
}

/// Takes every row that can be read. No row was measured after tomorrow, as of `now`.
pub fn take(rows: &[Raw], map: &Map, now: jiff::Timestamp) -> Taken {
    let mut taken = Taken {
        stages: map.stages.clone(),
        deployments: 1,
        ..Taken::default()
    };
    let (mut places, mut repetitions): (HashMap<_, String>, _) = (HashMap::new(), HashMap::new());
    for raw in rows {
        let fields = match &raw.fields {
            Ok(fields) => fields,
            Err(reason) => {
                taken.refuse(raw, reason.clone());
                continue;
            }
        };
        let single = fields
            .iter()
            .filter(|(_, said)| said.kind != ValueKind::Object);
        taken.columns.extend(single.map(|(name, _)| name.clone()));
        if let Some(reason) = several_values(fields, map) {
            taken.refuse(raw, reason);
            continue;
        }
        taken.count_status(fields, map);
        match row(raw, fields, map, now, &mut repetitions) {
            Ok((planned, image_set, row)) => {
                let place = (row.pass.clone(), row.stage.clone());
                match places.get(&place) {
                    Some(first) => taken.refuse(raw, twice(first)),
                    None if !map.stages.is_empty() && !map.stages.contains(&row.stage) => {
                        let known = map.stages.join(", ");
                        let way_out =
                            "Add it to `stages` in the map, or translate it under [values.stage]";
                        taken.refuse(
                            raw,
                            format!(
                                "stage `{}` is not one of the map's: {known}. {way_out}",
                                row.stage
                            ),
                        );
                    }
                    None => {
                        places.insert(place, raw.at.clone());
                        taken.count_taken(fields, map, &row);
                        taken.keep(planned, image_set, row);
                    }
                }
            }
            Err(reason) => taken.refuse(raw, reason),
        }
    }
    let named: BTreeSet<String> = map
        .columns
        .values()
        .map(|column| column.name.clone())
        .collect();
    taken.unused_columns = taken.columns.difference(&named).cloned().collect();
    taken.missing_columns = named.difference(&taken.columns).cloned().collect();
    taken
}

impl Taken {
    fn refuse(&mut self, raw: &Raw, reason: String) {
        self.refused.push(RefusedRow {
            at: raw.at.clone(),
            reason,
        });
    }

    fn count_status(&mut self, fields: &Fields, map: &Map) {
        if let Some(word) = map.value(Field::Status, fields) {
            let ended = map.ended(&word.text);
            self.statuses
                .entry(word.text)
                .or_insert(Status {
                    ended,
                    rows: 0,
                    taken: 0,
                })
                .rows += 1;
        }
    }

    fn count_taken(&mut self, fields: &Fields, map: &Map, row: &ImportedRow) {
        let word = map
            .value(Field::Status, fields)
            .and_then(|word| self.statuses.get_mut(&word.text));
        if let Some(status) = word {
            status.taken += 1;
        }
        for (field, column) in &map.columns {
            let none = map.value(*field, fields).is_none();
            let taken_for = match field {
                Field::Init if !none && row.init_ms.is_none() => "0 is none",
                _ if !none => continue,
                Field::Deployment | Field::Concurrency => "taken as 1",
                Field::WarmUp => "read as false",
                Field::Repetition => "numbered in the order of the rows",
                Field::Cold => {
                    self.without_start += 1;
                    ""
                }
                _ => "",
            };
            *self
                .nulls
                .entry((column.name.clone(), taken_for))
                .or_default() += 1;
        }
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

/// Refuses a list or an object where the map means one value: nothing says which of its values that
/// is.
fn several_values(fields: &Fields, map: &Map) -> Option<String> {
    map.columns.iter().find_map(|(field, Column { name, .. })| match fields.get(name)?.kind {
        ValueKind::List => Some(format!("`{name}` is a list: write one value")),
        ValueKind::Object => {
            let start = format!("{name}.");
            let part = fields.keys().find(|part| part.starts_with(&start)).map_or("…", String::as_str);
            let field = field.name();
            Some(format!("`{name}` is an object: set its part in the map, for example `{field} = \"{part}\"`"))
        }
        ValueKind::Text | ValueKind::Number => None,
    })
}

type Fields = BTreeMap<String, Said>;
/// Repetitions that were not numbered, by what they repeat.
type Numbers = HashMap<(PassKey, String), u32>;

fn row(
    raw: &Raw,
    fields: &Fields,
    map: &Map,
    now: jiff::Timestamp,
    repetitions: &mut Numbers,
) -> Result<(PlannedCell, String, ImportedRow), String> {
    let of = Reader { map, fields };
    let cell = Cell {
        runtime: None,
        variant: of.needed(Field::Variant)?,
        architecture: level(
            &of.needed(Field::Architecture)?,
            "architecture",
            Architecture::ALL,
        )?,
        memory_mb: of
            .whole(Field::MemoryMb)?
            .ok_or_else(|| of.lacks(Field::MemoryMb))
            .and_then(some_memory)?,
        image_set: of.needed(Field::ImageSet)?,
        trigger: level(&of.needed(Field::Trigger)?, "trigger", Trigger::ALL)?,
        input: level(&of.needed(Field::Input)?, "input", Input::ALL)?,
        start: level(&of.needed(Field::Start)?, "start", Start::ALL)?,
        snapstart: SnapStart::Off,
        concurrency: of.whole(Field::Concurrency)?.unwrap_or(1),
    };
    let planned = PlannedCell {
        id: cell.id(),
        model: of.text(Field::Model),
        sample: of.whole(Field::Sample)?,
        // Of a model, absent would be the standard prompt; which one it was, nobody said.
        prompt: of.text(Field::Model).map(|_| "unknown".to_owned()),
        not_runnable: None,
        wrong_on_purpose: false,
        missing: std::collections::BTreeMap::new(),
        cell,
    };
    let stage = of.needed(Field::Stage)?;
    let mut pass = PassKey {
        cell_id: planned.id.clone(),
        deployment: of.whole(Field::Deployment)?.unwrap_or(1),
        image: of.needed(Field::Image)?,
        warm_up: of.warm_up()?,
        probe: false,
        repetition: 0,
        attempt: 1,
    };
    let ok = of.ended_well()?;
    let duration_ms = if ok {
        Some(
            of.ms(Field::Duration)?
                .ok_or_else(|| of.lacks(Field::Duration))?,
        )
    } else {
        None
    };
    let taken = ImportedRow {
        sequence: 0,
        from: raw.at.clone(),
        started_at: of.moment(now)?,
        status: if ok {
            EventStatus::Ok
        } else {
            EventStatus::FunctionError
        },
        duration_ms,
        billed_ms: of.ms(Field::Billed)?.map(|ms| ms.ceil() as u64),
        init_ms: of.ms(Field::Init)?.filter(|ms| *ms > 0.0),
        cold: of.truth(Field::Cold)?,
        max_memory_mb: of.number(Field::MaxMemoryMb)?.map(|mb| mb.ceil() as u32),
        client_ms: of.ms(Field::Client)?,
        handler_reported_ms: of.ms(Field::HandlerReported)?,
        turnaround_s: of.ms(Field::Turnaround)?.map(|ms| ms / 1e3),
        error_type: of.text(Field::ErrorType).filter(|_| !ok),
        error: of.text(Field::Error).filter(|_| !ok),
        request_id: of.text(Field::RequestId),
        environment_id: of.text(Field::Environment),
        cpu_model: of.text(Field::CpuModel),
        output_ok: of.truth(Field::OutputOk)?,
        stage: stage.clone(),
        pass: pass.clone(),
    };
    pass.repetition = if let Some(given) = of.whole(Field::Repetition)? {
        given
    } else {
        let number = repetitions.entry((pass.clone(), stage)).or_insert(0);
        *number += 1;
        *number
    };
    let image_set = planned.cell.image_set.clone();
    Ok((planned, image_set, ImportedRow { pass, ..taken }))
}

/// Reads a row's fields by the map.
struct Reader<'a> {
    map: &'a Map,
    fields: &'a Fields,
}

impl Reader<'_> {
    fn said(&self, field: Field) -> Option<Said> {
        self.map.value(field, self.fields)
    }

    fn text(&self, field: Field) -> Option<String> {
        self.said(field).map(|said| said.text)
    }

    fn needed(&self, field: Field) -> Result<String, String> {
        let text = self.text(field).ok_or_else(|| self.lacks(field))?;
        if matches!(field, Field::Variant | Field::Stage | Field::Image)
            && SUMS.contains(&text.to_lowercase().as_str())
        {
            let name = field.name();
            return Err(format!(
                "{name} is `{text}`, so this seems to be a line of sums or means. Remove it, or \
                 set `{text:?} = \"…\"` under [values.{name}] to another name"
            ));
        }
        Ok(text)
    }

    /// Says that a field has no value, with the word that stands for none.
    fn lack(&self, field: Field) -> String {
        let name = field.name();
        match (self.written(field), self.map.columns.get(&field)) {
            (None, Some(column)) => format!("no {name}: the row has no column `{}`", column.name),
            (None | Some(""), None) => format!("no {name}"),
            (Some(""), Some(column)) => format!("no {name}: column `{}` is empty", column.name),
            (Some(word), _) => format!("{name} is `{word}`, which stands for a missing value"),
        }
    }

    /// Says that a row lacks what every row needs, and what to do.
    fn lacks(&self, field: Field) -> String {
        let (lack, name, word) = (
            self.lack(field),
            field.name(),
            self.written(field).unwrap_or_default(),
        );
        let way_out = match field {
            Field::Duration if self.map.has(Field::Status) => {
                "fill it in, or give the row a status that means failure".into()
            }
            Field::Duration => "fill it in, or remove the row".into(),
            _ => format!("fill it in, or set `{word:?} = \"…\"` under [values.{name}]"),
        };
        format!("{lack}; {way_out}")
    }

    /// Returns what stands in a field's column, if the row has it.
    fn written(&self, field: Field) -> Option<&str> {
        let column = self.map.columns.get(&field)?;
        self.fields.get(&column.name).map(|said| said.text.trim())
    }

    /// Says that a field has no value, and how the map can give it one of two.
    fn must_say(&self, field: Field, one: &str, other: &str) -> String {
        let word = self.written(field).unwrap_or_default();
        let lack = if word.is_empty() {
            format!("no {}", field.name())
        } else {
            self.lack(field)
        };
        format!(
            "{lack}. Set `{word:?} = {one:?}` or `{word:?} = {other:?}` under [values.{}]",
            field.name()
        )
    }

    fn digits(&self, said: &Said) -> Digits {
        if said.kind == ValueKind::Number {
            Digits::PLAIN
        } else {
            self.map.digits
        }
    }

    /// Reads a number that a measurement can be: finite and not negative.
    fn number(&self, field: Field) -> Result<Option<f64>, String> {
        let Some(said) = self.said(field) else {
            return Ok(None);
        };
        let (name, digits, text) = (field.name(), self.digits(&said), said.text);
        let value = digits
            .read(&text)
            .map_err(|why| format!("{name} `{text}` {why}"))?;
        if !value.is_finite() {
            // Every row needs its duration: a missing one would be refused again.
            let way_out = match field {
                Field::Duration => "Fix or remove the row".to_owned(),
                _ => format!("Remove the row, or set `missing = [{text:?}]` in the map"),
            };
            return Err(format!("{name} is `{text}`, not a number. {way_out}"));
        }
        if value < 0.0 {
            return Err(format!(
                "{name} `{text}` is negative, but a measurement cannot be. Fix or remove the row"
            ));
        }
        Ok(Some(value))
    }

    /// Reads a whole number; `512.0` is one.
    fn whole(&self, field: Field) -> Result<Option<u32>, String> {
        let Some(value) = self.number(field)? else {
            return Ok(None);
        };
        let (name, text) = (field.name(), self.text(field).unwrap_or_default());
        if value.fract() != 0.0 {
            return Err(format!(
                "{name} `{text}` is not a whole number. Write one, or map another column"
            ));
        }
        if value > f64::from(u32::MAX) {
            return Err(format!(
                "{name} `{text}` is too large: the largest is {}. Map another column",
                u32::MAX
            ));
        }
        Ok(Some(value as u32))
    }

    fn ms(&self, field: Field) -> Result<Option<f64>, String> {
        let unit = self
            .map
            .columns
            .get(&field)
            .map_or(1.0, |column| column.unit.ms());
        let ms = self.number(field)?.map(|number| number * unit);
        ms.map(|ms| within(ms, &self.text(field).unwrap_or_default(), &field.name()))
            .transpose()
    }

    fn truth(&self, field: Field) -> Result<Option<bool>, String> {
        let Some(text) = self.text(field) else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            // pandas writes truths beside missing values as 1.0 and 0.0.
            "true" | "t" | "1" | "1.0" | "yes" | "y" | "cold" => Ok(Some(true)),
            "false" | "f" | "0" | "0.0" | "no" | "n" | "warm" => Ok(Some(false)),
            _ => Err(format!(
                "{name} `{text}` is neither true nor false. Set `{text:?} = \"true\"` or `{text:?} = \"false\"` under [values.{name}]",
                name = field.name()
            )),
        }
    }

    /// Returns whether the row was measured to warm up. A cell that says nothing could be either.
    fn warm_up(&self) -> Result<bool, String> {
        match self.truth(Field::WarmUp)? {
            Some(truth) => Ok(truth),
            None if self.written(Field::WarmUp).is_some() => {
                Err(self.must_say(Field::WarmUp, "true", "false"))
            }
            None => Ok(false),
        }
    }

    /// Returns whether the row's work ended well. Where there is a status, it must say.
    fn ended_well(&self) -> Result<bool, String> {
        if !self.map.has(Field::Status) {
            return Ok(true);
        }
        let word = self
            .text(Field::Status)
            .ok_or_else(|| self.must_say(Field::Status, "ok", "failed"))?;
        match self.map.ended(&word) {
            Ended::Well => Ok(true),
            Ended::Badly => Ok(false),
            Ended::Unknown => Err(format!(
                "status `{word}` is an unknown word. Add it to `ok` or to `failed` of the map's \
                 status"
            )),
        }
    }

    /// Reads a time as RFC 3339, or as a number since 1970 in the column's unit.
    fn moment(&self, now: jiff::Timestamp) -> Result<Option<String>, String> {
        let Some(said) = self.said(Field::StartedAt) else {
            return Ok(None);
        };
        let column = self.map.columns.get(&Field::StartedAt);
        let (digits, text) = (self.digits(&said), said.text);
        let Ok(since_1970) = digits.read(&text) else {
            let time: jiff::Timestamp = text.parse().map_err(|_| no_time(&text))?;
            return if plausible(time, now) {
                Ok(Some(format!("{time:.3}")))
            } else {
                Err(implausible(&text, time))
            };
        };
        let in_unit =
            |unit: Unit| jiff::Timestamp::from_millisecond((since_1970 * unit.ms()) as i64).ok();
        let own = in_unit(column.map_or(Unit::Ms, |column| column.unit));
        if let Some(time) = own.filter(|time| plausible(*time, now)) {
            return Ok(Some(format!("{time:.3}")));
        }
        let fits = Unit::ALL
            .iter()
            .find(|(unit, _)| in_unit(*unit).is_some_and(|time| plausible(time, now)));
        let help = match (fits, column) {
            (Some((_, unit)), Some(column)) => {
                format!(
                    ". Set its unit: `started_at = {{ column = \"{}\", unit = \"{unit}\" }}`",
                    column.name
                )
            }
            _ => format!(", and not in any other unit either. {TIME_WAY_OUT}"),
        };
        Err(format!(
            "started_at `{text}` is not a time between 2006 and tomorrow{help}"
        ))
    }
}

/// What a time can be written as; without a column for it, no row needs one.
const TIME_WAY_OUT: &str = "Write it as 2024-05-01T12:00:00Z, or remove started_at from the map";

/// Names of the lines that other programs put under a table.
const SUMS: [&str; 8] = [
    "total",
    "totals",
    "grand total",
    "subtotal",
    "sum",
    "average",
    "avg",
    "mean",
];

fn twice(first: &str) -> String {
    format!(
        "the same cell, image, repetition and stage as {first}. Remove one, or map the column that tells them apart \
         (image, repetition or deployment)"
    )
}

fn some_memory(mb: u32) -> Result<u32, String> {
    if mb > 0 {
        Ok(mb)
    } else {
        Err("memory_mb is 0. Write the memory that the function had, in MB".to_owned())
    }
}

fn level<T: Copy + ToString>(text: &str, name: &str, levels: &[T]) -> Result<T, String> {
    levels.iter().copied().find(|level| level.to_string() == text).ok_or_else(|| {
        let known: Vec<String> = levels.iter().map(ToString::to_string).collect();
        let known = known.join(", ");
        format!("{name} `{text}` is not one of {known}; set `{text:?} = \"…\"` under [values.{name}] to one of them")
    })
}

/// Clouds rent out machines since 2006: a time before, or one after tomorrow, was read in a wrong
/// unit.
fn plausible(time: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    const FIRST_S: i64 = 1_136_073_600;
    time.as_second() >= FIRST_S && time.as_second() <= now.as_second() + 86_400
}

fn implausible(text: &str, time: jiff::Timestamp) -> String {
    format!(
        "started_at `{text}` is {}, which is not between 2006 and tomorrow. {TIME_WAY_OUT}",
        time.strftime("%Y-%m-%d")
    )
}

fn no_time(text: &str) -> String {
    if let Some(utc) = in_utc(text) {
        return format!(
            "started_at `{text}` has no time zone: write `{utc}` for UTC, or an offset"
        );
    }
    format!("started_at `{text}` is neither a time nor a number since 1970. {TIME_WAY_OUT}")
}

/// Returns a time without a zone as one of UTC: in its own spelling where that can be read, else
/// with all its parts.
fn in_utc(text: &str) -> Option<String> {
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let own = format!("{text}Z");
    Some(if own.parse::<jiff::Timestamp>().is_ok() {
        own
    } else {
        format!("{civil}Z")
    })
}

/// A century: what is longer is a wrong unit, and would not fit what counts milliseconds.
const LONGEST_MS: f64 = 100.0 * 366.0 * 86_400_000.0;

fn within(ms: f64, text: &str, name: &str) -> Result<f64, String> {
    if ms <= LONGEST_MS {
        Ok(ms)
    } else {
        Err(format!(
            "{name} `{text}` is more than a century. Check its unit: set `unit` of its column in \
             the map"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_suggested_can_be_read() {
        for (text, suggested) in [
            ("2024-05-01", "2024-05-01T00:00:00Z"),
            ("2024-05-01T12:00", "2024-05-01T12:00Z"),
            ("2024-05-01 12:00:00.25", "2024-05-01 12:00:00.25Z"),
            ("2024-05-01T12", "2024-05-01T12Z"),
        ] {
            assert_eq!(in_utc(text).as_deref(), Some(suggested));
            assert!(
                no_time(text).contains(&format!("write `{suggested}`")),
                "{text}"
            );
            assert!(suggested.parse::<jiff::Timestamp>().is_ok(), "{suggested}");
        }
        assert_eq!(in_utc("yesterday"), None);
    }
}
