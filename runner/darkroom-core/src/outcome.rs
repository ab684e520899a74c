//! What became of one stage that a model was asked for: one vocabulary for generation, output
//! checks, tables, report and terminal.
//!
//! Facts (an answer that can't be used, an invocation and the verdict on its output) → [`Outcome`].
//! Pure. Only [`Kind::Right`] counts as right in a rate. What a vendor or a network did (a rate
//! limit, a dead endpoint, a throttle) is no outcome: nothing here names it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cell::Input;
use crate::event::{Invocation, Status, Verdict};

/// What became of a stage, as one word, from the answer to the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The answer is empty.
    NoAnswer,
    /// The model, or the vendor's filter, declined.
    Refused,
    /// The answer ended at the limit of tokens.
    CutOff,
    /// The answer holds no code.
    NoCode,
    /// Several pieces of code could be meant.
    SeveralCandidates,
    DoesNotParse,
    /// The code defines no `handler`.
    NoHandler,
    ImportFails,
    Raises,
    TimesOut,
    OutOfMemory,
    /// The call ended well, and nothing was written.
    NoOutput,
    WrongOutput,
    Right,
}

impl Kind {
    /// All kinds, in the order of the way from question to output.
    pub const ALL: [Self; 14] = [
        Self::NoAnswer,
        Self::Refused,
        Self::CutOff,
        Self::NoCode,
        Self::SeveralCandidates,
        Self::DoesNotParse,
        Self::NoHandler,
        Self::ImportFails,
        Self::Raises,
        Self::TimesOut,
        Self::OutOfMemory,
        Self::NoOutput,
        Self::WrongOutput,
        Self::Right,
    ];

    /// The word in tables and files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::Refused => "refused",
            Self::CutOff => "cut_off",
            Self::NoCode => "no_code",
            Self::SeveralCandidates => "several_candidates",
            Self::DoesNotParse => "does_not_parse",
            Self::NoHandler => "no_handler",
            Self::ImportFails => "import_fails",
            Self::Raises => "raises",
            Self::TimesOut => "times_out",
            Self::OutOfMemory => "out_of_memory",
            Self::NoOutput => "no_output",
            Self::WrongOutput => "wrong_output",
            Self::Right => "right",
        }
    }

    /// The words that people read.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer",
            Self::Refused => "refused",
            Self::CutOff => "cut off",
            Self::NoCode => "no code",
            Self::SeveralCandidates => "several candidates",
            Self::DoesNotParse => "does not parse",
            Self::NoHandler => "no handler",
            Self::ImportFails => "import fails",
            Self::Raises => "raises",
            Self::TimesOut => "times out",
            Self::OutOfMemory => "out of memory",
            Self::NoOutput => "no output",
            Self::WrongOutput => "wrong output",
            Self::Right => "right",
        }
    }
}

/// What became of a stage, with what tells one such outcome from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    #[serde(rename = "outcome")]
    pub kind: Kind,
    /// For example the type of the exception, the failed check, or the line that does not parse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<Kind> for Outcome {
    fn from(kind: Kind) -> Self {
        Self { kind, detail: None }
    }
}

impl fmt::Display for Outcome {
    /// `cut off (after 500 tokens)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.in_words())?;
        match &self.detail {
            Some(detail) => write!(formatter, " ({})", crate::shown::line(detail)),
            None => Ok(()),
        }
    }
}

impl Outcome {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: Some(detail.into()),
        }
    }

    /// Returns what became of one call and its output; `None` where nothing can be said of the
    /// code: the platform refused or lost the call, or the output was not judged.
    pub fn of_call(invocation: &Invocation, verdict: Option<&Verdict>) -> Option<Self> {
        Self::of_ending(
            invocation.status,
            invocation.error_type.as_deref(),
            verdict.map(|verdict| (verdict.pass, verdict.reason.as_deref())),
        )
    }

    /// As [`Self::of_call`], of the parts: how the call ended, and whether the output passed, with
    /// the reason why not.
    ///
    /// The names of errors are those of Lambda's runtimes (`Runtime.ImportModuleError`); every
    /// other one is the type of an exception of the code's own.
    pub fn of_ending(
        status: Status,
        error_type: Option<&str>,
        verdict: Option<(bool, Option<&str>)>,
    ) -> Option<Self> {
        match status {
            Status::Throttled | Status::CallError => None,
            Status::Timeout => Some(Kind::TimesOut.into()),
            Status::FunctionError => Some(of_error(error_type)),
            Status::Ok if error_type.is_some() => Some(of_error(error_type)),
            Status::Ok => match verdict? {
                (true, _) => Some(Kind::Right.into()),
                (false, Some("missing")) => Some(Kind::NoOutput.into()),
                (false, Some("not checked" | "no reference")) => None,
                (false, reason) => Some(Self {
                    kind: Kind::WrongOutput,
                    detail: reason.map(str::to_owned),
                }),
            },
        }
    }
}

