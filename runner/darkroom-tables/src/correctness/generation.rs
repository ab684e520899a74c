//! Questions to models and their answers, and what became of them → the frame of `generation`.

use std::collections::HashMap;

use darkroom_core::event::{ModelAsked, PlannedCell, RunStarted};
use darkroom_core::outcome::{Kind, Outcome};
use darkroom_core::prompt::module;
use polars::prelude::{DataFrame, PolarsResult};

use super::evidence::{Evidence, Found};
use super::seen::OfModel;
use crate::columns;
use crate::frames::{bools, floats, frame, integers, texts, times};

/// One question and its answer.
struct Ask<'a> {
    asked: &'a ModelAsked,
    planned: Option<&'a PlannedCell>,
    /// Place of its stage; `None` for one that the pipeline does not have.
    stage: Option<u32>,
    /// Its code is the handler that was measured.
    in_handler: bool,
    outcome: Option<Outcome>,
    found: Option<Found>,
}

/// Returns the rows of `generation`, in the order of the journal.
pub fn generation_frame(
    run: &RunStarted,
    asked: &[ModelAsked],
    of_models: &[OfModel],
    evidence: &Evidence,
) -> PolarsResult<DataFrame> {
    let rows = rows(run, asked, of_models, evidence);
    let asked = || rows.iter().map(|row| row.asked);
    let outcome = || rows.iter().map(|row| row.outcome.as_ref());
    let found = || rows.iter().map(|row| row.found.as_ref());
    let count = |value: Option<u64>| value.map(|count| count as i64);
    let columns = vec![
        texts("run_id", asked().map(|_| Some(&run.run_id))),
        texts("variant", asked().map(|ask| Some(&ask.variant))),
        texts("model", rows.iter().map(|row| row.planned?.model.as_ref())),
        integers(
            "sample",
            rows.iter().map(|row| row.planned?.sample.map(i64::from)),
        ),
        texts("prompt", rows.iter().map(|row| row.planned?.prompt_name())),
        texts("stage", asked().map(|ask| Some(&ask.stage))),
        integers(
            "stage_index",
            rows.iter().map(|row| row.stage.map(i64::from)),
        ),
        integers("round", asked().map(|ask| Some(ask.round.into()))),
        integers(
            "rounds_allowed",
            asked().map(|ask| Some(ask.rounds_allowed.into())),
        ),
        integers("attempt", asked().map(|ask| Some(ask.attempt.into()))),
        texts("model_asked", asked().map(|ask| Some(&ask.model_asked))),
        texts(
            "model_answered",
            asked().map(|ask| Some(&ask.model_answered)),
        ),
        times("asked_at", asked().map(|ask| epoch_ms(&ask.asked_at))),
        texts("python", asked().map(|ask| Some(&ask.python))),
        texts("prompt_sha256", asked().map(|ask| Some(&ask.prompt_sha256))),
        texts("sent_back", asked().map(|ask| ask.sent_back.as_ref())),
        texts(
            "finish_reason",
            asked().map(|ask| ask.finish_reason.as_ref()),
        ),
        integers("input_tokens", asked().map(|ask| count(ask.input_tokens))),
        integers("output_tokens", asked().map(|ask| count(ask.output_tokens))),
        floats("answer_s", asked().map(|ask| Some(ask.seconds))),
        floats("cost_usd", asked().map(|ask| ask.cost_usd)),
        bools("in_handler", rows.iter().map(|row| Some(row.in_handler))),
        texts("outcome", outcome().map(|of| Some(of?.kind.as_str()))),
        texts("detail", outcome().map(|of| of?.detail.as_ref())),
        texts("said", found().map(|found| found?.said.as_ref())),
        texts("error_at", found().map(|found| found?.at.as_ref())),
        texts("line", rows.iter().map(Ask::line)),
        texts("picture", found().map(|found| found?.picture.as_ref())),
        texts("code", asked().map(|ask| ask.code.as_ref())),
    ];
    frame(&columns::GENERATION, columns)
}

