//! What a run's journal remembers of a generated variant's answers.
//!
//! A variant's folder → [`ModelAsked`] facts, in the order of the asks. Tables are made of a run's
//! folder alone, so the journal holds the code too. Whether the folder is still what the model
//! answered, [`super::unedited`] has said before.

use std::fs;
use std::path::Path;

use darkroom_core::answer::{self, Look};
use darkroom_core::event::ModelAsked;
use darkroom_core::prompt::HANDLER;

use super::answers::{Ask, Provenance, hash};

/// Returns what was asked and answered for `variant`; nothing where no model wrote it.
pub fn asked(folder: &Path, variant: &str) -> Vec<ModelAsked> {
    let Some(provenance) = Provenance::read(folder) else {
        return Vec::new();
    };
    let asks = provenance.asks.iter();
    asks.map(|ask| fact(folder, variant, &provenance, ask))
        .collect()
}

fn fact(folder: &Path, variant: &str, provenance: &Provenance, ask: &Ask) -> ModelAsked {
    let answered = &ask.answered;
    ModelAsked {
        variant: variant.to_owned(),
        stage: ask.stage.clone(),
        round: ask.round,
        rounds_allowed: provenance.repair_rounds_allowed,
        attempt: answered.attempt,
        asked_at: answered.asked_at.clone(),
        seconds: answered.seconds,
        model_asked: provenance.model_asked.clone(),
        model_answered: answered.model_answered.clone(),
        prompt_sha256: answered.prompt_sha256.clone(),
        python: provenance.python.clone(),
        finish_reason: answered.finish_reason.clone(),
        input_tokens: answered.input_tokens,
        output_tokens: answered.output_tokens,
        cost_usd: ask.cost_usd,
        sent_back: answered.verdict.clone(),
        missing: ask.missing.clone(),
        code: code(folder, ask),
    }
}

/// Takes the code out of an answer again, by the rules of generation.
fn code(folder: &Path, ask: &Ask) -> Option<String> {
    if ask.missing.is_some() {
        return None;
    }
    let answer = fs::read_to_string(folder.join(&ask.answer)).ok()?;
    if hash(answer.as_bytes()) != ask.answered.answer_sha256 {
        return None;
    }
    // What was Python when it was generated is Python still.
    let found = answer::code(&answer, HANDLER, |_| Look::Defines).ok()?;
    Some(found.text)
}
