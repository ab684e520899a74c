//! The only rooms that print.

pub mod changes;
pub mod diagnostics;
pub mod plan;
pub mod progress;
pub mod terminal;
pub mod verdicts;

use std::io::{self, IsTerminal, Write};

use darkroom_core::shown;
use serde::Serialize;

use crate::exit::Failure;

/// Writes the answer of a command to stdout, without what a terminal would obey but colours. A reader that has gone
/// (`| head`) is not an error.
pub fn answer(text: &str) -> Result<(), Failure> {
    write_out(&shown::answer(text, colours(&io::stdout())))
}

fn write_out(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Writes an answer line by line, so that a long one need not be held.
pub fn answer_lines(lines: impl IntoIterator<Item = String>) -> Result<(), Failure> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let result = lines.into_iter().try_for_each(|line| writeln!(stdout, "{}", shown::text(&line)));
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
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::broken(miette::miette!("failed to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// A number with its noun: `1 cell`, `4 cells`.
pub fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// A number with its thousands apart: `1,000,000`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut spelt = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            spelt.push(',');
        }
        spelt.push(digit);
    }
    spelt
}

/// Whether colours suit this stream: it is a terminal, and the user did not decline them (<https://no-color.org>).
pub fn colours(stream: &impl IsTerminal) -> bool {
    let declined = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !declined
}

/// Columns of the terminal; 120 where there is none.
pub fn width() -> u16 {
    terminal_size::terminal_size().map_or(120, |(columns, _)| columns.0)
}
