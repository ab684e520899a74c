//! The columns of `correctness`.

use super::Kind::{Float, Integer, Text};
use super::Source::{Derived, Plan};
use super::{Column, RUN_ID, STAGE_OR_PIPELINE, STAGE_OR_PIPELINE_INDEX, Table, column};

const fn count(name: &'static str, doc: &'static str) -> Column {
    column(name, Integer, "", Derived, doc)
}

const fn failures(name: &'static str, doc: &'static str) -> Column {
    column(name, Integer, "", Derived, doc)
}

const fn share(name: &'static str, doc: &'static str) -> Column {
    column(name, Float, "", Derived, doc)
}

pub const CORRECTNESS: Table = Table {
    name: "correctness",
    row: "one model, asked with one prompt, at one stage or with its whole pipeline (`stage` = `pipeline`), over all its samples and all their cells; none where no model wrote a variant",
    columns: &[
        RUN_ID,
        column(
            "model",
            Text,
            "",
            Plan,
            "LLM that wrote the samples; with `, no repair` or `, repair N` in a run that allowed several numbers of rounds of repair, which are never pooled",
        ),
        column(
            "prompt",
            Text,
            "",
            Plan,
            "name of the prompt that it was asked with, `plain` is the standard one",
        ),
        STAGE_OR_PIPELINE,
        STAGE_OR_PIPELINE_INDEX,
        column(
            "n",
            Integer,
            "",
            Derived,
            "samples of which something is known; a stage without code counts, as not right",
        ),
        column(
            "n_unknown",
            Integer,
            "",
            Derived,
            "samples of which nothing is known here: not measured, not checked, or a chain that ended before this stage (`input = reference` reaches every stage)",
        ),
        column(
            "right",
            Integer,
            "",
            Derived,
            "samples of which every counted output passed and no call failed for good; of a pipeline, at every stage",
        ),
        share("rate", "`right` / `n`; null for n = 0"),
        share("rate_ci_low", "lower end of its 95% interval (Wilson)"),
        share("rate_ci_high", "upper end"),
        count(
            "right_first",
            "right with the first answer, before any repair; of a pipeline with the first answer of every stage; null if the journal does not say what was asked",
        ),
        share("rate_first", "`right_first` / `n`"),
        share(
            "rate_first_ci_low",
            "lower end of its 95% interval (Wilson)",
        ),
        share("rate_first_ci_high", "upper end"),
        count(
            "right_partly",
            "samples that are not right although at least one image is; they do not count as right",
        ),
        count(
            "images",
            "images of which something is known, each once a sample",
        ),
        count(
            "images_right",
            "of these, images of which every counted output passed and no call failed for good; of a pipeline at every stage",
        ),
        share(
            "pass_at_1",
            "chance that one answer is right, estimated without bias (Chen et al. 2021): the rate",
        ),
        share(
            "pass_at_3",
            "chance that at least one of 3 answers is right; null for n < 3",
        ),
        share("pass_at_5", "the same of 5; null for n < 5"),
        share("pass_at_10", "the same of 10; null for n < 10"),
        failures(
            "n_no_answer",
            "samples with an empty answer; of a pipeline this and the following say what its first stage that is not right came to",
        ),
        failures("n_refused", "the model or the vendor's filter declined"),
        failures("n_cut_off", "the answer ended at the limit of tokens"),
        failures("n_no_code", "the answer holds no code"),
        failures(
            "n_several_candidates",
            "several code blocks define the handler",
        ),
        failures("n_does_not_parse", "the code is not Python"),
        failures("n_no_handler", "the code defines no handler"),
        failures("n_import_fails", "the module can't be imported"),
        failures("n_raises", "the handler raises, or its process ends"),
        failures("n_times_out", "a call took longer than the stage may"),
        failures("n_out_of_memory", "a call needed more memory than it had"),
        failures("n_no_output", "a call ended well and wrote nothing"),
        failures("n_wrong_output", "an output failed its check"),
        column(
            "commonest_failure",
            Text,
            "",
            Derived,
            "the failure that most samples have, in words with its detail; of several the first on the way from question to output; null where all are right",
        ),
        count(
            "asks",
            "questions that the `n` samples took, repairs included; this and what follows is null if the journal does not say what was asked",
        ),
        count("repairs", "of these, questions that sent a finding back"),
        count(
            "input_tokens",
            "tokens of these questions; null if an endpoint does not say",
        ),
        count("output_tokens", "tokens of the answers"),
        column(
            "answer_s",
            Float,
            "s",
            Derived,
            "until the whole answers were there, added up",
        ),
        column(
            "cost_usd",
            Float,
            "USD",
            Derived,
            "of these questions; null where a price is not known",
        ),
        share(
            "tokens_per_right",
            "`input_tokens` and `output_tokens` / `right`; null where none is right",
        ),
        column(
            "cost_usd_per_right",
            Float,
            "USD",
            Derived,
            "`cost_usd` / `right`; null where none is right",
        ),
    ],
};
