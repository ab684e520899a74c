//! `darkroom generate`: asks a model for a variant, or prints the prompts.

use std::path::Path;

use darkroom_core::manifest::Unusable;
use darkroom_core::models::{Model, Models};
use darkroom_core::outcome::Outcome as StageOutcome;
use darkroom_core::pipeline::{Pipeline, Stage, Transport};
use darkroom_core::prompt::{self, Library, Terms};
use darkroom_core::variant::Variant;
use serde::Serialize;

use crate::cli::{GenerateArgs, Globals};
use crate::display;
use crate::execute::event_shape;
use crate::exit::{Failure, Outcome};
use crate::generate::{self, Endpoint, Template, Wish, gate};
use crate::project::{self, Project};
use crate::provenance::Stopped;
use crate::text_file;
use crate::threads;

/// `generate --dry-run --json`, a list of these.
#[derive(Serialize)]
struct Asked {
    stage: String,
    /// What is sent before it as the system's message.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<String>,
    prompt: String,
}

/// `generate --json`, a list of these.
#[derive(Serialize)]
struct Made {
    variant: String,
    folder: String,
    /// In the pipeline's order.
    stages: Vec<StageMade>,
    /// Why the last round of repair could not be carried through.
    #[serde(skip_serializing_if = "Option::is_none")]
    repair_stopped: Option<String>,
}

/// Of `generate --json`: one stage of a variant.
#[derive(Serialize)]
struct StageMade {
    stage: String,
    /// It has code that can be called.
    code: bool,
    /// What came instead, where it has none.
    #[serde(flatten)]
    missing: Option<StageOutcome>,
}

pub fn run(args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    let project = Project::here().map_err(Failure::wrong_request)?;
    super::say_which(&project, globals);
    let pipeline = project
        .pipeline(&args.pipeline)
        .map_err(|error| wrong(error, "set --pipeline to a folder of experiments/"))?;
    if pipeline.transport != Transport::S3 {
        let help = "choose a pipeline whose stages read and write S3 objects";
        return Err(wrong(
            format!("{} passes images in the payload", pipeline.name),
            help,
        ));
    }
    let requirements = requirements(&project, &pipeline)?;
    let unpinned = project::unpinned(
        &format!("experiments/{}/generated/requirements.txt", pipeline.name),
        &requirements,
        |_| None,
    );
    if !unpinned.is_empty() {
        let what = format!("the requirements of generated code for `{}`", pipeline.name);
        return Err(Failure::wrong_request(Unusable {
            what,
            faults: unpinned,
        }));
    }
    let stages = stages(&pipeline, &args.stages)?;
    let terms = terms(&args.python, &requirements)?;
    let template = args.prompt.as_deref().map(template_of).transpose()?;
    let system = args.system.as_deref().map(text_of).transpose()?;
    let mut prompts = Vec::new();
    for stage in stages {
        let unknown = |name| {
            wrong(
                format!("the prompt of stage `{}` uses {{{name}}}", stage.name),
                "no such placeholder",
            )
        };
        let text = match (&args.prompt, &template) {
            (Some(file), Some(template)) => {
                prompt::of_template(&template.text, stage, &terms).map_err(|name| {
                    wrong(
                        format!("{} names {{{name}}}", file.display()),
                        &known_facts(stage),
                    )
                })?
            }
            _ => prompt::prompt(stage, &terms).map_err(unknown)?,
        };
        prompts.push((stage, text));
    }
    let (Some(model_name), Some(name), false) = (&args.model, &args.variant, args.dry_run) else {
        return show(&prompts, system.as_deref(), globals);
    };
    let models = project
        .models(&pipeline.name)
        .map_err(Failure::wrong_request)?;
    let model = chosen(&models, model_name, &pipeline)?;
    let key = key(model)?;
    darkroom_cloud::python::find(&args.python).map_err(|error| {
        let help = format!("install Python {}: answers are read with it", args.python);
        wrong(error, &help)
    })?;
    let endpoint = Endpoint::new(model, &key, threads::runtime()?)
        .map_err(|error| Failure::broken(miette::miette!("cannot start: {error}")))?;
    let verdicts = |draft: &Project, variant: &str| gate::verdicts(draft, &pipeline.name, variant);
    let mut made = Vec::new();
    for (variant, sample) in wanted(&project, name, model_name, args.samples)? {
        let say = |text: &str| {
            if !globals.quiet && !globals.json {
                display::note(text);
            }
        };
        say(&format!(
            "{variant}: {} ({})",
            model.title,
            display::count(prompts.len() as u64, "stage")
        ));
        if let Some(why) = &model.price_unknown {
            say(&format!("  its price is unknown: {why}"));
        }
        let wish = Wish {
            project: &project,
            pipeline: &pipeline,
            prompts: &prompts,
            template: template.as_ref(),
            system: system.as_deref(),
            model_name,
            model,
            python: &args.python,
            requirements: &requirements,
            variant: &variant,
            sample,
            repair: args.repair,
            ask_again: args.ask_again,
        };
        let Some(done) = generate::generate(&wish, &endpoint, &verdicts, &say)? else {
            say(
                "interrupted; variants that were finished before stay, the unfinished one was \
                not created",
            );
            return Ok(Outcome::Interrupted);
        };
        let folder = done
            .folder
            .strip_prefix(project.root())
            .unwrap_or(&done.folder)
            .display()
            .to_string();
        if let Some(stopped) = &done.stopped {
            display::note(&stopped_in_words(&variant, &folder, stopped));
        }
        let stages: Vec<StageMade> = done.stages.into_iter().map(StageMade::from).collect();
        for line in stages_in_words(&stages) {
            say(&line);
        }
        if !globals.quiet && !globals.json {
            display::answer(&format!("{folder}\n"))?;
        }
        made.push(Made {
            variant,
            folder,
            stages,
            repair_stopped: done.stopped.map(|stopped| stopped.reason),
        });
    }
    if globals.json {
        display::answer_json(&made)?;
    }
    let is_whole = |made: &Made| made.stages.iter().all(|stage| stage.code);
    Ok(if made.iter().all(is_whole) {
        Outcome::Done
    } else {
        Outcome::SomeCellsFailed
    })
}

