//! Which of the two it is: a manifest's models, or one model of the arguments.

use super::wrong::wrong;
use super::{many, one};
use crate::cli::{GenerateArgs, Globals};
use crate::exit::{Failure, Outcome};

pub fn run(args: &GenerateArgs, globals: Globals) -> Result<Outcome, Failure> {
    match (&args.manifest, &args.model, &args.variant) {
        (Some(manifest), ..) => many::run(manifest, args, globals),
        (None, Some(_), Some(_)) => one::run(args, globals),
        (None, ..) if args.dry_run => one::run(args, globals),
        (None, model, variant) => Err(incomplete(model.is_some(), variant.is_some())),
    }
}

/// Says what the arguments lack; the usual way first.
fn incomplete(has_model: bool, has_variant: bool) -> Failure {
    let what = match (has_model, has_variant) {
        (true, _) => "--model is set, and --variant is not: the new variant has no name",
        (_, true) => "--variant is set, and --model is not: no model is named",
        _ => "no manifest is named: it declares which models are to be asked",
    };
    wrong(
        what,
        "run `darkroom generate <MANIFEST>` to make all variants that a manifest's models are to \
         write; or, for a single model, `darkroom generate --model <MODEL> --variant <VARIANT>`",
    )
}
