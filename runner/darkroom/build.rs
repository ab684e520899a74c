//! Tells the program what it was built as: `darkroom --version --json` says it.
//!
//! The commit is asked for in release builds only: else every commit would compile the tests'
//! program anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Whose changes make a program that is no commit's.
const SOURCES: [&str; 3] = ["runner", "Cargo.toml", "Cargo.lock"];

fn main() {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let profile = variable("PROFILE");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=DARKROOM_PROFILE={profile}");
    println!("cargo::rustc-env=DARKROOM_TARGET={}", variable("TARGET"));
    let commit = (profile == "release").then(commit).flatten();
    println!(
        "cargo::rustc-env=DARKROOM_COMMIT={}",
        commit.unwrap_or_default()
    );
    let out = PathBuf::from(variable("OUT_DIR")).join("prebuilt.rs");
    fs::write(&out, prebuilt())
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", out.display()));
}

/// Returns `src/prebuilt.rs`'s constant: the Rust variant's program, where `DARKROOM_PREBUILT`
/// names one.
fn prebuilt() -> String {
    for name in [
        "DARKROOM_PREBUILT",
        "DARKROOM_PREBUILT_COMPILER",
        "DARKROOM_PREBUILT_COMMAND",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let Ok(bootstrap) = env::var("DARKROOM_PREBUILT") else {
        return "None".to_owned();
    };
    println!("cargo::rerun-if-changed={bootstrap}");
    let said = |name: &str| {
        env::var(name).unwrap_or_else(|_| panic!("DARKROOM_PREBUILT is set: set {name} too"))
    };
    format!(
        "Some(Prebuilt {{ bootstrap: include_bytes!({bootstrap:?}), compiler: {:?}, command: {:?} }})",
        said("DARKROOM_PREBUILT_COMPILER"),
        said("DARKROOM_PREBUILT_COMMAND"),
    )
}

/// Returns the commit that is checked out, with `-modified` if the runner's sources differ from it;
/// `None` without a repository.
fn commit() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .ok()?;
    // A source archive inside of somebody else's repository has no commit of its own.
    let top = git(&root, &["rev-parse", "--show-toplevel"])?;
    if Path::new(&top).canonicalize().ok()? != root {
        return None;
    }
    // What git changes with a commit or a checkout; in a worktree it lies elsewhere.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&root, &["rev-parse", "--git-path", name])?;
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    let commit = git(&root, &["rev-parse", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let modified = if git(&root, &status)?.is_empty() {
        ""
    } else {
        "-modified"
    };
    Some(format!("{commit}{modified}"))
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
