//! Foreign files → rows of named texts: tables by their header, JSON as an array, as lines, or as
//! one object a file (SAAF).

use std::collections::{BTreeMap, BTreeSet};

use super::json::{Json, parse, stream};
use super::map::Map;
use super::shape::not_a_row;
use super::text::{Text, decode};

/// What a row says under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    pub kind: ValueKind,
}

/// How a file says a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    /// A number as JSON spells it: the map's decimal commas are not its.
    Number,
    /// Of JSON: several values, where a field has one.
    List,
    /// Of JSON: its parts stand beside it, by dotted names.
    Object,
}

impl Said {
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: ValueKind::Text,
        }
    }

    pub fn number(number: &impl ToString) -> Self {
        Self {
            text: number.to_string(),
            kind: ValueKind::Number,
        }
    }
}

/// One row, with where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// For example `results.csv:12`, or `results.json item 3`.
    pub at: String,
    /// By column; nested JSON by dotted names. An error says why the row can't be read.
    pub fields: Result<BTreeMap<String, Said>, String>,
}

/// The rows of a file, and how they were found.
#[derive(Debug, Default)]
pub struct Found {
    pub rows: Vec<Raw>,
    /// What was told from the file: its encoding and what separates its columns, where they are not
    /// the usual ones.
    pub told: Vec<String>,
}

/// Reads the rows of a file, called `name`. An error names what keeps the whole file from being
/// read.
pub fn read(name: &str, bytes: &[u8], map: &Map) -> Result<Found, String> {
    let Text { text, encoding } =
        decode(bytes, map.encoding).map_err(|why| format!("{name}{why}"))?;
    let mut found = if is_table(name, &text) {
        table(name, &text, map)?
    } else {
        json(name, &text, map)?
    };
    found
        .told
        .splice(0..0, encoding.map(|encoding| format!("read as {encoding}")));
    Ok(found)
}

fn is_table(name: &str, text: &str) -> bool {
    let ending = name
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match ending.as_str() {
        "csv" | "tsv" | "tab" | "psv" => true,
        "json" | "jsonl" | "ndjson" => false,
        _ => !text.trim_start().starts_with(['{', '[']),
    }
}

/// What may separate columns, and its name.
const DELIMITERS: [(u8, &str); 4] = [(b',', "`,`"), (b';', "`;`"), (b'\t', "tabs"), (b'|', "`|`")];

