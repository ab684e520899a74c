//! `darkroom import`: imports existing handlers as a variant, after showing what it found in them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};

use darkroom_core::pipeline::Transport;

use crate::advice;
use crate::cli::{Globals, ImportArgs, ImportEvents};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::import::{self, ImportRequest, Said};
use crate::project::Project;

pub fn run(args: &ImportArgs, globals: Globals) -> Result<Outcome, Failure> {
    let project = Project::here().map_err(Failure::wrong_request)?;
    super::say_which(&project, globals);
    let map = pairs("--map", &args.map, "STAGE=FILE.py:FUNCTION")?;
    let output_keys = args
        .output_keys
        .iter()
        .map(|text| match text.split_once('=') {
            Some((stage, key)) => (stage.to_owned(), key.to_owned()),
            None => (String::new(), text.clone()),
        });
    let said = Said {
        environment: pairs("--env", &args.environment, "NAME=VALUE")?,
        output_keys: output_keys.collect(),
    };
    let plan = import::plan(&ImportRequest {
        project: &project,
        folder: &args.folder,
        variant: &args.variant,
        events: args.events.map(|events| match events {
            ImportEvents::S3 => Transport::S3,
            ImportEvents::Payload => Transport::Payload,
        }),
        pipeline: args.pipeline.as_deref(),
        map: &map,
        said: &said,
        requirements: args.requirements.as_deref(),
        runtime: &args.runtime,
        description: args.description.as_deref(),
    })
    .map_err(Failure::wrong_request)?;
    if !globals.quiet && !globals.json {
        display::answer(&import::page(&plan))?;
    }
    if !args.yes && !globals.json && io::stdin().is_terminal() && !agreed()? {
        display::answer("nothing was written\n")?;
        return Ok(Outcome::Done);
    }
    import::write(&plan).map_err(Failure::broken)?;
    if globals.json {
        display::answer_json(&plan)?;
    } else if !globals.quiet {
        let mut check = vec!["check", &plan.variant];
        if plan.pipeline != "image-pipeline" {
            check.extend(["--pipeline", &plan.pipeline]);
        }
        display::answer(&format!(
            "written to {}; next: {}\n",
            plan.folder.display(),
            advice::darkroom(&check)
        ))?;
    }
    Ok(Outcome::Done)
}

fn agreed() -> Result<bool, Failure> {
    display::note("Import them like this? [Y/n]");
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::broken(miette::miette!("can't ask: {error}")))?;
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "" | "y" | "yes"
    ))
}

fn pairs(option: &str, texts: &[String], shape: &str) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::wrong_request(miette::miette!("{option} {text}: expected {shape}"))
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    texts.iter().map(pair).collect()
}
