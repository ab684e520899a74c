//! `darkroom completions`: prints a shell's completion script.

use clap_complete::Shell;

use crate::display;
use crate::exit::{Failure, Outcome};

pub fn run(shell: Shell) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::command(), "darkroom", &mut script);
    display::answer(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Done)
}
