//! Why a session does not begin: its run, its budget, its consent or its target stands in the way.
//!
//! Found before anything is deployed. Each is a wrong request (exit code 2).

use std::path::{Path, PathBuf};

use darkroom_core::cell::CellId;

use crate::advice;
use crate::display::plan::dollars;

/// One reason, with where it was found and what to do.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum Refusal {
    #[error("no unfinished run of this manifest in {}{newest}", folder.display())]
    #[diagnostic(
        code(session::nothing_to_continue),
        help("remove --resume to start a new run")
    )]
    NothingToContinue {
        folder: PathBuf,
        /// About the newest run there, if there is one of another configuration.
        newest: String,
    },
    #[error("no run of `{experiment}` to extend")]
    #[diagnostic(code(session::nothing_to_extend), help("remove --extend to start one"))]
    NothingToExtend { experiment: String },
    #[error("{run} began with another configuration: {differs}")]
    #[diagnostic(code(session::other_configuration), help("{help}"))]
    OtherConfiguration {
        run: String,
        differs: String,
        help: String,
    },
    #[error("{} {state}", run.display())]
    #[diagnostic(code(session::unfinished), help("finish it first: {}", resume(run)))]
    Unfinished { run: PathBuf, state: &'static str },
    #[error("a run with `repetitions.until` sets its own number of repetitions")]
    #[diagnostic(
        code(session::until_decides),
        help("start a new run with a smaller `ci_half_width` or a larger `max`")
    )]
    UntilDecides,
    #[error("{} has {repetitions} repetitions already", run.display())]
    #[diagnostic(
        code(session::enough_repetitions),
        help("use a number above {repetitions}: it is the total of all repetitions")
    )]
    EnoughRepetitions { run: PathBuf, repetitions: u32 },
    #[error("another darkroom process has just continued {}", run.display())]
    #[diagnostic(code(session::taken_up), help("run the command again"))]
    TakenUp { run: PathBuf },
    #[error("{} does not hold cell {cell}", run.display())]
    #[diagnostic(
        code(session::foreign_cell),
        help(
            "remove --cell to start a new run of all cells; a run's cells are fixed when it begins"
        )
    )]
    ForeignCell { run: PathBuf, cell: CellId },
    #[error("none of these cells of {} can run here: {why}", run.display())]
    #[diagnostic(code(session::none_can_run), help("{help}"))]
    NoneCanRun {
        run: PathBuf,
        why: String,
        help: &'static str,
    },
    #[error(
        "the run began on {before}, and would continue on {here}: its rows would not tell them \
         apart"
    )]
    #[diagnostic(
        code(session::other_place),
        help(
            "set AWS_PROFILE and AWS_ENDPOINT_URL as they were then, or start a new run with {}",
            anew_with(run)
        )
    )]
    OtherPlace {
        run: PathBuf,
        before: String,
        here: String,
    },
    #[error(
        "the code of variant `{variant}` has changed since {} began: its package, layers, runtime \
         or handlers differ",
        run.display()
    )]
    #[diagnostic(
        code(session::other_code),
        help(
            "start a new run with {}, or restore the code: rows of different code must not share \
             a table",
            anew_with(run)
        )
    )]
    OtherCode { run: PathBuf, variant: String },
    #[error("{run} may still be running, and both runs would use the same functions")]
    #[diagnostic(
        code(session::under_way),
        help(
            "wait for it, or rename this experiment ([experiment] name); if that run was killed, \
             {how_to_continue}, or remove what it left with {clean}"
        )
    )]
    UnderWay {
        run: String,
        how_to_continue: String,
        clean: String,
    },
    #[error("cannot enforce budget.usd: prices for {region} are unknown")]
    #[diagnostic(
        code(session::unknown_prices),
        help("write experiments/prices/{region}.toml, or remove budget.usd")
    )]
    UnknownPrices { region: String },
    #[error("cannot enforce budget.usd: the prices of SnapStart in {region} are unknown")]
    #[diagnostic(
        code(session::no_snapstart_price),
        help(
            "write them to experiments/prices/{region}.toml ([lambda.snapstart], as in \
             us-east-1.toml), choose a region that has them, remove \"on\" from snapstart in \
             [matrix], or remove budget.usd"
        )
    )]
    NoSnapStartPrice { region: String },
    #[error("the run has spent {} of its budget of {}", dollars(*spent_usd), dollars(*limit_usd))]
    #[diagnostic(code(session::budget_spent), help("{help}"))]
    BudgetSpent {
        spent_usd: f64,
        limit_usd: f64,
        help: String,
    },
    #[error("nothing was done: {offer}")]
    #[diagnostic(
        code(session::not_agreed),
        help("add `--yes` to agree, or use the local cloud with `--target local`")
    )]
    NotAgreed { offer: String },
    #[error(
        "cell {cell} runs {concurrency} invocations at once, but the account allows {limit} in \
         {region}"
    )]
    #[diagnostic(
        code(session::account_limit),
        help(
            "lower [matrix] concurrency, or ask AWS for a higher quota of concurrent executions \
             (Service Quotas, Lambda)"
        )
    )]
    AccountLimit {
        cell: CellId,
        concurrency: u32,
        limit: u32,
        region: String,
    },
}

fn resume(run: &Path) -> String {
    advice::darkroom(&["resume", &run.display().to_string()])
}

/// Returns the command that begins a new run of this run's manifest.
pub fn anew_with(run: &Path) -> String {
    advice::darkroom(&["run", &run.join("manifest.toml").display().to_string()])
}
