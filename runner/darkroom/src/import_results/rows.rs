//! Foreign files → rows of named texts: CSV by its header, JSON as an array, as lines, or as one object a file (SAAF).

use std::collections::BTreeMap;

use serde_json::Value;

/// One row, with where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// For example `results.csv:12`, or `results.json item 3`.
    pub at: String,
    /// By column; nested JSON by dotted names. An error says why the row can't be read.
    pub fields: Result<BTreeMap<String, String>, String>,
}

/// Reads the rows of a file, called `name`, whose ending says what it is.
pub fn read(name: &str, bytes: &[u8]) -> Vec<Raw> {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    if ending == "csv" || ending == "tsv" {
        return csv(name, bytes, if ending == "tsv" { b'\t' } else { b',' });
    }
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Array(items)) => {
            let row = |(number, item): (usize, Value)| Raw { at: format!("{name} item {number}"), fields: flat(&item) };
            (1..).zip(items).map(row).collect()
        }
        Ok(item) => vec![Raw { at: name.to_owned(), fields: flat(&item) }],
        Err(_) => lines(name, bytes),
    }
}

fn csv(name: &str, bytes: &[u8], delimiter: u8) -> Vec<Raw> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(bytes);
    let heads: Vec<String> = match reader.headers() {
        Ok(heads) => heads.iter().map(|head| head.trim().to_owned()).collect(),
        Err(error) => return vec![Raw { at: format!("{name}:1"), fields: Err(error.to_string()) }],
    };
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let mut rows = Vec::new();
    for record in reader.records() {
        let position = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        let line = lines.of(position.map_or(0, |position| position.byte() as usize));
        let fields = match record {
            Ok(record) => Ok(heads.iter().cloned().zip(record.iter().map(str::to_owned)).collect()),
            Err(error) => Err(told(&error)),
        };
        rows.push(Raw { at: format!("{name}:{line}"), fields });
    }
    rows
}

/// Counts lines up to records, asked in their order. `csv`'s own number is of where the record before ended, which is before
/// the `\n` of a `\r\n` and before empty lines.
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
        let lone = |place: usize| self.bytes[place] == b'\r' && self.bytes.get(place + 1) != Some(&b'\n');
        self.line += (self.at..start).filter(|place| self.bytes[*place] == b'\n' || lone(*place)).count();
        self.at = start;
        self.line
    }
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} values, {expected_len} in the header")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".into(),
        _ => error.to_string(),
    }
}

fn lines(name: &str, bytes: &[u8]) -> Vec<Raw> {
    let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
    filled
        .map(|(number, line)| Raw {
            at: format!("{name}:{number}"),
            fields: serde_json::from_slice(line)
                .map_err(|error| format!("not JSON: {error}"))
                .and_then(|value: Value| flat(&value)),
        })
        .collect()
}

/// Returns an object's values by dotted name; nulls are not there.
fn flat(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Object(_) = value else { return Err("not a JSON object".into()) };
    let mut fields = BTreeMap::new();
    put("", value, &mut fields);
    Ok(fields)
}

fn put(name: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (key, value) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                put(&name, value, fields);
            }
        }
        Value::String(text) => {
            fields.insert(name.to_owned(), text.clone());
        }
        other => {
            fields.insert(name.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(raw: &'a Raw, name: &str) -> &'a str {
        &raw.fields.as_ref().unwrap()[name]
    }

    #[test]
    fn csv_rows_know_their_line_and_a_short_one_is_an_error_of_its_own() {
        let rows = read("a.csv", b"\xef\xbb\xbfx, y\n1,\"two\nlines\"\n3\n5,6\n");
        assert_eq!((rows[0].at.as_str(), field(&rows[0], "x"), field(&rows[0], "y")), ("a.csv:2", "1", "two\nlines"));
        assert_eq!((rows[1].at.as_str(), rows[1].fields.clone()), ("a.csv:4", Err("1 values, 2 in the header".into())));
        assert_eq!(field(&rows[2], "y"), "6");
    }

    #[test]
    fn a_line_is_the_one_an_editor_shows_whatever_ends_the_lines_before_it() {
        let places = |bytes: &[u8]| read("a.csv", bytes).iter().map(|row| row.at[6..].to_owned()).collect::<Vec<_>>();
        for end in ["\n", "\r\n", "\r"] {
            let text = "x,y\n1,2\n\n3\n\"a\nb\",5\n7,8,9\n".replace('\n', end);
            assert_eq!(places(text.as_bytes()), ["2", "4", "5", "7"], "{end:?}");
        }
        assert_eq!(places(b"x,y\r\n1,2\r\n\xff,3\r\n4,5\r\n"), ["2", "3", "4"], "what is no text, too");
    }

    #[test]
    fn json_is_an_array_lines_or_one_object_and_nested_names_are_dotted() {
        let array = read("a.json", br#"[{"x": {"y": 1.5, "z": null}}, 7]"#);
        assert_eq!((array[0].at.as_str(), field(&array[0], "x.y")), ("a.json item 1", "1.5"));
        assert_eq!(array[1].fields, Err("not a JSON object".into()));
        let lines = read("a.jsonl", b"{\"x\": true}\n\n{\"x\": \n{\"x\": \"s\"}\n");
        assert_eq!((field(&lines[0], "x"), field(&lines[2], "x")), ("true", "s"));
        assert!(lines[1].at == "a.jsonl:3" && lines[1].fields.as_ref().unwrap_err().starts_with("not JSON"));
        assert_eq!(read("saaf.json", br#"{"runtime": 38.94}"#).len(), 1);
    }
}
