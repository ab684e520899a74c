//! Python programs of others that tests ask: pinned versions, installed once for all tests of this
//! target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

/// Returns an interpreter that has these packages, in a virtual environment made once for these
/// requirements.
///
/// Needs Python 3.13 and, the first time, a package index that pip reaches: the test fails and says
/// so without them.
pub fn python_with(what: &str, requirements: &str) -> PathBuf {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let found = darkroom_cloud::python::find("3.13")
        .unwrap_or_else(|error| panic!("{what} needs Python 3.13: {error}"));
    let key = hex::encode(Sha256::digest(format!(
        "{requirements}{}",
        found.path.display()
    )));
    let folder = cache.join(format!("{what}-{}", &key[..16]));
    let (python, whole) = (folder.join("bin/python"), folder.join("whole"));
    fs::create_dir_all(cache).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if whole.is_file() {
        return python;
    }
    let list = folder.join("requirements.txt");
    succeed(
        Command::new(&found.path)
            .args(["-I", "-m", "venv", "--clear"])
            .arg(&folder),
        "make a virtual environment",
    );
    fs::write(&list, requirements).unwrap();
    let mut pip = Command::new(&python);
    pip.args([
        "-I",
        "-m",
        "pip",
        "--no-input",
        "--disable-pip-version-check",
        "install",
        "--no-deps",
        "--only-binary",
    ]);
    pip.args([":all:", "--requirement"]).arg(&list);
    succeed(
        &mut pip,
        &format!("install what {what} needs; needed once: a package index that pip reaches"),
    );
    fs::write(&whole, "").unwrap();
    python
}

fn succeed(command: &mut Command, what: &str) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("can't {what}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "can't {what}:\n{}",
        String::from_utf8_lossy(&said)
    );
}
