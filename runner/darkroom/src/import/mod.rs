//! Takes handlers that exist in as a variant: copied as they are, understood by reading them, adapted by data.
//!
//! A folder of Python files → `functions/<variant>/` with the same bytes and a `variant.toml` that says which handler
//! serves which stage, what its environment holds, what it is called with and where its output lands. What reading does not
//! show is asked for; what can't be had without editing the code is refused with its line.

mod habits;
mod mapping;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use darkroom_core::adapt::Adapt;
use darkroom_core::cell::Architecture;
use darkroom_core::pipeline::{Pipeline, Transport};
use darkroom_core::variant::{Build, Variant};
use serde::Serialize;
use sha2::{Digest, Sha256};

pub use self::habits::Said;
use self::habits::{Habits, Obstacles};
use self::mapping::{Candidate, Mapped, Unclear};
use self::scan::File;
use crate::project::Project;

/// Folders and files that are no part of anybody's code.
const NOT_CODE: &[&str] = &["__pycache__", "node_modules", "venv", "env", "variant.toml"];
/// What the Lambda runtime for Python brings along.
const IN_THE_RUNTIME: &[&str] = &["boto3", "botocore", "s3transfer", "dateutil", "jmespath", "urllib3", "six"];

/// What is to be taken in.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub project: &'a Project,
    pub folder: &'a Path,
    pub variant: &'a str,
    /// `None`: told from the code.
    pub events: Option<Transport>,
    /// `None`: the usual one with these events.
    pub pipeline: Option<&'a str>,
    /// Stage → `file.py:function`.
    pub map: &'a BTreeMap<String, String>,
    pub said: &'a Said,
    /// Pinned requirements; `None`: the folder's own if they are pinned, or a variant's here that has what is imported.
    pub requirements: Option<&'a Path>,
    pub runtime: &'a str,
    pub description: Option<&'a str>,
}

/// Why handlers can't be taken in. Nothing has been written then.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}")]
pub struct ImportError {
    what: String,
    #[help]
    help: Option<String>,
}

impl ImportError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Puts other words before its own.
    fn after(self, before: &[String]) -> Self {
        let what = before.iter().map(String::as_str).chain([self.what.as_str()]).collect::<Vec<_>>().join("\n");
        Self { what, ..self }
    }
}

/// What would be written.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    pub variant: String,
    pub pipeline: String,
    pub mapping: Vec<Serves>,
    /// Files that Python can't read, each with its line and Python's words.
    pub unparsed: Vec<String>,
    pub notes: Vec<String>,
    /// Where it will be.
    pub folder: PathBuf,
    #[serde(skip)]
    toml: String,
    /// Name in the variant's folder → file.
    #[serde(skip)]
    files: BTreeMap<String, PathBuf>,
    pub adapt: Adapt,
}

/// Which handler serves a stage.
#[derive(Clone, Debug, Serialize)]
pub struct Serves {
    pub stage: String,
    pub handler: String,
    /// Words that the guess stands on; empty where it was said.
    pub because: Vec<String>,
    /// What will keep it from being imported by Lambda, if it is known.
    pub error: Option<String>,
}

