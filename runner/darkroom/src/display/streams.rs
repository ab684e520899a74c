//! Stdout for answers, stderr for notes to people. Both escape control characters.

use std::io::{self, IsTerminal, Write};

use darkroom_core::shown;
use serde::Serialize;

use crate::exit::Failure;

/// Writes the answer of a command to stdout, without what a terminal would obey but colours. A
/// reader that has gone (`| head`) is not an error.
pub fn answer(text: &str) -> Result<(), Failure> {
    write_out(&shown::answer(text, colours(&io::stdout())))
}

fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes an answer line by line, so that a long one need not be held.
pub fn answer_lines(lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let result = lines
        .into_iter()
        .try_for_each(|line| writeln!(stdout, "{}", shown::text(&line)));
    written(result.and_then(|()| stdout.flush()))
}

/// Writes an answer for scripts: one JSON value, indented, and a newline.
pub fn answer_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::broken(miette::miette!("failed to write JSON: {error}")))?;
    answer_text_json(&(text + "\n"))
}

/// Writes an answer that is JSON already.
pub fn answer_text_json(text: &str) -> Result<(), Failure> {
    write_out(&shown::json(text))
}

/// Writes a line for people to stderr. Nothing can be done if stderr is gone, so that is ignored.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", shown::text(text));
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::broken(
            miette::miette!("failed to write to stdout: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Whether colours suit this stream: it is a terminal, and the user did not decline them
/// (<https://no-color.org>).
pub fn colours(stream: &impl IsTerminal) -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !declined
}

/// Columns of the terminal; 120 where there is none.
pub fn width() -> u16 {
    terminal_size::terminal_size().map_or(120, |(columns, _)| columns.0)
}