fn table(name: &str, text: &str, map: &Map) -> Result<Found, String> {
    let (hint, mut skipped) = hint(text);
    let comments = comments(&text[skipped..], map);
    skipped += comments.0;
    let text = &text[skipped..];
    let delimiter = map
        .delimiter
        .or(hint)
        .unwrap_or_else(|| delimiter(text, map));
    let first = 1 + usize::from(hint.is_some()) + comments.1;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(text.as_bytes());
    let (heads, invisible) = heads(&mut reader);
    if heads.iter().any(|head| head.contains('\0')) {
        return Err(format!(
            "{name}:{first}: the header holds a NUL byte: the file is damaged. Export it again"
        ));
    }
    if let Some(line) = header_below(text, &heads, map) {
        let line = first + line;
        return Err(format!(
            "{name}:{line}: the header is in this line. Remove the lines above it"
        ));
    }
    same_names(&heads, map).map_err(|why| {
        why.iter()
            .map(|why| format!("{name}:{first}: {why}"))
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    let lines = || Lines {
        bytes: text.as_bytes(),
        at: 0,
        line: first,
    };
    if let Some(at) = open_quote(text.as_bytes(), delimiter) {
        let line = lines().of(at);
        return Err(format!(
            "{name}:{line}: a quote opens here and is never closed. Close it, or remove it"
        ));
    }
    let mut lines = lines();
    let (mut rows, mut empty, mut no_data, mut formulas) =
        (Vec::new(), 0_usize, Vec::new(), 0_usize);
    for record in reader.records() {
        let record = record.map_err(|error| format!("{name}: {error}"))?;
        let line = lines.of(record
            .position()
            .map_or(0, |position| position.byte() as usize));
        if record.iter().all(|field| field.trim().is_empty()) {
            empty += 1;
            continue;
        }
        if let Some(what) = furniture(&heads, &record) {
            no_data.push((what, line));
            continue;
        }
        formulas += record
            .iter()
            .filter(|field| of_formula(field).is_some())
            .count();
        rows.push(Raw {
            at: format!("{name}:{line}"),
            fields: fields(&heads, &record),
        });
    }
    let mut told = Vec::new();
    if let Some((_, between)) = DELIMITERS
        .iter()
        .find(|(byte, _)| *byte == delimiter && *byte != b',')
    {
        told.push(format!("columns separated by {between}"));
    }
    if comments.1 > 0 {
        told.push(format!(
            "left out: {} above the header",
            lines_of(comments.1, "comment line")
        ));
    }
    told.extend(told_of_invisible(&invisible));
    if empty > 0 {
        told.push(format!(
            "left out: {empty} empty {}",
            if empty == 1 { "row" } else { "rows" }
        ));
    }
    told.extend(told_of_furniture(&no_data));
    if formulas > 0 {
        told.push(format!(
            "{} of the form `=\"…\"` read as the text in it",
            lines_of(formulas, "value")
        ));
    }
    Ok(Found { rows, told })
}

/// Excel's first line `sep=;` says what separates the columns. Returns it and the bytes to skip.
fn hint(text: &str) -> (Option<u8>, usize) {
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_matches('"');
    let between = line
        .get(..4)
        .filter(|begin| begin.eq_ignore_ascii_case("sep="))
        .map(|_| &line.as_bytes()[4..]);
    match between {
        Some([delimiter]) => (
            Some(*delimiter),
            text.find('\n').map_or(text.len(), |end| end + 1),
        ),
        _ => (None, 0),
    }
}

/// Returns the delimiter with which the header has most of the map's columns; of these, most
/// columns.
fn delimiter(text: &str, map: &Map) -> u8 {
    let columns = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let (heads, _) = heads(&mut reader);
        let named = map
            .columns
            .values()
            .filter(|column| heads.contains(&column.name))
            .count();
        (named, heads.len())
    };
    // Of equals the first: `max_by_key` takes the last.
    DELIMITERS
        .iter()
        .rev()
        .map(|(delimiter, _)| *delimiter)
        .max_by_key(|delimiter| columns(*delimiter))
        .unwrap_or(b',')
}

/// Returns the names of the columns as they are seen, and those that held characters without a
/// width.
fn heads(reader: &mut csv::Reader<&[u8]>) -> (Vec<String>, Vec<String>) {
    let headers = reader.headers().cloned().unwrap_or_default();
    let mended = headers
        .iter()
        .filter(|head| has_invisible(head))
        .map(|head| format!("`{}`", as_seen(head)))
        .collect();
    (headers.iter().map(as_seen).collect(), mended)
}

const fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}'
    )
}

/// Whether a name holds characters without a width.
pub fn has_invisible(name: &str) -> bool {
    name.contains(is_invisible)
}

/// Returns a name as it is seen: without such characters, and a space that does not break looks
/// like one that does.
pub fn as_seen(name: &str) -> String {
    name.replace(is_invisible, "")
        .replace(['\u{a0}', '\u{202f}'], " ")
        .trim()
        .to_owned()
}

fn told_of_invisible(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| {
        format!(
            "invisible characters left out of the column names {}",
            names.join(", ")
        )
    })
}