/// Reads the folder and decides; writes nothing.
pub fn plan(request: &Request<'_>) -> Result<Import, ImportError> {
    check_name(request)?;
    let files = files_of(request.folder)?;
    let python: Vec<String> = files.keys().filter(|name| is_python(name)).cloned().collect();
    if python.is_empty() {
        return Err(ImportError::new(format!("{} holds no Python file", request.folder.display()))
            .help("name the folder that holds the handlers' .py files"));
    }
    let version = request.runtime.trim_start_matches("python");
    let scanned = scan::scan(request.folder, &python, version).map_err(ImportError::new)?;
    nothing_around_code(&scanned)?;
    // What does not parse explains much of what can't be told below, so every refusal says it first.
    let unparsed: Vec<String> = scanned.iter().filter_map(unparsed).collect();
    let first = |error: ImportError| error.after(&unparsed);
    let candidates = mapping::candidates(&scanned);
    // An answer leads nowhere where the code must be mended first.
    let asked = |question: ImportError| {
        first(match habits::in_the_way(&candidates) {
            (found, true) if !found.is_empty() => obstacles_error(found),
            (found, _) => question.after(&found.told),
        })
    };
    let pipeline = pipeline(request, &scanned).map_err(asked)?;
    let mapped = mapped(request, &pipeline, &candidates).map_err(asked)?;
    let Habits { adapt, obstacles, mut notes } = habits::habits(&pipeline, &mapped, request.said);
    if !obstacles.is_empty() {
        return Err(first(obstacles_error(obstacles)));
    }
    let mut all = files;
    let requirements = requirements(request, &scanned, &mut all, &mut notes)?;
    let variant = Variant {
        description: request.description.map_or_else(|| description(request), ToOwned::to_owned),
        runtime: request.runtime.to_owned(),
        architectures: vec![Architecture::X86_64, Architecture::Arm64],
        build: Build::Python { requirements },
        handlers: mapped.iter().map(|one| (one.stage.to_owned(), one.candidate.lambda_name())).collect(),
        model: None,
        sample: None,
        transport: pipeline.transport,
        wrong_on_purpose: false,
        adapt: adapt.clone(),
        imported: hashes(&all)?,
    };
    let toml = toml::to_string(&variant).map_err(|error| ImportError::new(error.to_string()))?;
    Variant::parse("variant.toml", &toml).map_err(|error| ImportError::new(error.to_string()))?;
    Ok(Import {
        variant: request.variant.to_owned(),
        pipeline: pipeline.name.clone(),
        mapping: mapped.iter().map(serves).collect(),
        unparsed,
        notes,
        folder: request.project.variant_dir(request.variant),
        toml,
        files: all,
        adapt,
    })
}

/// Writes the variant, whole or not at all.
pub fn write(import: &Import) -> Result<(), ImportError> {
    let part = import.folder.with_file_name(format!(".{}.part", import.variant));
    let written = copy(import, &part).and_then(|()| fs::rename(&part, &import.folder));
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&part);
        ImportError::new(format!("cannot write {}: {error}", import.folder.display()))
    })
}

fn copy(import: &Import, to: &Path) -> std::io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    for (name, from) in &import.files {
        let file = to.join(name);
        fs::create_dir_all(file.parent().unwrap_or(to))?;
        fs::copy(from, file)?;
    }
    fs::write(to.join("variant.toml"), &import.toml)
}

/// The decision as a page for a person who is to agree with it.
pub fn page(import: &Import) -> String {
    let mut text = String::new();
    for told in &import.unparsed {
        let _ = writeln!(text, "{told}; what needs it will be measured as code that fails");
    }
    let _ = writeln!(text, "{} · {}", import.variant, import.pipeline);
    let width = import.mapping.iter().map(|serves| serves.stage.len()).max().unwrap_or(0);
    for Serves { stage, handler, because, .. } in &import.mapping {
        let why = if because.is_empty() { "as said".to_owned() } else { because.join(", ") };
        let _ = writeln!(text, "  {stage:width$}  {handler}  ({why})");
    }
    for (name, value) in &import.adapt.environment {
        let _ = writeln!(text, "  {name} = {value}");
    }
    let stages = import.adapt.stages.iter();
    for (stage, key) in stages.filter_map(|(stage, own)| Some((stage, own.output_key.as_ref()?))) {
        let _ = writeln!(text, "  {stage} writes {key}");
    }
    for note in &import.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn obstacles_error(Obstacles { told, ways_out }: Obstacles) -> ImportError {
    let error = ImportError::new(told.join("\n"));
    let help: Vec<&str> = ways_out.into_iter().collect();
    if help.is_empty() { error } else { error.help(help.join("\n")) }
}

fn unparsed(file: &File) -> Option<String> {
    Some(file.error.as_ref()?.message(&file.name))
}

/// Refuses Markdown and prose around code that handlers need: they are no fault of the code, and would be measured as one.
fn nothing_around_code(scanned: &[File]) -> Result<(), ImportError> {
    let imported = |file: &File| {
        let module = file.name.split(['/', '.']).next().unwrap_or_default();
        scanned.iter().any(|other| other.imports.iter().any(|name| name == module))
    };
    let around = |file: &File| {
        let needed = || !file.handlers.is_empty() || imported(file);
        file.error.as_ref().is_some_and(|error| match &error.prose {
            // Handlers of such a file are not found.
            Some(prose) if prose.begin.is_none() || prose.indented => true,
            Some(_) => needed(),
            None => !error.fences.is_empty() && needed(),
        })
    };
    if !scanned.iter().any(around) {
        return Ok(());
    }
    let told: Vec<String> = scanned.iter().filter_map(unparsed).collect();
    Err(ImportError::new(told.join("\n")))
}

fn serves(mapped: &Mapped) -> Serves {
    Serves {
        stage: mapped.stage.to_owned(),
        handler: mapped.candidate.spelt(),
        because: mapped.because.clone(),
        error: unparsed(mapped.candidate.file),
    }
}

fn check_name(request: &Request<'_>) -> Result<(), ImportError> {
    let name = request.variant;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(ImportError::new(format!(
            "`{name}` cannot be a variant's name: use letters, digits, `-`, `_` and `.`"
        )));
    }
    let folder = request.project.variant_dir(name);
    if folder.exists() {
        let free =
            (2..1000).map(|number| format!("{name}-{number}")).find(|free| !request.project.variant_dir(free).exists());
        let help = format!("choose another name, for example `{}`, or remove the folder", free.unwrap_or_default());
        return Err(ImportError::new(format!("{} is there already", folder.display())).help(help));
    }
    Ok(())
}

