//! Implementations of AWS that share no code with this project: started on loopback, looked into,
//! ended.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value as Json;

use crate::processes::{self, Process};
use crate::venv::python_with;

const REQUIREMENTS: &str = include_str!("../../peers/requirements.txt");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has Lambda's control plane and runs no code: its answer to every invocation is one sentence.
    Moto,
    /// Runs Python code in processes of its own.
    Ministack,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moto => "moto",
            Self::Ministack => "ministack",
        })
    }
}

/// One account of a peer, empty at first. Its processes are gone when this is dropped.
pub struct Endpoint {
    process: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Endpoint {
    pub fn start(kind: Kind) -> Self {
        Self::with(kind, &[])
    }

    /// The same with settings (`NAME=VALUE`) of the peer.
    pub fn with(kind: Kind, settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let said = std::fs::File::create(folder.path().join("said")).unwrap();
        let mut command = Command::new(python());
        command
            .arg("-B")
            .arg(script("serve.py"))
            .arg(kind.to_string())
            .args(settings)
            .current_dir(folder.path());
        command
            .env_clear()
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path());
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        let why = std::fs::read_to_string(folder.path().join("said")).unwrap();
        assert!(
            url.starts_with("http://127.0.0.1:"),
            "{kind} did not start: {url}\n{why}"
        );
        Self {
            process,
            url: url.trim().to_owned(),
            _folder: folder,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn account(&self) -> Account {
        Account::of(&self.url)
    }

    pub fn processes(&self) -> BTreeSet<Process> {
        processes::descendants(self.process.id())
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // The script ends the peer, and itself, when its input ends.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// An account as boto3 sees it.
pub struct Account {
    url: String,
}

impl Account {
    pub fn of(url: &str) -> Self {
        Self {
            url: url.to_owned(),
        }
    }

    /// Returns every resource with its tags and settings, by kind and name.
    pub fn listed(&self) -> Json {
        self.ask("list")
    }

    /// Puts things of other people there, which look like Darkroom's; returns them.
    pub fn plant(&self) -> Json {
        self.ask("plant")
    }

    /// Returns every resource as text, with what the functions' logs hold.
    pub fn everything(&self) -> String {
        self.ask("logs").to_string()
    }

    fn ask(&self, what: &str) -> Json {
        asked(
            Command::new(python())
                .arg("-B")
                .arg(script("account.py"))
                .args([&self.url, what]),
        )
    }
}

/// Returns what the requests in a recorder's folder are by the SDK's service models.
pub fn by_the_models(recorded: &Path, policies: &[&Path]) -> Json {
    asked(
        Command::new(python())
            .arg("-B")
            .arg(script("models.py"))
            .arg(recorded)
            .args(policies),
    )
}

fn asked(command: &mut Command) -> Json {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

fn python() -> PathBuf {
    python_with("peers", REQUIREMENTS)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name)
}

/// Returns `kind/name` of everything that an account holds, sorted.
pub fn names(listed: &Json) -> BTreeSet<String> {
    let kinds = listed.as_object().unwrap().iter();
    kinds
        .flat_map(|(kind, found)| {
            found
                .as_object()
                .unwrap()
                .keys()
                .map(move |name| format!("{kind}/{name}"))
        })
        .collect()
}
