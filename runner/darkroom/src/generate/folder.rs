//! The folder of a generated variant: drafted beside the others, moved into place as a whole.
//!
//! A [`Draft`] is a small project of its own, so that the output check can run before anyone sees
//! the variant. [`super::record`] keeps the answers in any case.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use darkroom_core::outcome::Outcome;
use darkroom_core::pipeline::Stage;
use darkroom_core::prompt;

use super::wish::Wish;
use crate::project::Project;
use crate::provenance::{PROVENANCE, Provenance, REQUIREMENTS, hash};

/// Where the answers are in a variant's folder. Packaging leaves it out.
const ANSWERS: &str = "provenance";
/// Among them, what was asked otherwise than usual.
const TEMPLATE: &str = "prompt-template.md";
const SYSTEM: &str = "system.md";
/// A folder of the draft could not be made or moved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("can't {action} {}: {source}", path.display())]
#[diagnostic(code(generate::folder))]
pub struct FolderError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A variant that is not there yet. Dropped, it leaves nothing under `functions/`.
pub struct Draft {
    /// A hidden folder under `functions/`, removed on drop.
    scratch: tempfile::TempDir,
    project: Project,
    /// The variant's folder in the draft, and where it is to be.
    folder: PathBuf,
    place: PathBuf,
    head: String,
    handlers: String,
    /// What stands of the stages without code.
    missing: String,
}

/// Prefix of drafts, with the id of the process that makes them.
const DRAFT: &str = ".generate-";

/// Removes drafts whose process was killed.
fn sweep(functions: &Path) {
    for entry in fs::read_dir(functions).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(DRAFT)?.split('-').next()?.parse().ok());
        let Some(process) = process.map(nix::unistd::Pid::from_raw) else {
            continue;
        };
        if nix::sys::signal::kill(process, None) == Err(nix::errno::Errno::ESRCH) {
            // One that can't be removed is hidden, and nobody's.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Draft {
    /// Makes an empty draft.
    pub fn begin(wish: &Wish<'_>) -> Result<Self, FolderError> {
        let root = wish.project.root();
        let functions = root.join("functions");
        sweep(&functions);
        let scratch = tempfile::Builder::new()
            .prefix(&format!("{DRAFT}{}-", std::process::id()))
            .tempdir_in(&functions)
            .map_err(failed("create a folder in", &functions))?;
        for shared in ["experiments", ".darkroom"] {
            let link = scratch.path().join(shared);
            std::os::unix::fs::symlink(root.join(shared), &link).map_err(failed("link", &link))?;
        }
        let folder = scratch.path().join("functions").join(wish.variant);
        let answers = folder.join(ANSWERS);
        fs::create_dir_all(&answers).map_err(failed("create", &answers))?;
        let draft = Self {
            project: Project::at(scratch.path()),
            scratch,
            folder,
            place: functions.join(wish.variant),
            head: head(wish),
            handlers: String::new(),
            missing: String::new(),
        };
        draft.write(REQUIREMENTS, wish.requirements)?;
        let template = wish.template.map(|template| template.text.as_str());
        for (name, text) in [(TEMPLATE, template), (SYSTEM, wish.system)] {
            text.map(|text| draft.write(&format!("{ANSWERS}/{name}"), text))
                .transpose()?;
        }
        for (stage, prompt) in wish.prompts {
            draft.write(&format!("{ANSWERS}/{}.prompt.md", stage.name), prompt)?;
        }
        Ok(draft)
    }

    /// The project that holds the draft as its only variant.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// Writes an answer, word for word; returns its place in the variant's folder.
    pub fn write_answer(&self, name: &str, answer: &str) -> Result<String, FolderError> {
        let place = format!("{ANSWERS}/{name}.md");
        self.write(&place, answer).map(|()| place)
    }

    /// Writes a stage's handler, or another in its place.
    pub fn write_code(&mut self, stage: &Stage, code: &str) -> Result<(), FolderError> {
        let module = prompt::module(&stage.name);
        self.write(&format!("{module}.py"), code)?;
        let line = format!("{} = \"{module}.{}\"\n", stage.name, prompt::HANDLER);
        if !self.handlers.contains(&line) {
            self.handlers += &line;
        }
        self.write_description()
    }

    /// Says which stages have no code, and what came instead.
    pub fn write_missing(
        &mut self,
        missing: &BTreeMap<String, Outcome>,
    ) -> Result<(), FolderError> {
        let line = |(stage, outcome): (&String, &Outcome)| {
            let detail = outcome.detail.as_deref();
            let detail = detail.map(|detail| format!(", detail = {}", quoted(detail)));
            let kind = outcome.kind.as_str();
            format!(
                "{stage} = {{ outcome = \"{kind}\"{} }}\n",
                detail.unwrap_or_default()
            )
        };
        self.missing = missing.iter().map(line).collect();
        self.write_description()
    }

    fn write_description(&self) -> Result<(), FolderError> {
        let Self {
            head,
            handlers,
            missing,
            ..
        } = self;
        let missing = match missing.as_str() {
            "" => String::new(),
            lines => format!("\n{WITHOUT_CODE}\n[missing]\n{lines}"),
        };
        self.write("variant.toml", &format!("{head}{handlers}{missing}"))
    }

    /// Says where the code comes from. A variant of a model without that is refused, by the gate
    /// too.
    pub fn write_provenance(&self, provenance: &Provenance) -> Result<(), FolderError> {
        let text = toml::to_string(provenance)
            .expect("provenance is made of tables, lists, strings and numbers");
        self.write(
            PROVENANCE,
            &format!("# Written by `darkroom generate`. {WHAT_IT_IS}\n\n{text}"),
        )
    }

    /// Moves the draft to its place.
    pub fn publish(&self, provenance: &Provenance) -> Result<PathBuf, FolderError> {
        self.write_provenance(provenance)?;
        if self.place.exists() {
            return Err(failed("create", &self.place)(io::Error::from(
                io::ErrorKind::AlreadyExists,
            )));
        }
        fs::rename(&self.folder, &self.place).map_err(failed("create", &self.place))?;
        Ok(self.place.clone())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.folder.join(name);
        debug_assert!(
            path.starts_with(self.scratch.path()),
            "a draft stays in its folder"
        );
        fs::write(&path, text).map_err(failed("write", &path))
    }
}

