//! The sandbox's own processes without the rest of Darkroom, for tests and for embedding the local
//! cloud elsewhere.

use std::process::ExitCode;

fn main() -> ExitCode {
    darkroom_cloud::sandbox::run_if_asked().unwrap_or(ExitCode::FAILURE)
}