fn of_error(error_type: Option<&str>) -> Outcome {
    match error_type {
        Some("Runtime.ImportModuleError" | "Runtime.InvalidEntrypoint") => Kind::ImportFails.into(),
        Some("Runtime.UserCodeSyntaxError") => Kind::DoesNotParse.into(),
        Some("Runtime.HandlerNotFound" | "Runtime.MalformedHandlerName") => Kind::NoHandler.into(),
        Some("Runtime.OutOfMemory") => Kind::OutOfMemory.into(),
        Some("Sandbox.Timedout") => Kind::TimesOut.into(),
        other => Outcome {
            kind: Kind::Raises,
            detail: other.map(str::to_owned),
        },
    }
}

/// Returns which of a pipeline's stages are called, by stage index, where a model gave no code for
/// the `missing` ones: with reference input every stage that is there; in a chain those before the
/// first missing one, as nothing makes the input of the rest.
pub fn called<'a>(
    stages: impl IntoIterator<Item = &'a str>,
    missing: &BTreeMap<String, Outcome>,
    input: Input,
) -> Vec<bool> {
    let mut broken = false;
    let is_called = |stage: &str| {
        let is_missing = missing.contains_key(stage);
        broken |= is_missing && input == Input::Chained;
        !is_missing && !broken
    };
    stages.into_iter().map(is_called).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_written_as_it_is_named_and_read_back() {
        for kind in Kind::ALL {
            let outcome = Outcome::new(kind, "why");
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(
                text,
                format!("{{\"outcome\":\"{}\",\"detail\":\"why\"}}", kind.as_str())
            );
            assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
            assert_eq!(kind.as_str().replace('_', " "), kind.in_words());
        }
        let plain = Outcome::from(Kind::CutOff);
        assert_eq!(
            serde_json::to_string(&plain).unwrap(),
            "{\"outcome\":\"cut_off\"}"
        );
        assert_eq!(plain.to_string(), "cut off");
        assert_eq!(
            Outcome::new(Kind::Raises, "Value\u{1b}Error").to_string(),
            "raises (Value\\u{1b}Error)"
        );
    }

    fn of(status: Status, error: Option<&str>, verdict: Option<(bool, &str)>) -> Option<String> {
        let verdict = verdict.map(|(pass, reason)| (pass, Some(reason)));
        Outcome::of_ending(status, error, verdict).map(|outcome| outcome.to_string())
    }

    #[test]
    fn a_call_and_its_verdict_are_one_outcome() {
        let failed = |error| of(Status::FunctionError, Some(error), None);
        let said = |words: &str| Some(words.to_owned());
        assert_eq!(failed("Runtime.ImportModuleError"), said("import fails"));
        assert_eq!(
            failed("Runtime.UserCodeSyntaxError"),
            said("does not parse")
        );
        assert_eq!(failed("Runtime.HandlerNotFound"), said("no handler"));
        assert_eq!(failed("Runtime.OutOfMemory"), said("out of memory"));
        assert_eq!(failed("AttributeError"), said("raises (AttributeError)"));
        assert_eq!(
            failed("Runtime.ExitError"),
            said("raises (Runtime.ExitError)")
        );
        assert_eq!(of(Status::Timeout, None, None), said("times out"));
        let ended = |pass, reason| of(Status::Ok, None, Some((pass, reason)));
        assert_eq!(ended(true, ""), said("right"));
        assert_eq!(ended(false, "missing"), said("no output"));
        assert_eq!(
            ended(false, "wrong size"),
            said("wrong output (wrong size)")
        );
    }

    #[test]
    fn what_the_platform_did_or_nobody_judged_is_no_outcome() {
        assert_eq!(of(Status::Throttled, None, None), None);
        assert_eq!(of(Status::CallError, Some("NoAnswer"), None), None);
        assert_eq!(of(Status::Ok, None, None), None);
        assert_eq!(of(Status::Ok, None, Some((false, "not checked"))), None);
    }

    #[test]
    fn a_chain_is_called_up_to_its_first_gap_and_fed_stages_are_each_called() {
        let missing = BTreeMap::from([("b".to_owned(), Kind::CutOff.into())]);
        let of = |input| called(["a", "b", "c"], &missing, input);
        assert_eq!(of(Input::Chained), [true, false, false]);
        assert_eq!(of(Input::Reference), [true, false, true]);
        assert_eq!(called(["a"], &BTreeMap::new(), Input::Chained), [true]);
    }
}
