//! `darkroom schema`: the manifest's JSON Schema on stdout.

use darkroom_core::manifest;

use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run() -> Result<Outcome, Failure> {
    display::answer(&manifest::schema_text())?;
    Ok(Outcome::Done)
}
