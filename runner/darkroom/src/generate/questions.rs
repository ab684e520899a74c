//! What models are asked: a pipeline's stages, each with its prompt.
//!
//! Pipeline, Python version and template → prompts. The same for every model. Reads the project's
//! files; asks nobody.

use std::path::Path;

use darkroom_core::manifest::Unusable;
use darkroom_core::pipeline::{Pipeline, Stage, Transport};
use darkroom_core::prompt::{self, Library, Terms};

use super::wish::Template;
use crate::execute::event_shape;
use crate::exit::Failure;
use crate::project::{self, Project};
use crate::text_file;

/// A pipeline that models can be asked for.
pub struct Questions<'a> {
    pub pipeline: &'a Pipeline,
    /// Text of the requirements that the code is packaged with.
    pub requirements: String,
}

/// Stages with their prompts, in the pipeline's order.
pub type Prompts<'a> = Vec<(&'a Stage, String)>;

impl<'a> Questions<'a> {
    /// Reads what is the same for all prompts; refuses a pipeline that no model can be asked for.
    pub fn of(project: &Project, pipeline: &'a Pipeline) -> Result<Self, Failure> {
        if pipeline.transport != Transport::S3 {
            let help = "choose a pipeline whose stages read and write S3 objects";
            return Err(wrong(
                format!("{} passes images in the payload", pipeline.name),
                help,
            ));
        }
        let requirements = requirements(project, pipeline)?;
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
        Ok(Self {
            pipeline,
            requirements,
        })
    }

    /// Returns the prompts of these stages, of all where none is named. Without a template they are
    /// the standard ones.
    pub fn prompts(
        &self,
        stages: &[String],
        python: &str,
        template: Option<&Template>,
    ) -> Result<Prompts<'a>, Failure> {
        let terms = terms(python, &self.requirements)?;
        let prompt = |stage: &'a Stage| {
            let text = match template {
                Some(template) => {
                    prompt::of_template(&template.text, stage, &terms).map_err(|name| {
                        let what = format!("{} names {{{name}}}", template.file);
                        wrong(what, &known_facts(stage))
                    })
                }
                None => prompt::prompt(stage, &terms).map_err(|name| {
                    let what = format!("the prompt of stage `{}` uses {{{name}}}", stage.name);
                    wrong(what, "no such placeholder")
                }),
            };
            Ok((stage, text?))
        };
        let stages = named(self.pipeline, stages)?;
        stages.into_iter().map(prompt).collect()
    }
}

impl Template {
    /// Reads a prompt of the user's own. It is called like its file.
    pub fn read(path: &Path, shown: &str) -> Result<Self, Failure> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if name == prompt::PLAIN {
            let what = format!("{shown} would be called like the standard prompt");
            return Err(wrong(
                what,
                "rename the file: results name its prompt after it",
            ));
        }
        Ok(Self {
            name: name.into_owned(),
            file: shown.to_owned(),
            text: text_of(path, shown)?,
        })
    }
}

/// Reads a text that models are asked by; an empty one asks nothing.
pub fn text_of(path: &Path, shown: &str) -> Result<String, Failure> {
    let text = text_file::read(path).map_err(|why| {
        wrong(
            format!("cannot read {shown}: {why}"),
            "name a text file in UTF-8",
        )
    })?;
    if text.trim().is_empty() {
        return Err(wrong(
            format!("{shown} is empty"),
            "write the prompt for the model into it",
        ));
    }
    Ok(text)
}

/// Returns the stages of these names, in the pipeline's order; all when none is named.
fn named<'a>(pipeline: &'a Pipeline, names: &[String]) -> Result<Vec<&'a Stage>, Failure> {
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

fn known_facts(stage: &Stage) -> String {
    let facts = stage.facts().into_keys().collect::<Vec<_>>().join(", ");
    format!(
        "use one of: prompt, task, event, libraries, checks, python, module; for stage `{}` also \
         {facts}",
        stage.name
    )
}

fn wrong(message: impl std::fmt::Display, help: &str) -> Failure {
    Failure::wrong_request(miette::miette!(help = help.to_owned(), "{message}"))
}
