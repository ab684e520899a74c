//! Reads a folder of handlers with `scan.py`, in the interpreter of the variant's runtime. Executes
//! none of them.

use std::path::Path;
use std::process::Command;

use darkroom_cloud::python;
use serde::Deserialize;

const SCRIPT: &str = concat!(
    include_str!("values.py"),
    include_str!("calls.py"),
    include_str!("scan.py")
);

/// One Python file.
#[derive(Clone, Debug, Deserialize)]
pub struct ScannedFile {
    /// Relative to the folder.
    #[serde(rename = "file")]
    pub name: String,
    pub doc: String,
    /// Why it does not parse.
    pub error: Option<Unparsed>,
    pub handlers: Vec<Handler>,
    /// Top-level modules that it imports and that are not Python's own.
    pub imports: Vec<String>,
}

/// Why Python can't read a file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Unparsed {
    pub line: u32,
    /// Python's own, for example `SyntaxError: expected ':'`.
    pub message: String,
    /// Lines of the Markdown code fences that keep it from parsing.
    pub fences: Vec<u32>,
    /// Only what is between them is code.
    pub keep: bool,
    /// The first line that is not empty.
    pub first: u32,
    /// The prose that keeps it from parsing.
    #[serde(default)]
    pub prose: Option<Prose>,
}

/// Where code seems to be in a file that has prose around it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Prose {
    /// `None`: nowhere.
    pub begin: Option<u32>,
    pub end: Option<u32>,
    /// How many lines the file has.
    pub lines: u32,
    /// The code stands to the right, as Markdown has it without a fence.
    pub indented: bool,
}

impl Prose {
    /// Says where the code seems to be, and what to do.
    fn advice(&self, line: u32) -> String {
        let (Some(begin), Some(end)) = (self.begin, self.end) else {
            return format!(
                "Line {line} looks like prose, and the file holds no code. Replace it with the code"
            );
        };
        let (where_to, remove) = match (begin > 1, end < self.lines) {
            (true, false) => (format!("begin at line {begin}"), "the lines above it"),
            (false, true) => (format!("end at line {end}"), "the lines below it"),
            _ => (format!("be lines {begin} to {end}"), "the other lines"),
        };
        let also = if self.indented {
            ", and the indentation of the code"
        } else {
            ""
        };
        format!("Line {line} looks like prose: the code seems to {where_to}. Remove {remove}{also}")
    }
}

impl Unparsed {
    /// Says it of a file: for what it is where it is Markdown, else in Python's words.
    pub fn message(&self, file: &str) -> String {
        let lines: Vec<String> = self.fences.iter().map(ToString::to_string).collect();
        match (self.fences.as_slice(), self.first) {
            ([], _) => {
                let prose = self
                    .prose
                    .as_ref()
                    .map(|prose| format!(". {}", prose.advice(self.line)))
                    .unwrap_or_default();
                format!(
                    "{file} does not parse: line {}: {}{prose}",
                    self.line, self.message
                )
            }
            ([only], _) => {
                format!("{file} has a Markdown code fence at line {only}: remove line {only}")
            }
            ([first, .., last], _) if self.keep => format!(
                "{file} has Markdown around its code: keep what is between the code fences at lines {first} and {last}, and \
                 remove the rest"
            ),
            ([first, ..], begins) if *first == begins => {
                format!(
                    "{file} starts with a Markdown code fence at line {first}: remove lines {}",
                    lines.join(" and ")
                )
            }
            _ => format!(
                "{file} has Markdown code fences: remove lines {}",
                lines.join(" and ")
            ),
        }
    }
}

/// A function that takes an event and a context.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Handler {
    pub name: String,
    pub line: u32,
    pub doc: String,
    /// Names and short constants in its body, split into words.
    pub words: Vec<String>,
    /// It reads `event["Records"]`.
    pub s3_event: bool,
    /// Path of the event's part that it decodes as base64; `{json}` where a string is read as JSON
    /// on the way.
    pub reads_image: Option<Vec<String>>,
    pub event_keys: Vec<EventKey>,
    /// Path of what it encodes as base64 in its answer.
    pub answer_image: Option<String>,
    pub reported: Option<Reported>,
    pub writes: Vec<Write>,
    pub environment: Vec<Variable>,
    /// Names of the environment that it takes for a bucket.
    pub bucket_names: Vec<String>,
    pub faults: Vec<ScanFault>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct EventKey {
    pub path: Vec<String>,
    /// It says what holds where the event lacks it.
    pub default: bool,
    pub line: u32,
}

/// A time that a handler claims for itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Reported {
    pub path: String,
    pub unit: String,
}

/// A call that writes an object.
#[derive(Clone, Debug, Deserialize)]
pub struct Write {
    pub file: String,
    pub line: u32,
    /// The key, as far as it can be followed; `{env:NAME}` for what the environment says.
    pub template: Option<String>,
    /// The key is this part of the event.
    pub from_event: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Variable {
    pub name: String,
    pub default: bool,
    pub file: String,
    pub line: u32,
}

/// What in the code may keep it from working in a run, with its place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ScanFault {
    pub kind: FaultKind,
    /// What the code says there, where it says something.
    pub what: String,
    pub file: String,
    pub line: u32,
    /// It stands where the code asks the environment first: a run may never come there.
    pub maybe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum FaultKind {
    #[serde(rename = "bucket")]
    Bucket,
    #[serde(rename = "bucket made")]
    BucketMade,
    #[serde(rename = "bucket from a file")]
    BucketFromFile,
    #[serde(rename = "bucket from the event")]
    BucketFromEvent,
    #[serde(rename = "unknown bucket")]
    UnknownBucket,
    #[serde(rename = "endpoint")]
    Endpoint,
    #[serde(rename = "unknown endpoint")]
    UnknownEndpoint,
    #[serde(rename = "key")]
    Key,
    #[serde(rename = "profile")]
    Profile,
    #[serde(rename = "region")]
    Region,
    #[serde(rename = "service")]
    Service,
    #[serde(rename = "sets environment")]
    SetsEnvironment,
    #[serde(rename = "async")]
    Async,
    #[serde(rename = "relative import")]
    RelativeImport,
}

/// Reads these Python files of `folder` with Python `version`, for example `3.13`.
pub fn scan(folder: &Path, files: &[String], version: &str) -> Result<Vec<ScannedFile>, String> {
    let interpreter = python::find(version).map_err(|error| error.to_string())?;
    let output = Command::new(&interpreter.path)
        .args(["-I", "-c", SCRIPT])
        .arg(folder)
        .args(files)
        .output()
        .map_err(|error| format!("cannot run {}: {error}", interpreter.path.display()))?;
    if !output.status.success() {
        return Err(format!(
            "the handlers could not be read: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("the handlers could not be read: {error}"))
}