/// Returns the bytes and the number of the lines above the header that begin with `#` and name no
/// column of the map.
fn comments(text: &str, map: &Map) -> (usize, usize) {
    let names_a_column = |line: &str| {
        let mut fields = line
            .split([',', ';', '\t', '|'])
            .map(|field| field.trim_matches(['"', ' ']));
        fields.any(|field| map.columns.values().any(|column| column.name == field))
    };
    let comment = |line: &&str| line.starts_with('#') && !names_a_column(line.trim_end());
    text.split_inclusive('\n')
        .take_while(comment)
        .fold((0, 0), |(bytes, lines), line| {
            (bytes + line.len(), lines + 1)
        })
}

/// Returns how many lines below the first one a header stands that has most of the map's columns,
/// where the first has none.
fn header_below(text: &str, heads: &[String], map: &Map) -> Option<usize> {
    let known = |names: &[String]| {
        map.columns
            .values()
            .filter(|column| names.contains(&column.name))
            .count()
    };
    if known(heads) > 0 || map.columns.is_empty() {
        return None;
    }
    let of_line = |line: &str, between: u8| -> Vec<String> {
        line.split(char::from(between))
            .map(|field| field.trim().trim_matches('"').trim().to_owned())
            .collect()
    };
    let header = |line: &str| {
        DELIMITERS
            .iter()
            .any(|(between, _)| 2 * known(&of_line(line, *between)) > map.columns.len())
    };
    text.lines().take(20).position(header)
}

fn lines_of(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}

/// Refuses columns of one name, and those of nearly one name where the map may mean either.
fn same_names(heads: &[String], map: &Map) -> Result<(), Vec<String>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, head) in (1..).zip(heads).filter(|(_, head)| !head.is_empty()) {
        places.entry(head).or_default().push(place);
    }
    let of = |places: &[usize]| {
        places
            .iter()
            .map(usize::to_string)
            .collect::<Vec<_>>()
            .join(" and ")
    };
    let twice = places.iter().filter(|(_, places)| places.len() > 1);
    let mut wrong: Vec<String> = twice
        .map(|(name, places)| {
            let count = if places.len() == 2 {
                "two".to_owned()
            } else {
                places.len().to_string()
            };
            format!(
                "{count} columns are called `{name}`: columns {}. Rename or remove one",
                of(places)
            )
        })
        .collect();
    wrong.extend(nearly_one(places.keys().copied(), map));
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// Returns what is wrong with names that differ only by case or white space and one of which the
/// map names.
fn nearly_one<'a>(names: impl Iterator<Item = &'a str>, map: &Map) -> Vec<String> {
    let plain = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        alike.entry(plain(name)).or_default().push(name);
    }
    let meant = |names: &&Vec<&str>| {
        names.len() > 1
            && map
                .columns
                .values()
                .any(|column| plain(&column.name) == plain(names[0]))
    };
    let said = |names: &Vec<&str>| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        format!(
            "the names {} differ only by case or white space, and the map means one of them. \
             Rename one",
            names.join(" and ")
        )
    };
    alike.values().filter(meant).map(said).collect()
}

/// Says what a line is that is a part of how a table looks, not a row of it: the header once more,
/// or a line of dashes.
fn furniture(heads: &[String], record: &csv::StringRecord) -> Option<&'static str> {
    let again = || {
        record.len() == heads.len()
            && heads
                .iter()
                .zip(record)
                .all(|(head, field)| *head == as_seen(field))
    };
    let rule = |field: &str| {
        field.trim().len() > 2
            && field
                .trim()
                .bytes()
                .all(|byte| matches!(byte, b'-' | b'+' | b':' | b'='))
    };
    let ruled = || {
        record.iter().any(rule)
            && record
                .iter()
                .all(|field| rule(field) || field.trim().is_empty())
    };
    if again() {
        Some("the header again")
    } else if ruled() {
        Some("a line of dashes")
    } else {
        None
    }
}

