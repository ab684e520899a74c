//! Runs a program that may never end, and reports the result in a few words.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Runs `command` to its end and returns what it printed, or in a few words why not.
///
/// Output goes to files, so that neither a full pipe nor a left-over child can block; at the
/// timeout the whole process group is killed.
pub fn run(command: &mut Command, timeout: Duration) -> Result<String, String> {
    let text = |error: io::Error| error.to_string();
    let mut stdout = tempfile::tempfile().map_err(text)?;
    let mut stderr = tempfile::tempfile().map_err(text)?;
    command.stdin(Stdio::null()).process_group(0);
    command
        .stdout(stdout.try_clone().map_err(text)?)
        .stderr(stderr.try_clone().map_err(text)?);
    let mut child = command
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;

    let deadline = Instant::now() + timeout;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().map_err(text)? {
            break status;
        }
        if Instant::now() >= deadline {
            if let Ok(id) = i32::try_from(child.id()) {
                // The group may be gone already; `kill` below settles the child itself.
                let _ = nix::sys::signal::killpg(
                    nix::unistd::Pid::from_raw(id),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("gave no answer within {} s", timeout.as_secs_f32()));
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if !status.success() {
        return Err(format!("fails with {status}{}", last_words(&mut stderr)));
    }
    read_from_start(&mut stdout).map_err(text)
}

fn read_from_start(file: &mut File) -> io::Result<String> {
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns `: ` and the last few lines of what a failed program printed, or nothing.
fn last_words(stderr: &mut File) -> String {
    let text = read_from_start(stderr).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() {
        String::new()
    } else {
        format!(": {}", last.join(" / "))
    }
}
