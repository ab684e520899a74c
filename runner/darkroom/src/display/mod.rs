//! The only rooms that print.

pub mod diagnostics;
pub mod progress;

use std::io::{self, IsTerminal, Write};

use crate::exit::Failure;

/// Writes the answer of a command to stdout. A reader that has gone (`| head`) is not an error.
pub fn answer(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::broken(miette::miette!("failed to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line for people to stderr. Nothing can be done if stderr is gone, so that is ignored.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether colours suit this stream: it is a terminal, and the user did not decline them (<https://no-color.org>).
pub fn colours(stream: &impl IsTerminal) -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !declined
}