fn told_of_furniture(found: &[(&str, usize)]) -> Vec<String> {
    let told = |what: &str| {
        let lines: Vec<usize> = found
            .iter()
            .filter(|(of, _)| *of == what)
            .map(|(_, line)| *line)
            .collect();
        match lines.as_slice() {
            [] => None,
            [one] => Some(format!("left out: line {one} is {what}")),
            [first, ..] => Some(format!(
                "left out: {} lines are {what}, the first at line {first}",
                lines.len()
            )),
        }
    };
    ["the header again", "a line of dashes"]
        .into_iter()
        .filter_map(told)
        .collect()
}

/// Returns the text of a formula that is only a text: programs write `="007"` so that Excel keeps
/// the zeros.
fn of_formula(field: &str) -> Option<&str> {
    field
        .trim()
        .strip_prefix("=\"")?
        .strip_suffix('"')
        .filter(|text| !text.contains('"'))
}

fn fields(heads: &[String], record: &csv::StringRecord) -> Result<BTreeMap<String, Said>, String> {
    if record.iter().any(|field| field.contains('\0')) {
        return Err(
            "it holds a NUL byte: the file is damaged here. Export it again, or remove the line"
                .into(),
        );
    }
    if record.len() != heads.len() {
        return Err(other_width(heads, record));
    }
    let named = heads
        .iter()
        .zip(record)
        .filter(|(head, _)| !head.is_empty());
    Ok(named
        .map(|(head, field)| (head.clone(), Said::text(of_formula(field).unwrap_or(field))))
        .collect())
}

/// Says that a row has more or fewer values than the header, and why that may be.
fn other_width(heads: &[String], record: &csv::StringRecord) -> String {
    let lines = record
        .iter()
        .map(|field| field.lines().count().saturating_sub(1))
        .sum::<usize>();
    let quote = if lines > 0 {
        format!("; a quote in it spans {} lines", lines + 1)
    } else {
        String::new()
    };
    let last_is_empty = record
        .iter()
        .next_back()
        .is_some_and(|field| field.trim().is_empty());
    let way_out = match record.len() > heads.len() {
        true if record.iter().any(|field| field.contains('\\')) => {
            "Write a quote in a value as two quotes, not with a backslash"
        }
        true if last_is_empty => "If its last delimiter ends the line, end the header with one too",
        true => "Name every column in the header, and quote values that hold the delimiter",
        false => "Add the missing values, or remove the row",
    };
    format!(
        "{} values, {} in the header{quote}. {way_out}",
        record.len(),
        heads.len()
    )
}

/// Returns where a quoted field begins that takes in more than it should: up to the end of the
/// file, or over the ends of lines up to a quote that is followed by more, so that it was meant to
/// open another field.
fn open_quote(bytes: &[u8], delimiter: u8) -> Option<usize> {
    let ends = |byte: &u8| *byte == delimiter || matches!(byte, b'\r' | b'\n');
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'"' {
            let Some(close) = closing_quote(bytes, at) else {
                return Some(at);
            };
            let goes_on = bytes.get(close + 1).is_some_and(|byte| !ends(byte));
            if goes_on && bytes[at..close].contains(&b'\n') {
                return Some(at);
            }
            at = close + 1;
        }
        at += bytes[at..]
            .iter()
            .position(ends)
            .map_or(bytes.len() - at, |place| place + 1);
    }
    None
}

/// Returns where a quote that opens at `open` closes: two of them in a field are one letter.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'"')?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Counts lines up to records, asked in their order. `csv`'s own number is of where the record
/// before ended, which is before the `\n` of a `\r\n` and before empty lines.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// Returns the line, from 1, of the record that `csv` says to begin at `byte`.
    fn of(&mut self, byte: usize) -> usize {
        let ends = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let start = byte + self.bytes[byte..].iter().take_while(ends).count();
        let lone =
            |place: usize| self.bytes[place] == b'\r' && self.bytes.get(place + 1) != Some(&b'\n');
        self.line += (self.at..start)
            .filter(|place| self.bytes[*place] == b'\n' || lone(*place))
            .count();
        self.at = start;
        self.line
    }
}

