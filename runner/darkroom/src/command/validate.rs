//! `darkroom validate`: lists all mistakes of a manifest, or says that it is valid.

use crate::cli::{Globals, ManifestArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project;

pub fn run(args: &ManifestArgs, globals: Globals) -> Result<Outcome, Failure> {
    let loaded = project::load(args).map_err(Failure::wrong_request)?;
    super::say_which(&loaded.project, globals);
    super::say_what_is_left_alone(&loaded.generation, globals);
    if globals.json {
        display::answer_json(&loaded.manifest)?;
    } else if !globals.quiet {
        let cells = loaded.manifest.matrix.cells().count();
        display::answer(&format!(
            "{} is valid: {}\n",
            args.manifest.display(),
            display::count(cells as u64, "cell")
        ))?;
        let missing = loaded.generation.missing().count();
        if missing > 0 {
            display::answer(&format!(
                "{} of models not made yet: run {}\n",
                display::count(missing as u64, "variant"),
                project::generate_command(args)
            ))?;
        }
    }
    Ok(Outcome::Done)
}
