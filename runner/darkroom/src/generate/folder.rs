//! The folder of a generated variant: drafted beside the others, moved into place as a whole.
//!
//! A [`Draft`] is a small project of its own, so that the gate can check the variant before anyone sees it. Where answers
//! are kept whatever becomes of the draft is in [`super::record`].

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use darkroom_core::answer::Rule;
use darkroom_core::models::Price;
use darkroom_core::pipeline::Stage;
use darkroom_core::prompt;
use serde::{Deserialize, Serialize};

use super::Wish;
use crate::project::Project;

/// Where the answers are in a variant's folder. Packaging leaves it out.
const ANSWERS: &str = "provenance";
/// Among them, what was asked otherwise than usual.
const TEMPLATE: &str = "prompt-template.md";
const SYSTEM: &str = "system.md";
/// Where the code comes from, in a variant's folder.
pub const PROVENANCE: &str = "provenance.toml";
/// What the code is packaged with, in a variant's folder.
pub const REQUIREMENTS: &str = "requirements.txt";

/// A folder of the draft could not be made or moved.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("can't {action} {}: {source}", path.display())]
#[diagnostic(code(generate::folder))]
pub struct FolderError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// `provenance.toml`: where a variant's code comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub darkroom_version: String,
    pub pipeline: String,
    /// Name in `models.toml`.
    pub model: String,
    pub model_title: String,
    pub model_asked: String,
    pub base_url: String,
    pub python: String,
    pub sample: u32,
    /// How often this variant has been asked for on this machine, this time included. Each of `asks` says in which
    /// attempt it was answered.
    pub attempt: u32,
    /// Rounds of repair that were allowed; those that were needed are among `asks`.
    pub repair_rounds_allowed: u32,
    pub stages: Vec<String>,
    /// Sent along with every ask.
    pub parameters: serde_json::Map<String, serde_json::Value>,
    /// Of the file that says what the code is packaged with, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements_sha256: Option<String>,
    /// File with the user's own text that the prompts were made of; absent: the standard prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
    /// File with the system's message; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_message: Option<String>,
    /// USD per million tokens; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// Why fewer rounds of repair were made than were allowed and needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair_stopped: Option<Stopped>,
    /// Those whose answers are in the handlers, in the order they were made.
    pub asks: Vec<Ask>,
}

/// A round of repair that could not be carried through: the variant is that of the round before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    pub round: u32,
    /// What happened, and at which stage.
    pub reason: String,
    /// Stages whose answers of that round are on record and not in the handlers.
    pub answers_left_out: Vec<String>,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    pub stage: String,
    /// 0 is the first answer; others are repairs.
    pub round: u32,
    /// The attempt in which it was asked and answered; a later one took the answer from the record.
    pub attempt: u32,
    /// Where it was asked, if that is not the `base_url` above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// UTC.
    pub asked_at: String,
    /// Until the whole answer was there, retries included.
    pub seconds: f64,
    /// sha256 of the prompt, hex; in a repair and with a system's message of the conversation's messages as JSON.
    pub prompt_sha256: String,
    /// What the gate said, which was sent back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    pub model_answered: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// At `price`; absent where price or tokens are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// File with the answer, word for word.
    pub answer: String,
    pub answer_sha256: String,
    /// How the code was found in it.
    pub rule: Rule,
}

impl Provenance {
    pub fn of(wish: &Wish<'_>, attempt: u32) -> Self {
        Self {
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
            stages: wish.prompts.iter().map(|(stage, _)| stage.name.clone()).collect(),
            parameters: wish.model.parameters.clone(),
            requirements_sha256: Some(super::record::hash(wish.requirements.as_bytes())),
            prompt_template: wish.template.map(|_| format!("{ANSWERS}/{TEMPLATE}")),
            system_message: wish.system.map(|_| format!("{ANSWERS}/{SYSTEM}")),
            price: wish.model.price.clone(),
            repair_stopped: None,
            asks: Vec::new(),
        }
    }
}