/// Reads an array, an object, an object a line, or objects behind each other.
fn json(name: &str, text: &str, map: &Map) -> Result<Found, String> {
    let mut invisible = BTreeSet::new();
    let mut flat = |item: &Json| {
        item.mended(&mut invisible);
        let fields = item.flat()?;
        let alike = nearly_one(fields.keys().map(String::as_str), map);
        if alike.is_empty() {
            Ok(fields)
        } else {
            Err(alike.join("; "))
        }
    };
    let mut of_items = |items: &[Json]| -> Vec<Raw> {
        let row = |(number, item): (usize, &Json)| Raw {
            at: format!("{name} item {number}"),
            fields: flat(item),
        };
        (1..).zip(items).map(row).collect()
    };
    let rows = match parse(text) {
        Ok(Json::Array(items)) => of_items(&items),
        Ok(item) => {
            if let Some(why) = not_a_row(&item, map) {
                return Err(format!("{name}: {why}"));
            }
            vec![Raw {
                at: name.to_owned(),
                fields: flat(&item),
            }]
        }
        Err(error) if text.trim_start().starts_with('[') && stream(text).is_none() => {
            return Err(not_json(name, &error));
        }
        Err(_) => {
            let filled = (1..)
                .zip(text.split('\n'))
                .filter(|(_, line): &(usize, &str)| !line.trim().is_empty());
            let lines: Vec<(usize, Result<Json, _>)> =
                filled.map(|(number, line)| (number, parse(line))).collect();
            match lines
                .iter()
                .any(|(_, read)| read.is_err())
                .then(|| stream(text))
                .flatten()
            {
                Some(items) => of_items(&items),
                None => lines
                    .into_iter()
                    .map(|line| of_line(name, line, &mut flat))
                    .collect(),
            }
        }
    };
    let invisible: Vec<String> = invisible.into_iter().collect();
    Ok(Found {
        rows,
        told: told_of_invisible(&invisible).into_iter().collect(),
    })
}

fn of_line(
    name: &str,
    (number, read): (usize, Result<Json, serde_json::Error>),
    flat: &mut impl FnMut(&Json) -> Result<BTreeMap<String, Said>, String>,
) -> Raw {
    let why = |error| format!("not JSON: {error}. Write one object a line, or an array of objects");
    Raw {
        at: format!("{name}:{number}"),
        fields: read.map_err(why).and_then(|item| flat(&item)),
    }
}