impl From<(String, Option<StageOutcome>)> for StageMade {
    fn from((stage, missing): (String, Option<StageOutcome>)) -> Self {
        let code = missing.is_none();
        Self {
            stage,
            code,
            missing,
        }
    }
}

/// Returns the table of stages and what became of each, a line each.
fn stages_in_words(stages: &[StageMade]) -> Vec<String> {
    let width = stages.iter().map(|stage| stage.stage.len()).max();
    let width = width.unwrap_or(0).max("stage".len());
    let line = |stage: &StageMade| {
        let name = &stage.stage;
        match &stage.missing {
            None => format!("  {name:width$}  code"),
            Some(outcome) => format!("  {name:width$}  NOT THERE: {outcome}"),
        }
    };
    let head = format!("  {:width$}  outcome", "stage");
    let mut lines: Vec<String> = [head].into_iter().chain(stages.iter().map(line)).collect();
    let missing = stages.iter().filter(|stage| !stage.code).count();
    if missing > 0 {
        lines.push(format!(
            "  {missing} of {} without code: counted as not right",
            display::count(stages.len() as u64, "stage")
        ));
    }
    lines
}

fn stopped_in_words(variant: &str, folder: &str, stopped: &Stopped) -> String {
    let Stopped { round, reason, .. } = stopped;
    let left = match round {
        1 => "the first answers".to_owned(),
        round => format!("round {}", round - 1),
    };
    format!(
        "{variant}: repair round {round} was not done: {reason}. The variant holds {left}; \
         {folder}/provenance.toml says so."
    )
}

/// Reads a prompt of the user's own. It is called like its file.
fn template_of(path: &Path) -> Result<Template, Failure> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    if name == prompt::PLAIN {
        let what = format!("{} would be called like the standard prompt", path.display());
        return Err(wrong(what, "rename the file: results name its prompt after it"));
    }
    Ok(Template {
        name: name.into_owned(),
        text: text_of(path)?,
    })
}

/// Reads a text that models are asked by; an empty one asks nothing.
fn text_of(path: &Path) -> Result<String, Failure> {
    let text = text_file::read(path).map_err(|why| {
        wrong(
            format!("cannot read {}: {why}", path.display()),
            "name a text file in UTF-8",
        )
    })?;
    if text.trim().is_empty() {
        return Err(wrong(
            format!("{} is empty", path.display()),
            "write the prompt for the model into it",
        ));
    }
    Ok(text)
}

fn known_facts(stage: &Stage) -> String {
    let facts = stage.facts().into_keys().collect::<Vec<_>>().join(", ");
    format!(
        "use one of: prompt, task, event, libraries, checks, python, module; for stage `{}` also \
         {facts}",
        stage.name
    )
}

fn show(
    prompts: &[(&Stage, String)],
    system: Option<&str>,
    globals: Globals,
) -> Result<Outcome, Failure> {
    if let Some(system) = system.filter(|_| !globals.json) {
        display::answer(&format!("===== system =====\n{}\n\n", system.trim_end()))?;
    }
    if globals.json {
        let of_stage = |(stage, prompt): &'_ (&'_ Stage, String)| Asked {
            stage: stage.name.clone(),
            system: system.map(str::to_owned),
            prompt: prompt.clone(),
        };
        let prompts: Vec<_> = prompts.iter().map(of_stage).collect();
        display::answer_json(&prompts)?;
    } else if let [(_, only)] = prompts {
        display::answer(only)?; // Nothing but the prompt, to the letter.
    } else {
        let page =
            |(stage, prompt): &(&Stage, String)| format!("===== {} =====\n{prompt}", stage.name);
        display::answer(&prompts.iter().map(page).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Outcome::Done)
}

