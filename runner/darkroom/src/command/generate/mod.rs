//! `darkroom generate`: asks models for variants, those that a manifest declares or a single model
//! of the arguments; or prints the prompts.

mod keys;
mod many;
mod one;
mod shown;

use crate::cli::{GenerateArgs, Globals};
use crate::exit::{Failure, Outcome};

pub fn run(args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    match &args.manifest {
        Some(manifest) => many::run(manifest, args, globals),
        None => one::run(args, globals),
    }
}

fn wrong(message: impl std::fmt::Display, help: &str) -> Failure {
    Failure::wrong_request(miette::miette!(help = help.to_owned(), "{message}"))
}
