//! How a command ends: the only file that knows exit codes.
//!
//! Commands return an [`Outcome`] or a [`Failure`]. Two places end the process themselves: a second
//! Ctrl-C (`session/measure.rs`), and clap where arguments are wrong (`cli.rs`).

use std::process::ExitCode;

/// A command that did what it was asked, as far as the measured code allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything asked for is done: every cell is measured, or was said not to be runnable on this
    /// target.
    Done,
    /// The run is complete, and some cells failed or gave invalid outputs.
    SomeCellsFailed,
    /// `doctor` found something missing without which nothing can be measured.
    NotReady,
    /// Ctrl-C: what was measured is recorded and the run can be resumed.
    Interrupted,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::SomeCellsFailed | Outcome::NotReady => 1,
            Outcome::Interrupted => 130,
        })
    }
}

/// A command that could not do what it was asked, with what to tell the user.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    report: miette::Report,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WrongRequest,
    Broken,
}

impl Failure {
    /// The request was wrong (manifest, arguments, missing files): found before any effect. Exit
    /// code 2.
    pub fn wrong_request(report: impl Into<miette::Report>) -> Self {
        Self {
            kind: Kind::WrongRequest,
            report: report.into(),
        }
    }

    /// The request was right and could not be carried through (disk full, deployment refused). Exit
    /// code 1.
    pub fn broken(report: impl Into<miette::Report>) -> Self {
        Self {
            kind: Kind::Broken,
            report: report.into(),
        }
    }

    pub fn report(&self) -> &miette::Report {
        &self.report
    }

    pub fn into_report(self) -> miette::Report {
        self.report
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::WrongRequest => 2,
            Kind::Broken => 1,
        })
    }
}