fn is_python(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "py")
}

/// Returns the folder's files by their names in it.
fn files_of(folder: &Path) -> Result<BTreeMap<String, PathBuf>, ImportError> {
    let mut files = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(here) = pending.pop() {
        let unreadable = |error| {
            ImportError::new(format!("cannot read {}: {error}", here.display()))
                .help("name a folder that is there and that you can read")
        };
        for entry in fs::read_dir(&here).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') || NOT_CODE.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(inner) = path.strip_prefix(folder) {
                files.insert(inner.to_string_lossy().into_owned(), path);
            }
        }
    }
    Ok(files)
}

fn pipeline(request: &Request<'_>, files: &[File]) -> Result<Pipeline, ImportError> {
    let events = match request.events {
        Some(events) => events,
        None => told_events(files)?,
    };
    let usual = match events {
        Transport::S3 => "image-pipeline",
        Transport::Payload => "payload-pipeline",
    };
    let name = request.pipeline.unwrap_or(usual);
    let pipeline = request.project.pipeline(name).map_err(ImportError::new)?;
    if pipeline.transport != events {
        let (takes, sends) = (events.as_str(), pipeline.transport.as_str());
        return Err(ImportError::new(format!("these handlers take {takes} events, and pipeline {name} sends {sends}"))
            .help(format!("add `--pipeline {usual}`: of two, the last one counts")));
    }
    Ok(pipeline)
}

/// Tells from the code whether images come as S3 objects or in the payload.
fn told_events(files: &[File]) -> Result<Transport, ImportError> {
    let handlers = || files.iter().flat_map(|file| &file.handlers);
    let s3 = handlers().any(|handler| handler.s3_event);
    let payload = handlers().any(|handler| handler.reads_image.is_some());
    match (s3, payload) {
        (true, false) => Ok(Transport::S3),
        (false, true) => Ok(Transport::Payload),
        _ if files.iter().any(|file| file.error.is_some() && !file.handlers.is_empty()) => {
            Err(ImportError::new("until that parses, Darkroom cannot tell whether the handlers take S3 events or images in the payload").help(
                "mend what does not parse, then import again. To measure it as it is, add `--events s3` or `--events payload`",
            ))
        }
        _ => Err(ImportError::new("Darkroom cannot tell whether the handlers take S3 events or images in the payload")
            .help("add `--events s3` or `--events payload`")),
    }
}

fn mapped<'a>(
    request: &Request<'_>,
    pipeline: &'a Pipeline,
    candidates: &[Candidate<'a>],
) -> Result<Vec<Mapped<'a>>, ImportError> {
    let mut given = Vec::new();
    for (stage, spelt) in request.map {
        let names = || pipeline.stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>().join(", ");
        let Some((_, known)) = pipeline.stage(stage) else {
            let what = format!("pipeline {} has no stage `{stage}`", pipeline.name);
            return Err(ImportError::new(what).help(format!("there are: {}", names())));
        };
        let Some(candidate) = candidates.iter().find(|candidate| candidate.spelt() == *spelt) else {
            let all: Vec<String> = candidates.iter().map(Candidate::spelt).collect();
            let what = format!("{} has no handler `{spelt}`", request.folder.display());
            return Err(ImportError::new(what).help(format!("there are: {}", all.join(", "))));
        };
        given.push(Mapped { stage: &known.name, candidate: *candidate, because: Vec::new() });
    }
    let guessed = mapping::guess(pipeline, candidates, &given).map_err(|unclear| not_sure(&unclear))?;
    given.extend(guessed);
    let place = |mapped: &Mapped| pipeline.stage(mapped.stage).map(|(index, _)| index);
    given.sort_by_key(place);
    Ok(given)
}