const WITHOUT_CODE: &str = "# Stages that the model gave no usable code for, and what came instead: not right, in every rate.";
const WHAT_IT_IS: &str = "The handlers are the code in these answers, as it stands there.";

/// Returns what is known of a variant before the first answer.
pub fn provenance_of(wish: &Wish<'_>, attempt: u32) -> Provenance {
    Provenance {
        darkroom_version: env!("CARGO_PKG_VERSION").to_owned(),
        pipeline: wish.pipeline.name.clone(),
        model: wish.model_name.to_owned(),
        model_title: wish.model.title.clone(),
        model_asked: wish.model.id.clone(),
        base_url: wish.model.base_url.clone(),
        python: wish.python.to_owned(),
        sample: wish.sample,
        attempt,
        repair_rounds_allowed: wish.repair,
        stages: wish
            .prompts
            .iter()
            .map(|(stage, _)| stage.name.clone())
            .collect(),
        parameters: wish.model.parameters.clone(),
        requirements_sha256: Some(hash(wish.requirements.as_bytes())),
        prompt: wish.template.map(|template| template.name.clone()),
        prompt_template_sha256: wish.template.map(|template| hash(template.text.as_bytes())),
        prompt_template: wish.template.map(|_| format!("{ANSWERS}/{TEMPLATE}")),
        system_message: wish.system.map(|_| format!("{ANSWERS}/{SYSTEM}")),
        price: wish.model.price.clone(),
        repair_stopped: None,
        asks: Vec::new(),
    }
}

/// All of `variant.toml` but its handlers.
fn head(wish: &Wish<'_>) -> String {
    let Wish {
        model,
        python,
        sample,
        ..
    } = wish;
    let description = quoted(&format!(
        "Written by {} ({}), sample {sample}; see provenance.toml.",
        model.title, model.id
    ));
    let prompt = wish
        .template
        .map(|template| format!("prompt = {}\n", quoted(&template.name)))
        .unwrap_or_default();
    format!(
        "# Written by `darkroom generate`. The handlers are as the model gave them: see provenance.toml.\n\
         description = {description}\nruntime = \"python{python}\"\narchitectures = [\"x86_64\", \"arm64\"]\n\
         model = {}\nsample = {sample}\n{prompt}\n[build]\nkind = \"python\"\nrequirements = \"requirements.txt\"\n\n[handlers]\n",
        quoted(wish.model_name)
    )
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError {
        action,
        path,
        source,
    }
}
