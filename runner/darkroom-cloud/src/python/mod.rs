//! Finds Python interpreters by running them, and provisions what AWS keeps in `/var/runtime` for
//! Python functions.
//!
//! In: a version such as `3.13`, or a runtime name such as `python3.13` and a cache folder. Out: an
//! [`Interpreter`] that answered, or a [`PythonRuntime`] whose folder holds awslambdaric and boto3.
//! Knows nothing of functions, layers or sandboxes. Blocking: call it from `spawn_blocking`.

mod find;
mod process;
mod runtime;

pub use find::{Interpreter, PythonNotFound, Tried, find, find_emulated, survey};
pub use runtime::{
    PythonRuntime, REQUIREMENTS, RUNTIMES, RuntimeError, cached, emulated_runtime, run_pip,
    runtime, tool,
};

#[cfg(test)]
mod fake {
    //! Programs that pretend to be interpreters.

    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    /// Writes an executable shell script and returns its path.
    pub fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        let text = folder.join(format!("{name}.text"));
        fs::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
        // Another process writes the executable: were it open for writing here, a fork of another
        // test's thread could hold it open and running it would fail as "text file busy".
        assert!(
            Command::new("install")
                .args(["-m", "755"])
                .args([&text, &path])
                .status()
                .unwrap()
                .success()
        );
        path
    }
}