fn epoch_ms(text: &str) -> Option<i64> {
    text.parse().ok().map(jiff::Timestamp::as_millisecond)
}

fn rows<'a>(
    run: &'a RunStarted,
    asked: &'a [ModelAsked],
    of_models: &[OfModel],
    evidence: &Evidence,
) -> Vec<Ask<'a>> {
    let samples = of_models.iter().flat_map(|model| &model.samples);
    let samples: HashMap<&str, _> = samples.map(|of| (of.variant.as_str(), of)).collect();
    // A repair comes after the answer that it replaces.
    let with_code = asked
        .iter()
        .enumerate()
        .filter(|(_, ask)| ask.missing.is_none());
    let last: HashMap<(&str, &str), usize> = with_code
        .map(|(place, ask)| ((ask.variant.as_str(), ask.stage.as_str()), place))
        .collect();
    let row = |(place, ask): (usize, &'a ModelAsked)| {
        let stage = run.stages.iter().position(|stage| *stage == ask.stage);
        let in_handler = last.get(&(&*ask.variant, &*ask.stage)) == Some(&place);
        let came_to = || {
            let part = samples.get(ask.variant.as_str())?.stages.get(stage?)?;
            part.outcome.clone().filter(|_| in_handler)
        };
        let stage = stage.map(|stage| stage as u32);
        let outcome = ask.missing.clone().or_else(came_to);
        let found = stage
            .zip(outcome.as_ref())
            .and_then(|(stage, outcome)| evidence.of(&ask.variant, stage, outcome))
            .filter(|_| in_handler);
        Ask {
            asked: ask,
            planned: run
                .cells
                .iter()
                .find(|cell| cell.cell.variant == ask.variant),
            stage,
            in_handler,
            found: found.cloned(),
            outcome,
        }
    };
    asked.iter().enumerate().map(row).collect()
}

impl Ask<'_> {
    /// Returns the line of code that did it, without its indent.
    fn line(&self) -> Option<&str> {
        let (code, found) = (self.asked.code.as_deref()?, self.found.as_ref()?);
        let imports = self.outcome.as_ref()?.kind == Kind::ImportFails;
        let line = match &found.at {
            Some(at) => {
                let (file, line) = at.rsplit_once(':')?;
                let own = file.strip_suffix(".py") == Some(&module(&self.asked.stage));
                code.lines()
                    .nth(line.parse::<usize>().ok()?.checked_sub(1)?)
                    .filter(|_| own)
            }
            None if imports => importing(code, found.said.as_deref()?),
            None => None,
        };
        line.map(str::trim).filter(|line| !line.is_empty())
    }
}

/// Returns the import statement of the name that a message says can't be imported: `Unable to
/// import module 'resize': No module named 'cv2'`.
fn importing<'a>(code: &'a str, said: &str) -> Option<&'a str> {
    let why = said.split_once("': ").map_or(said, |(_, why)| why);
    let name = why.split('\'').nth(1)?;
    let is_import = |line: &&str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
        let line = line.trim_start();
        let imports = line.starts_with("import ") || line.starts_with("from ");
        let of_name = |word: &str| word == name || word.starts_with(&format!("{name}."));
        imports && words.any(of_name)
    };
    code.lines().find(is_import)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_import_that_fails_is_found_by_the_name_in_the_message() {
        let code =
            "\"\"\"cv2 and import\"\"\"\nimport io, cv2.data\nfrom PIL import Image, Nothing\n";
        let of = |said: &str| importing(code, &format!("Unable to import module 'resize': {said}"));
        assert_eq!(of("No module named 'cv2'"), Some("import io, cv2.data"));
        let nothing = "cannot import name 'Nothing' from 'PIL' (/opt/python/PIL/__init__.py)";
        assert_eq!(of(nothing), Some("from PIL import Image, Nothing"));
        assert_eq!(of("No module named 'torch'"), None);
        assert_eq!(importing(code, "out of words"), None);
    }
}