fn not_sure(unclear: &[Unclear]) -> ImportError {
    let stages: Vec<&str> = unclear.iter().map(|unclear| unclear.stage.as_str()).collect();
    let ways = |unclear: &Unclear| {
        let each = unclear.candidates.iter().map(|handler| format!("`--map {}={handler}`", unclear.stage));
        match each.collect::<Vec<_>>().join(" or ") {
            none if none.is_empty() => format!("no handler is left for {}: add one to the folder", unclear.stage),
            some => format!("add {some}"),
        }
    };
    ImportError::new(format!("Darkroom cannot tell which handler serves {}", stages.join(", ")))
        .help(unclear.iter().map(ways).collect::<Vec<_>>().join("\n"))
}

/// Returns the name of the requirements in the variant's folder, if the code needs more than the runtime brings.
fn requirements(
    request: &Request<'_>,
    scanned: &[File],
    files: &mut BTreeMap<String, PathBuf>,
    notes: &mut Vec<String>,
) -> Result<Option<String>, ImportError> {
    const NAME: &str = "darkroom-requirements.txt";
    if let Some(path) = request.requirements {
        if !path.is_file() {
            return Err(ImportError::new(format!("{} is no file", path.display()))
                .help("name a file of pinned requirements with --requirements"));
        }
        files.insert(NAME.to_owned(), path.to_owned());
        return Ok(Some(NAME.to_owned()));
    }
    let own = "requirements.txt";
    if let Some(path) = files.get(own) {
        if fs::read_to_string(path).is_ok_and(|text| text.contains("--hash")) {
            return Ok(Some(own.to_owned()));
        }
        notes.push("its requirements.txt has no hashes, so that it does not say which code is measured".to_owned());
    }
    let local: BTreeSet<&str> = scanned.iter().map(|file| file.name.split(['/', '.']).next().unwrap_or("")).collect();
    let needed: BTreeSet<&str> = scanned
        .iter()
        .flat_map(|file| &file.imports)
        .map(String::as_str)
        .filter(|module| !local.contains(module) && !IN_THE_RUNTIME.contains(module))
        .collect();
    let of = match needed.iter().copied().collect::<Vec<_>>().as_slice() {
        [] => return Ok(None),
        ["PIL"] => "pillow",
        ["PIL", "numpy"] | ["numpy"] => "numpy",
        _ => {
            let modules: Vec<&str> = needed.into_iter().collect();
            notes.push(format!(
                "it imports {}, for which no pinned requirements are known: name a file of them with --requirements, or Lambda \
                 will fail to import it",
                modules.join(", ")
            ));
            return Ok(None);
        }
    };
    let path = request.project.variant_dir(of).join(own);
    if !path.is_file() {
        notes.push(format!("{} is missing: name a file of requirements with --requirements", path.display()));
        return Ok(None);
    }
    notes.push(format!("its dependencies are those of functions/{of}/requirements.txt, a copy of which is {NAME}"));
    files.insert(NAME.to_owned(), path);
    Ok(Some(NAME.to_owned()))
}

fn hashes(files: &BTreeMap<String, PathBuf>) -> Result<BTreeMap<String, String>, ImportError> {
    let hash = |(name, path): (&String, &PathBuf)| {
        let bytes =
            fs::read(path).map_err(|error| ImportError::new(format!("cannot read {}: {error}", path.display())))?;
        Ok((name.clone(), hex::encode(Sha256::digest(bytes))))
    };
    files.iter().map(hash).collect()
}

fn description(request: &Request<'_>) -> String {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let folder = request.folder.file_name().unwrap_or(request.folder.as_os_str()).to_string_lossy();
    format!("Imported from a folder `{folder}` on {day}, files unchanged. Who wrote it is not said.")
}
