//! Reads a folder of handlers and decides how it becomes a variant; writes nothing.

use darkroom_core::cell::Architecture;
use darkroom_core::variant::{Build, Variant};

use super::decision::{Import, Serves};
use super::error::ImportError;
use super::folder::{check_name, files_of, hashes, is_python};
use super::habits::{self, Habits, Obstacles};
use super::mapping::{self, Mapped};
use super::request::ImportRequest;
use super::requirements::requirements;
use super::scan::{self, ScannedFile};
use super::stages::{mapped, pipeline};

/// Reads the folder and decides; writes nothing.
pub fn plan(request: &ImportRequest<'_>) -> Result<Import, ImportError> {
    check_name(request)?;
    let files = files_of(request.folder)?;
    let python: Vec<String> = files
        .keys()
        .filter(|name| is_python(name))
        .cloned()
        .collect();
    if python.is_empty() {
        return Err(
            ImportError::new(format!("{} holds no Python file", request.folder.display()))
                .help("name the folder that holds the handlers' .py files"),
        );
    }
    let version = request.runtime.trim_start_matches("python");
    let scanned = scan::scan(request.folder, &python, version).map_err(ImportError::new)?;
    nothing_around_code(&scanned)?;
    // What does not parse explains much of what is unclear below, so every refusal says it
    // first.
    let unparsed: Vec<String> = scanned.iter().filter_map(unparsed).collect();
    let first = |error: ImportError| error.after(&unparsed);
    let candidates = mapping::candidates(&scanned);
    // An answer leads nowhere where the code must be fixed first.
    let asked = |question: ImportError| {
        first(match habits::in_the_way(&candidates) {
            (found, true) if !found.is_empty() => obstacles_error(found),
            (found, _) => question.after(&found.told),
        })
    };
    let pipeline = pipeline(request, &scanned).map_err(asked)?;
    let mapped = mapped(request, &pipeline, &candidates).map_err(asked)?;
    let Habits {
        adapt,
        obstacles,
        mut notes,
    } = habits::habits(&pipeline, &mapped, request.said);
    if !obstacles.is_empty() {
        return Err(first(obstacles_error(obstacles)));
    }
    let mut all = files;
    let requirements = requirements(request, &scanned, &mut all, &mut notes)?;
    let variant = Variant {
        description: request
            .description
            .map_or_else(|| description(request), ToOwned::to_owned),
        runtime: request.runtime.to_owned(),
        architectures: vec![Architecture::X86_64, Architecture::Arm64],
        build: Build::Python { requirements },
        handlers: mapped
            .iter()
            .map(|one| (one.stage.to_owned(), one.candidate.lambda_name()))
            .collect(),
        model: None,
        sample: None,
        prompt: None,
        transport: pipeline.transport,
        wrong_on_purpose: false,
        missing: std::collections::BTreeMap::new(),
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

fn obstacles_error(Obstacles { told, ways_out }: Obstacles) -> ImportError {
    let error = ImportError::new(told.join("\n"));
    let help: Vec<&str> = ways_out.into_iter().collect();
    if help.is_empty() {
        error
    } else {
        error.help(help.join("\n"))
    }
}

fn unparsed(file: &ScannedFile) -> Option<String> {
    Some(file.error.as_ref()?.message(&file.name))
}

/// Refuses Markdown and prose around code that handlers need: they are no fault of the code, and
/// would be measured as one.
fn nothing_around_code(scanned: &[ScannedFile]) -> Result<(), ImportError> {
    let imported = |file: &ScannedFile| {
        let module = file.name.split(['/', '.']).next().unwrap_or_default();
        scanned
            .iter()
            .any(|other| other.imports.iter().any(|name| name == module))
    };
    let around = |file: &ScannedFile| {
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

fn description(request: &ImportRequest<'_>) -> String {
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let folder = request
        .folder
        .file_name()
        .unwrap_or(request.folder.as_os_str())
        .to_string_lossy();
    format!(
        "Imported from a folder `{folder}` on {day}, files unchanged. The author is not recorded."
    )
}