/// Returns the stages asked for, in the pipeline's order; all when none is named.
fn stages<'a>(pipeline: &'a Pipeline, names: &[String]) -> Result<Vec<&'a Stage>, Failure> {
    if let Some(unknown) = names.iter().find(|name| pipeline.stage(name).is_none()) {
        let known: Vec<_> = pipeline
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        let help = format!("stages of {}: {}", pipeline.name, known.join(", "));
        return Err(wrong(format!("unknown stage `{unknown}`"), &help));
    }
    Ok(pipeline
        .stages
        .iter()
        .filter(|stage| names.is_empty() || names.contains(&stage.name))
        .collect())
}

/// Returns what handlers are given, as those who give it say.
fn terms(python: &str, requirements: &str) -> Result<Terms, Failure> {
    let runtime = format!("python{python}");
    if !darkroom_cloud::python::RUNTIMES.contains(&runtime.as_str()) {
        let known: Vec<_> = darkroom_cloud::python::RUNTIMES
            .iter()
            .map(|name| name.trim_start_matches("python"))
            .collect();
        return Err(wrong(
            format!("unknown Python `{python}`"),
            &format!("known versions: {}", known.join(", ")),
        ));
    }
    let mut libraries = vec![Library {
        name: "boto3".to_owned(),
        version: None,
    }];
    libraries.extend(prompt::libraries(requirements));
    let event = event_shape::s3_event(
        "example-bucket",
        "some/folder/a-photo.png",
        Some(123_456),
        "us-east-1",
        "2026-01-31T12:00:00.000Z",
    );
    let event = serde_json::to_string_pretty(&event).expect("an event is plain values");
    Ok(Terms {
        python: python.to_owned(),
        libraries,
        event,
    })
}

fn requirements(project: &Project, pipeline: &Pipeline) -> Result<String, Failure> {
    let path = project
        .root()
        .join("experiments")
        .join(&pipeline.name)
        .join("generated/requirements.txt");
    std::fs::read_to_string(&path).map_err(|error| {
        let from = project.pinned_by("pillow", &path);
        let copy = from
            .map(|from| format!("copy {from} there, or "))
            .unwrap_or_default();
        let help = format!(
            "it pins, with hashes, the packages that generated code may import: {copy}make it by \
             {}",
            crate::advice::pin_from("requirements.in", "requirements.txt")
        );
        wrong(format!("cannot read {}: {error}", path.display()), &help)
    })
}

fn chosen<'a>(models: &'a Models, name: &str, pipeline: &Pipeline) -> Result<&'a Model, Failure> {
    models.models.get(name).ok_or_else(|| {
        let known: Vec<_> = models.models.keys().map(String::as_str).collect();
        let help = format!(
            "{} has: {}",
            project::models_file(&pipeline.name),
            known.join(", ")
        );
        wrong(format!("unknown model `{name}`"), &help)
    })
}

/// Reads the model's key from the environment.
fn key(model: &Model) -> Result<String, Failure> {
    let variable = &model.key_variable;
    let help = format!(
        "run `export {variable}=...` first; Darkroom reads the key from the environment only, \
         and stores it nowhere"
    );
    let key = std::env::var(variable)
        .unwrap_or_default()
        .trim()
        .to_owned();
    if key.is_empty() {
        return Err(wrong(
            format!("{variable} is not set: {} needs a key", model.title),
            &help,
        ));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(
            format!("{variable} does not hold a key: it has characters that keys never have"),
            &help,
        ));
    }
    Ok(key)
}

/// Returns the variants to be made with their sample numbers; refuses to touch any that is there.
fn wanted(
    project: &Project,
    name: &str,
    model: &str,
    samples: Option<u32>,
) -> Result<Vec<(String, u32)>, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 60 || name.starts_with('.') || !name.chars().all(plain) {
        return Err(wrong(
            format!("`{name}` cannot be the name of a variant"),
            "use letters, digits, `-`, `_` and `.`, at most 60",
        ));
    }
    let Some(samples) = samples else {
        return if project.variant_dir(name).exists() {
            Err(there(name))
        } else {
            Ok(vec![(name.to_owned(), 1)])
        };
    };
    let mut missing = Vec::new();
    for sample in 1..=samples {
        let variant = format!("{name}-s{sample}");
        if !project.variant_dir(&variant).exists() {
            missing.push((variant, sample));
        } else if !is_sample(project, &variant, model, sample) {
            return Err(there(&variant));
        }
    }
    if missing.is_empty() {
        return Err(wrong(
            format!("every sample of `{name}` exists already"),
            "ask for more with a larger --samples",
        ));
    }
    Ok(missing)
}

/// Whether a variant is that sample of that model's answers, made before.
fn is_sample(project: &Project, variant: &str, model: &str, sample: u32) -> bool {
    let path = project.variant_dir(variant).join("variant.toml");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return false;
    };
    Variant::parse(variant, &text)
        .is_ok_and(|found| found.model.as_deref() == Some(model) && found.sample == Some(sample))
}

fn there(variant: &str) -> Failure {
    let help = "choose another --variant: Darkroom never overwrites what a model wrote";
    wrong(format!("functions/{variant} exists already"), help)
}

fn wrong(message: impl std::fmt::Display, help: &str) -> Failure {
    Failure::wrong_request(miette::miette!(help = help.to_owned(), "{message}"))
}