impl Ask {
    /// `12.3 s, 410 + 2048 tokens, $0.0210`.
    pub fn in_words(&self) -> String {
        let mut words = format!("{:.1} s", self.seconds);
        if let (Some(input), Some(output)) = (self.input_tokens, self.output_tokens) {
            let _ = write!(words, ", {input} + {output} tokens");
        }
        if let Some(usd) = self.cost_usd {
            let _ = write!(words, ", ${usd:.4}");
        }
        words
    }
}

/// A variant that is not there yet. Dropped, it leaves nothing under `functions/`.
pub struct Draft {
    /// A hidden folder under `functions/`, removed on drop.
    scratch: tempfile::TempDir,
    project: Project,
    /// The variant's folder in the draft, and where it is to be.
    folder: PathBuf,
    place: PathBuf,
    handlers: String,
    head: String,
}

/// Prefix of drafts, with the id of the process that makes them.
const DRAFT: &str = ".generate-";

/// Removes drafts whose process was killed.
fn sweep(functions: &Path) {
    for entry in fs::read_dir(functions).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(DRAFT)?.split('-').next()?.parse().ok());
        let Some(process) = process.map(nix::unistd::Pid::from_raw) else { continue };
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
            handlers: String::new(),
            head: head(wish),
        };
        draft.write(REQUIREMENTS, wish.requirements)?;
        for (name, text) in [(TEMPLATE, wish.template), (SYSTEM, wish.system)] {
            text.map(|text| draft.write(&format!("{ANSWERS}/{name}"), text)).transpose()?;
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
        self.write("variant.toml", &format!("{}{}", self.head, self.handlers))
    }

    /// Says where the code comes from. A variant of a model without that is refused, by the gate too.
    pub fn write_provenance(&self, provenance: &Provenance) -> Result<(), FolderError> {
        let text = toml::to_string(provenance).expect("provenance is made of tables, lists, strings and numbers");
        self.write(PROVENANCE, &format!("# Written by `darkroom generate`. {WHAT_IT_IS}\n\n{text}"))
    }

    /// Moves the draft to its place.
    pub fn publish(&self, provenance: &Provenance) -> Result<PathBuf, FolderError> {
        self.write_provenance(provenance)?;
        if self.place.exists() {
            return Err(failed("create", &self.place)(io::Error::from(io::ErrorKind::AlreadyExists)));
        }
        fs::rename(&self.folder, &self.place).map_err(failed("create", &self.place))?;
        Ok(self.place.clone())
    }

    fn write(&self, name: &str, text: &str) -> Result<(), FolderError> {
        let path = self.folder.join(name);
        debug_assert!(path.starts_with(self.scratch.path()), "a draft stays in its folder");
        fs::write(&path, text).map_err(failed("write", &path))
    }
}

const WHAT_IT_IS: &str = "The handlers are the code in these answers, as it stands there.";

/// All of `variant.toml` but its handlers.
fn head(wish: &Wish<'_>) -> String {
    let Wish { model, python, sample, .. } = wish;
    let description =
        quoted(&format!("Written by {} ({}), sample {sample}; see provenance.toml.", model.title, model.id));
    format!(
        "# Written by `darkroom generate`. The handlers are as the model gave them: see provenance.toml.\n\
         description = {description}\nruntime = \"python{python}\"\narchitectures = [\"x86_64\", \"arm64\"]\n\
         model = {}\nsample = {sample}\n\n[build]\nkind = \"python\"\nrequirements = \"requirements.txt\"\n\n[handlers]\n",
        quoted(wish.model_name)
    )
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Says whether `text` is a Python module, by asking an interpreter of that version; `Err` when there is none.
pub fn is_python(version: &str, text: &str) -> Result<bool, String> {
    let interpreter = darkroom_cloud::python::find(version).map_err(|error| error.to_string())?;
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    fs::write(file.path(), text).map_err(|error| error.to_string())?;
    let status = Command::new(&interpreter.path)
        .args(["-I", "-W", "ignore", "-c", "import ast, sys; ast.parse(open(sys.argv[1], encoding='utf-8').read())"])
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.map(|status| status.success()).map_err(|error| error.to_string())
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError { action, path, source }
}
