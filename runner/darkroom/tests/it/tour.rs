//! The tour of the local cloud: `darkroom serve`, asked by boto3 and by the AWS CLI what AWS was
//! asked.
//!
//! The questions are in `runner/darkroom-cloud/tests/tour`; this room brings the clients, starts
//! the server, and looks for what it leaves behind. Needs Python 3.13 and, the first time, a
//! package index that pip reaches.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::processes::{descendants, is_alive};
use crate::venv::python_with;

const REQUIREMENTS: &str = include_str!("../../../darkroom-cloud/tests/tour/requirements.txt");

#[test]
fn boto3_and_the_aws_cli_take_the_tour() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = python_with("tour", REQUIREMENTS);
    let home = tempfile::tempdir().unwrap();
    let runtimes = cache.join("stories/runtimes");
    fs::create_dir_all(&runtimes).unwrap();
    fs::create_dir(home.path().join(".darkroom")).unwrap();
    std::os::unix::fs::symlink(&runtimes, home.path().join(".darkroom/runtimes")).unwrap();

    let mut server = Server::start(home.path(), &["--open", "--retry-delays", "0.1,0.2"]);
    let pasted = home.path().join("pasted.sh");
    fs::write(&pasted, &server.said).unwrap();
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("../darkroom-cloud/tests/tour");
    let mut command = Command::new(&python);
    command
        .arg("-B")
        .arg(tour)
        .arg(server.endpoint())
        .arg("--pasted")
        .arg(&pasted)
        .current_dir(home.path());
    let taken = command.output().unwrap();
    let said = String::from_utf8_lossy(&taken.stdout);
    assert!(
        taken.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&taken.stderr)
    );
    assert!(
        said.contains("cli.quick_start: 3 checks"),
        "the quick start was not pasted: {said}"
    );

    // Idle environments of the tour are still there; so that they are seen to go, they must first
    // be seen.
    let descendants = descendants(server.process.id());
    assert!(
        !descendants.is_empty(),
        "the tour left no idle environment, so nothing proves that they are ended"
    );
    server.stop();
    let alive: Vec<_> = descendants
        .into_iter()
        .filter(|one| is_alive(*one))
        .collect();
    assert!(alive.is_empty(), "still running after the stop: {alive:?}");
    assert_eq!(
        groups_of(server.process.id()),
        Vec::<PathBuf>::new(),
        "control groups left behind"
    );
}

/// `darkroom serve`, and what it printed for people to paste.
pub struct Server {
    process: Child,
    pub said: String,
}

impl Server {
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command.arg("serve").args(arguments).current_dir(folder);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        // The last line of the quick start.
        while !said.contains("Ctrl-C") {
            if lines.read_line(&mut said).unwrap() == 0 {
                let mut why = String::new();
                process
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut why)
                    .unwrap();
                panic!("the server ended: {said}{why}");
            }
        }
        Self { process, said }
    }

    pub fn endpoint(&self) -> &str {
        self.said
            .lines()
            .find_map(|line| line.strip_prefix("export AWS_ENDPOINT_URL="))
            .unwrap()
    }

    /// The access key and the secret that it printed.
    pub fn key(&self) -> (&str, &str) {
        let line = self
            .said
            .lines()
            .find_map(|line| line.strip_prefix("export AWS_ACCESS_KEY_ID="))
            .unwrap();
        line.split_once(" AWS_SECRET_ACCESS_KEY=").unwrap()
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    pub fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns the control groups that are named after the server `pid`.
fn groups_of(pid: u32) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(&format!("darkroom-{pid}-"))
            {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}
