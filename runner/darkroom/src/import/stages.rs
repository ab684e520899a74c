//! Which pipeline the handlers are for, and which of them serves which stage.

use darkroom_core::pipeline::{Pipeline, Transport};

use super::error::ImportError;
use super::mapping::{self, Candidate, Mapped, Unclear};
use super::request::ImportRequest;
use super::scan::ScannedFile;

/// Returns the pipeline that was named, or the usual one for these events.
pub fn pipeline(
    request: &ImportRequest<'_>,
    files: &[ScannedFile],
) -> Result<Pipeline, ImportError> {
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
        return Err(ImportError::new(format!(
            "these handlers take {takes} events, but pipeline {name} sends {sends}"
        ))
        .help(format!(
            "add `--pipeline {usual}`: of two, the last one counts"
        )));
    }
    Ok(pipeline)
}

/// Tells from the code whether images come as S3 objects or in the payload.
fn told_events(files: &[ScannedFile]) -> Result<Transport, ImportError> {
    let handlers = || files.iter().flat_map(|file| &file.handlers);
    let s3 = handlers().any(|handler| handler.s3_event);
    let payload = handlers().any(|handler| handler.reads_image.is_some());
    match (s3, payload) {
        (true, false) => Ok(Transport::S3),
        (false, true) => Ok(Transport::Payload),
        _ if files
            .iter()
            .any(|file| file.error.is_some() && !file.handlers.is_empty()) =>
        {
            Err(ImportError::new(
                "Darkroom cannot tell whether the handlers take S3 events or \
                images in the payload until that parses",
            )
            .help(
                "fix the syntax, then import again. To measure it as it is, add `--events s3` or \
                 `--events payload`",
            ))
        }
        _ => Err(ImportError::new(
            "Darkroom cannot tell whether the handlers take S3 events or images in the payload",
        )
        .help("add `--events s3` or `--events payload`")),
    }
}

/// Returns the handler of every stage: those that were said, and the others as the code tells.
pub fn mapped<'a>(
    request: &ImportRequest<'_>,
    pipeline: &'a Pipeline,
    candidates: &[Candidate<'a>],
) -> Result<Vec<Mapped<'a>>, ImportError> {
    let mut given = Vec::new();
    for (stage, spelt) in request.map {
        let names = || {
            pipeline
                .stages
                .iter()
                .map(|stage| stage.name.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let Some((_, known)) = pipeline.stage(stage) else {
            let what = format!("pipeline {} has no stage `{stage}`", pipeline.name);
            return Err(ImportError::new(what).help(format!("choose from: {}", names())));
        };
        let Some(candidate) = candidates
            .iter()
            .find(|candidate| candidate.spelt() == *spelt)
        else {
            let all: Vec<String> = candidates.iter().map(Candidate::spelt).collect();
            let what = format!("{} has no handler `{spelt}`", request.folder.display());
            return Err(ImportError::new(what).help(format!("choose from: {}", all.join(", "))));
        };
        given.push(Mapped {
            stage: &known.name,
            candidate: *candidate,
            because: Vec::new(),
        });
    }
    let guessed =
        mapping::guess(pipeline, candidates, &given).map_err(|unclear| not_sure(&unclear))?;
    given.extend(guessed);
    let place = |mapped: &Mapped| pipeline.stage(mapped.stage).map(|(index, _)| index);
    given.sort_by_key(place);
    Ok(given)
}

fn not_sure(unclear: &[Unclear]) -> ImportError {
    let stages: Vec<&str> = unclear
        .iter()
        .map(|unclear| unclear.stage.as_str())
        .collect();
    let ways = |unclear: &Unclear| {
        let each = unclear
            .candidates
            .iter()
            .map(|handler| format!("`--map {}={handler}`", unclear.stage));
        match each.collect::<Vec<_>>().join(" or ") {
            none if none.is_empty() => format!(
                "no handler is left for {}: add one to the folder",
                unclear.stage
            ),
            some => format!("add {some}"),
        }
    };
    ImportError::new(format!(
        "Darkroom cannot tell which handler serves {}",
        stages.join(", ")
    ))
    .help(unclear.iter().map(ways).collect::<Vec<_>>().join("\n"))
}
