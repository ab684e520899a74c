//! `darkroom schema`: prints the manifest's JSON Schema.

use darkroom_core::manifest;

use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run() -> Result<Outcome, Failure> {
    display::answer(&manifest::schema_text())?;
    Ok(Outcome::Done)
}
