//! `darkroom resume`.

use crate::cli::{Globals, ResumeArgs};
use crate::exit::{Failure, Outcome};

pub fn run(_args: &ResumeArgs, _globals: Globals) -> Result<Outcome, Failure> {
    Err(Failure::broken(miette::miette!("`darkroom resume` is not merged into this branch")))
}
