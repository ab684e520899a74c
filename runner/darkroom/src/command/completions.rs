//! `darkroom completions`: prints a shell's completion script.

use clap_complete::Shell;

use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run(shell: Shell) -> Result<Outcome, Failure> {
    display::answer(&String::from_utf8_lossy(&script(shell)))?;
    Ok(Outcome::Done)
}

/// Returns the script.
pub(super) fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "darkroom", &mut script);
    script
}
