//! Looks at a text as a Python module, without running it: whether it parses, and whether it
//! defines the handler.
//!
//! Asks an interpreter of the functions' own version, which is what will import it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use darkroom_core::answer::Look;
use darkroom_core::prompt::HANDLER;

/// Prints one line; names that a module binds are those of its statements, not of its functions'.
const LOOK: &str = include_str!("look.py");

/// Looks at `text` with Python `version`; `Err` says why that can't be done here.
pub fn look(version: &str, text: &str) -> Result<Look, String> {
    let interpreter = darkroom_cloud::python::find(version).map_err(|error| error.to_string())?;
    let mut child = Command::new(&interpreter.path)
        .args(["-I", "-W", "ignore", "-c", LOOK, HANDLER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        // What an interpreter that ends early did not read shows in its answer.
        let _ = stdin.write_all(text.as_bytes());
    }
    let ended = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&ended.stdout);
    match said.trim_end().split_once(' ') {
        Some(("module", "defines")) => Ok(Look::Defines),
        Some(("module", _)) => Ok(Look::DefinesNot),
        Some(("broken", reason)) => Ok(Look::DoesNotParse(reason.to_owned())),
        _ => Err(format!("Python {version} ended with {}", ended.status)),
    }
}
