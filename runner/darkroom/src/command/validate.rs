//! `darkroom validate`: lists all mistakes of a manifest, or says that it is valid.

use crate::cli::{Globals, ManifestArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project;

pub fn run(args: &ManifestArgs, globals: Globals) -> Result<Outcome, Failure> {
    let loaded = project::load(args).map_err(Failure::wrong_request)?;
    super::say_which(&loaded.project, globals);
    if globals.json {
        display::answer_json(&loaded.manifest)?;
    } else if !globals.quiet {
        let cells = loaded.manifest.matrix.cells().count();
        display::answer(&format!(
            "{} is valid: {}\n",
            args.manifest.display(),
            display::count(cells as u64, "cell")
        ))?;
    }
    Ok(Outcome::Done)
}
