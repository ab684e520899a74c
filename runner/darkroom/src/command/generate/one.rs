//! `darkroom generate --model`: one model, one variant or several samples of it.

use std::path::Path;

use darkroom_core::manifest::is_name;
use darkroom_core::models::{Model, Models};
use darkroom_core::pipeline::Pipeline;
use darkroom_core::variant::Variant;

use super::keys::keys;
use super::shown::{self, Made, ended, say, show};
use super::wrong::wrong;
use crate::cli::{GenerateArgs, Globals};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::generate::{self, Endpoint, Questions, Spending, Template, Wish, gate, text_of};
use crate::project::{self, Project};
use crate::threads;

pub fn run(args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    let project = Project::here().map_err(Failure::wrong_request)?;
    super::super::say_which(&project, globals);
    let pipeline = project
        .pipeline(&args.pipeline)
        .map_err(|error| wrong(error, "set --pipeline to a folder of experiments/"))?;
    let spelt = |path: &Path| path.display().to_string();
    let template = |path: &Path| Template::read(path, &spelt(path));
    let template = args.prompt.as_deref().map(template).transpose()?;
    let system = |path: &Path| text_of(path, &spelt(path));
    let system = args.system.as_deref().map(system).transpose()?;
    let questions = Questions::of(&project, &pipeline)?;
    let prompts = questions.prompts(&args.stages, &args.python, template.as_ref())?;
    let (Some(model_name), Some(name), false) = (&args.model, &args.variant, args.dry_run) else {
        return show(&prompts, system.as_deref(), globals);
    };
    let models = project
        .models(&pipeline.name)
        .map_err(Failure::wrong_request)?;
    let model = chosen(&models, model_name, &pipeline)?;
    let keys = keys(&[(model_name.as_str(), model)].into())?;
    darkroom_cloud::python::find(&args.python).map_err(|error| {
        let help = format!("install Python {}: answers are read with it", args.python);
        wrong(error, &help)
    })?;
    let endpoint = Endpoint::new(model, &keys[model_name.as_str()], threads::runtime()?)
        .map_err(|error| Failure::broken(miette::miette!("cannot start: {error}")))?;
    let verdicts = |draft: &Project, variant: &str| gate::verdicts(draft, &pipeline.name, variant);
    let spending = Spending::default();
    let mut made = Vec::new();
    for (variant, sample) in wanted(&project, name, model_name, args.samples)? {
        let say = |text: &str| say(text, globals);
        say(&format!(
            "{variant}: {} ({})",
            model.title,
            display::count(prompts.len() as u64, "stage")
        ));
        for line in shown::of_model(model) {
            say(&line);
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
            requirements: &questions.requirements,
            variant: &variant,
            sample,
            repair: args.repair,
            ask_again: args.ask_again,
            spending: &spending,
        };
        let Some(done) = generate::generate(&wish, &endpoint, &verdicts, &say)? else {
            say(
                "interrupted; variants that were finished before stay, the unfinished one was \
                not created",
            );
            return Ok(Outcome::Interrupted);
        };
        made.push(Made::shown(variant, done, project.root(), globals)?);
    }
    if globals.json {
        display::answer_json(&made)?;
    }
    Ok(ended(&made))
}

fn chosen<'a>(models: &'a Models, name: &str, pipeline: &Pipeline) -> Result<&'a Model, Failure> {
    if let Some(fault) = models.faults.get(name) {
        return Err(Failure::wrong_request(fault.clone()));
    }
    models.models.get(name).ok_or_else(|| {
        let known = models.models.keys().chain(models.faults.keys());
        let known: Vec<_> = known.map(String::as_str).collect();
        let help = format!(
            "{} has: {}",
            project::models_file(&pipeline.name),
            known.join(", ")
        );
        wrong(format!("unknown model `{name}`"), &help)
    })
}

/// Returns the variants to be made with their sample numbers; refuses to touch any that is there.
fn wanted(
    project: &Project,
    name: &str,
    model: &str,
    samples: Option<u32>,
) -> Result<Vec<(String, u32)>, Failure> {
    if !is_name(name) {
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
