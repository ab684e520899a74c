//! `darkroom aggregate`.

use crate::cli::{AggregateArgs, Globals};
use crate::exit::{Failure, Outcome};

pub fn run(_args: &AggregateArgs, _globals: Globals) -> Result<Outcome, Failure> {
    Err(Failure::broken(miette::miette!("`darkroom aggregate` is not merged into this branch")))
}
