//! Which of the two it is: a manifest's models, or one model of the arguments.

use super::{many, one};
use crate::cli::{GenerateArgs, Globals};
use crate::exit::{Failure, Outcome};

pub fn run(args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    match &args.manifest {
        Some(manifest) => many::run(manifest, args, globals),
        None => one::run(args, globals),
    }
}