/// Says where an array stops being JSON: all of its rows stand behind or before that.
fn not_json(name: &str, error: &serde_json::Error) -> String {
    let cut = if error.is_eof() {
        "the file seems to be cut off. Export it again"
    } else {
        "fix it there, or export it again"
    };
    format!("{name}:{}: not JSON: {error}: {cut}", error.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "experiment = \"x\"\nmeasured_by = \"client\"\n[constants]\nvariant = \"a\"\n\
        architecture = \"arm64\"\nmemory_mb = 512\nimage_set = \"s\"\nimage = \"i\"\ntrigger = \"direct\"\n\
        input = \"chained\"\nstart = \"warm\"\nstage = \"one\"\n[columns]\nduration = \"y\"\n";

    fn rows(name: &str, bytes: &[u8]) -> Vec<Raw> {
        read(name, bytes, &Map::parse(MAP).unwrap()).unwrap().rows
    }

    fn refused(name: &str, text: &str) -> String {
        read(name, text.as_bytes(), &Map::parse(MAP).unwrap()).unwrap_err()
    }

    fn field<'a>(raw: &'a Raw, name: &str) -> &'a str {
        &raw.fields.as_ref().unwrap()[name].text
    }

    #[test]
    fn csv_rows_know_their_line_and_a_short_one_is_an_error_of_its_own() {
        let rows = rows("a.csv", b"\xef\xbb\xbfx, y\n1,\"two\nlines\"\n3\n5,6\n");
        assert_eq!(
            (
                rows[0].at.as_str(),
                field(&rows[0], "x"),
                field(&rows[0], "y")
            ),
            ("a.csv:2", "1", "two\nlines")
        );
        assert_eq!(
            (rows[1].at.as_str(), rows[1].fields.clone()),
            (
                "a.csv:4",
                Err("1 values, 2 in the header. Add the missing values, or remove the row".into())
            )
        );
        assert_eq!(field(&rows[2], "y"), "6");
    }

    #[test]
    fn a_line_is_the_one_an_editor_shows_whatever_ends_the_lines_before_it() {
        let places = |text: &str| {
            rows("a.csv", text.as_bytes())
                .iter()
                .map(|row| row.at[6..].to_owned())
                .collect::<Vec<_>>()
        };
        for end in ["\n", "\r\n", "\r"] {
            let text = "x,y\n1,2\n\n3\n\"a\nb\",5\n7,8,9\n".replace('\n', end);
            assert_eq!(places(&text), ["2", "4", "5", "7"], "{end:?}");
        }
        assert_eq!(
            places("sep=,\r\nx,y\r\n1,2\r\n"),
            ["3"],
            "Excel's hint is a line"
        );
    }

    #[test]
    fn the_delimiter_is_the_one_that_gives_the_maps_columns_and_is_told() {
        let map = Map::parse(MAP).unwrap();
        for (between, told) in [(";", "`;`"), ("\t", "tabs"), ("|", "`|`")] {
            let text = format!("x, a{between}y\n1,5{between}2\n");
            let found = read("a.csv", text.as_bytes(), &map).unwrap();
            assert_eq!(field(&found.rows[0], "y"), "2");
            assert_eq!(found.told, [format!("columns separated by {told}")]);
        }
        let quoted = read("a.csv", b"x,\"b;c;d\",y\n1,2,3\n,,\n \n", &map).unwrap();
        assert_eq!(
            (field(&quoted.rows[0], "b;c;d"), quoted.rows.len()),
            ("2", 1)
        );
        assert_eq!(quoted.told, ["left out: 2 empty rows"]);
    }

    #[test]
    fn a_file_is_refused_for_names_that_stand_twice_or_are_nearly_equal() {
        assert_eq!(
            refused("a.csv", "x,y, y ,z,z,z\n"),
            "a.csv:1: two columns are called `y`: columns 2 and 3. Rename or remove one\n\
             a.csv:1: 3 columns are called `z`: columns 4 and 5 and 6. Rename or remove one"
        );
        assert!(refused("a.csv", "x,y,Y\n1,2,3\n").contains("`Y` and `y` differ only by case"));
        assert_eq!(
            rows("a.csv", b"x,X,y,,\n1,2,3,,\n").len(),
            1,
            "the map means neither"
        );
        let alike = rows("a.jsonl", b"{\"y\": 1, \"Y\": 2}\n{\"y\": 1, \"y\": 2}\n");
        assert!(
            alike[0]
                .fields
                .as_ref()
                .unwrap_err()
                .contains("differ only by case")
        );
        assert!(
            alike[1]
                .fields
                .clone()
                .unwrap_err()
                .starts_with("two keys are called `y`")
        );
    }

    #[test]
    fn a_quote_that_never_closes_does_not_swallow_the_rows_behind_it() {
        for text in [
            "x,y\n1,2\n3,\"4\n5,6\n7,8\n",
            "x,y\n1,2\n3,\"4",
            "x,y\r\n1,\"two\r\nlines\"\"\"\r\n\"5\",\"6\r\n",
            "x,y\n1,\"2\"\n3,\"4\n5,\"6\"\n",
            "x,y\n1,\"2\"\n3,\"4\n5,\"6\"\n7,\"8\n",
        ] {
            let line = if text.contains("two") { 4 } else { 3 };
            let refused = refused("a.csv", text);
            assert!(
                refused.starts_with(&format!("a.csv:{line}: a quote")),
                "{text}: {refused}"
            );
        }
        assert_eq!(
            rows("a.csv", b"x,y\n\"1\"a,\"\"\n\"a \"\"b\"\"\nc\",\"2\"").len(),
            2
        );
        assert_eq!(
            rows("a.csv", b"x,y\n5\" disk,2\n3,4\n").len(),
            2,
            "an inch is no quote"
        );
        let nul = rows("a.csv", b"x,y\n1,2\n3,\x00\x00\n");
        assert!(nul[0].fields.is_ok() && nul[1].fields.as_ref().unwrap_err().contains("NUL"));
    }

    #[test]
    fn what_only_makes_a_table_look_well_is_left_out_and_said() {
        let map = Map::parse(MAP).unwrap();
        let twice = read("a.csv", b"x,y\n1,2\nx, y\n3,4\nx,y\n", &map).unwrap();
        assert_eq!(
            (twice.rows.len(), twice.rows[1].at.as_str()),
            (2, "a.csv:4")
        );
        assert_eq!(
            twice.told,
            ["left out: 2 lines are the header again, the first at line 3"]
        );
        let ruled = read("a.md", b"| x | y |\n|---|:--|\n| - | 2 |\n", &map).unwrap();
        assert_eq!(
            (ruled.rows.len(), ruled.told.last().unwrap().as_str()),
            (1, "left out: line 2 is a line of dashes")
        );
        let formula = read("a.csv", b"x,y\n\"=\"\"007\"\"\",2\n=\"a\",3\n=A1,4\n", &map).unwrap();
        let texts: Vec<&str> = formula.rows.iter().map(|row| field(row, "x")).collect();
        assert_eq!((texts, formula.told.len()), (vec!["007", "a", "=A1"], 1));
    }

    #[test]
    fn objects_behind_each_other_are_rows_and_a_cut_array_is_one_mistake() {
        let jq = rows("a.json", b"{\n \"y\": 1\n}\n{\n \"y\": NaN\n}\n");
        assert_eq!(
            (jq.len(), jq[1].at.as_str(), field(&jq[1], "y")),
            (2, "a.json item 2", "")
        );
        let cut = refused("a.json", "[\n{\"y\": 1},\n{\"y\": ");
        assert!(
            cut.starts_with("a.json:3: not JSON: ") && cut.ends_with("cut off. Export it again"),
            "{cut}"
        );
        assert!(refused("a.json", "[{\"y\": 1},]").ends_with("fix it there, or export it again"));
        assert!(
            refused("a.json", "{\"rows\": [{\"y\": 1}]}")
                .starts_with("a.json: its rows are in the list `rows`")
        );
    }

    #[test]
    fn json_is_an_array_lines_or_one_object_and_nested_names_are_dotted() {
        let array = rows("a.json", br#"[{"x": {"y": 1.5, "z": null}}, 7]"#);
        assert_eq!(
            (array[0].at.as_str(), field(&array[0], "x.y")),
            ("a.json item 1", "1.5")
        );
        assert!(
            array[1]
                .fields
                .as_ref()
                .unwrap_err()
                .starts_with("not a JSON object")
        );
        let lines = rows("a.jsonl", b"{\"x\": true}\n\n{\"x\": \n{\"x\": \"s\"}\n");
        assert_eq!(
            (field(&lines[0], "x"), field(&lines[2], "x")),
            ("true", "s")
        );
        assert!(
            lines[1].at == "a.jsonl:3"
                && lines[1]
                    .fields
                    .as_ref()
                    .unwrap_err()
                    .starts_with("not JSON")
        );
        assert_eq!(rows("saaf.json", br#"{"runtime": 38.94}"#).len(), 1);
    }
}
