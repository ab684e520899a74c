//! The tour of the local cloud: `darkroom serve`, asked by boto3 and by the AWS CLI what AWS was asked.
//!
//! The questions are in `runner/darkroom-cloud/tests/tour`; this room brings the clients, starts the server, and looks
//! for what it leaves behind. Needs Python 3.13 and, the first time, a package index that pip reaches.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sha2::{Digest as _, Sha256};

const REQUIREMENTS: &str = include_str!("../../../darkroom-cloud/tests/tour/requirements.txt");

#[test]
fn boto3_and_the_aws_cli_take_the_tour() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let python = clients(cache);
    let home = tempfile::tempdir().unwrap();
    let runtimes = cache.join("stories/runtimes");
    fs::create_dir_all(&runtimes).unwrap();
    fs::create_dir(home.path().join(".darkroom")).unwrap();
    std::os::unix::fs::symlink(&runtimes, home.path().join(".darkroom/runtimes")).unwrap();

    let mut server = Server::start(home.path());
    let pasted = home.path().join("pasted.sh");
    fs::write(&pasted, &server.said).unwrap();
    let tour = Path::new(env!("CARGO_MANIFEST_DIR")).join("../darkroom-cloud/tests/tour");
    let mut command = Command::new(&python);
    command.arg("-B").arg(tour).arg(server.endpoint()).arg("--pasted").arg(&pasted).current_dir(home.path());
    let taken = command.output().unwrap();
    let said = String::from_utf8_lossy(&taken.stdout);
    assert!(taken.status.success(), "{said}\n{}", String::from_utf8_lossy(&taken.stderr));
    assert!(said.contains("cli.quick_start: 3 checks"), "the quick start was not pasted: {said}");

    // Idle environments of the tour are still there; so that they are seen to go, they must first be seen.
    let descendants = descendants(server.process.id());
    assert!(!descendants.is_empty(), "the tour left no idle environment, so nothing proves that they are ended");
    server.stop();
    let alive: Vec<_> = descendants.into_iter().filter(|(pid, start)| started(*pid) == Some(*start)).collect();
    assert!(alive.is_empty(), "still running after the stop: {alive:?}");
    assert_eq!(groups_of(server.process.id()), Vec::<PathBuf>::new(), "control groups left behind");
}

/// Returns an interpreter that has boto3 and the AWS CLI, in a virtual environment made once for these requirements.
fn clients(cache: &Path) -> PathBuf {
    let found = darkroom_cloud::python::find("3.13").expect("the tour needs Python 3.13");
    let key = hex::encode(Sha256::digest(format!("{REQUIREMENTS}{}", found.path.display())));
    let folder = cache.join(format!("tour-{}", &key[..16]));
    let (python, whole) = (folder.join("bin/python"), folder.join("whole"));
    fs::create_dir_all(cache).unwrap();
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if whole.is_file() {
        return python;
    }
    let requirements = folder.join("requirements.txt");
    succeed(Command::new(&found.path).args(["-I", "-m", "venv", "--clear"]).arg(&folder), "make a virtual environment");
    fs::write(&requirements, REQUIREMENTS).unwrap();
    let mut pip = Command::new(&python);
    pip.args(["-I", "-m", "pip", "--no-input", "--disable-pip-version-check", "install", "--no-deps", "--only-binary"]);
    pip.args([":all:", "--requirement"]).arg(&requirements);
    succeed(&mut pip, "install boto3 and the AWS CLI; needed once: a package index that pip reaches");
    fs::write(&whole, "").unwrap();
    python
}

fn succeed(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("can't {what}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "can't {what}:\n{}", String::from_utf8_lossy(&said));
}

/// `darkroom serve`, and what it printed for people to paste.
struct Server {
    process: Child,
    said: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command.args(["serve", "--retry-delays", "0.1,0.2"]).current_dir(folder);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut said = String::new();
        // The last line of the quick start.
        while !said.contains("Ctrl-C") {
            if lines.read_line(&mut said).unwrap() == 0 {
                let mut why = String::new();
                process.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("the server ended: {said}{why}");
            }
        }
        Self { process, said }
    }

    fn endpoint(&self) -> &str {
        self.said.lines().find_map(|line| line.strip_prefix("export AWS_ENDPOINT_URL=")).unwrap()
    }

    /// Asks it to stop, as a service manager does, and waits until it has.
    fn stop(&mut self) {
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

/// Returns a process's parent and its start time, which no later process with the same id shares.
fn parent_and_start(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.nth(1)?.parse().ok()?, fields.nth(17)?.parse().ok()?))
}

fn started(pid: u32) -> Option<u64> {
    parent_and_start(pid).map(|(_, start)| start)
}

fn descendants(root: u32) -> BTreeSet<(u32, u64)> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let all: Vec<(u32, u32, u64)> =
        pids.filter_map(|pid| parent_and_start(pid).map(|(parent, start)| (pid, parent, start))).collect();
    let (mut found, mut parents) = (BTreeSet::new(), vec![root]);
    while let Some(parent) = parents.pop() {
        for (pid, _, start) in all.iter().filter(|one| one.1 == parent) {
            if found.insert((*pid, *start)) {
                parents.push(*pid);
            }
        }
    }
    found
}

/// Returns the control groups that are named after the server `pid`.
fn groups_of(pid: u32) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from("/sys/fs/cgroup")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&format!("darkroom-{pid}-")) {
                found.push(entry.path());
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    found
}
