//! The effects of Darkroom: read a project, package, deploy, execute, record, show.
//!
//! `darkroom-core` says what an experiment is, `darkroom-tables` what its tables hold. This crate
//! is a library only so that its benches and its one test binary can use the modules; nothing else
//! depends on it.

pub mod account;
mod advice;
mod bucket_owner;
mod built;
mod checked;
pub mod cli;
pub mod command;
pub mod control_pace;
pub mod deploy;
pub mod display;
mod error_text;
pub mod examine;
pub mod execute;
pub mod exit;
pub mod generate;
#[cfg(test)]
#[path = "../../darkroom-cloud/src/hostile.rs"]
mod hostile;
pub mod import;
pub mod import_results;
pub mod machine;
pub mod package;
pub mod permissions;
mod plain_file;
pub mod prebuilt;
pub mod project;
pub mod provenance;
pub mod record;
mod results;
mod s3_uri;
pub mod session;
mod set_files;
pub mod study;
pub mod target;
mod text_file;
mod threads;
mod which_run;

use std::process::ExitCode;

use crate::cli::{Cli, Globals};
use crate::display::diagnostics;

/// Runs the command line of this process to its exit code.
///
/// The local cloud starts this same program as the first process of each sandbox: then it becomes
/// that, and nothing else.
pub fn main() -> ExitCode {
    if let Some(code) = darkroom_cloud::sandbox::run_if_asked() {
        return code;
    }
    let (result, globals) = match Cli::parse_or_exit() {
        Some(cli) => (command::run(&cli), cli.globals),
        None => (
            command::version(),
            Globals {
                json: true,
                ..Globals::default()
            },
        ),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            diagnostics::show(&failure, globals);
            failure.exit_code()
        }
    }
}
