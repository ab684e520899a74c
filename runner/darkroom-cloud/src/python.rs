//! Finds Python interpreters by running them, and provisions what AWS keeps in `/var/runtime` for Python functions.
//!
//! In: a version such as `3.13`, or a runtime name such as `python3.13` and a cache folder. Out: an [`Interpreter`]
//! that answered, or a [`PythonRuntime`] whose folder holds awslambdaric and boto3. A file called `python3.13` proves
//! nothing (it may be a shim without an interpreter behind it), so only what a candidate says of itself counts.
//! Knows nothing of functions, layers or sandboxes. Blocking: call it from `spawn_blocking`.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Pinned contents of the runtime folder; every package with the hashes of its wheels.
pub const REQUIREMENTS: &str = include_str!("../runtime/python-requirements.txt");

/// Python minor versions of Lambda runtimes that [`REQUIREMENTS`] has wheels for.
pub const RUNTIMES: &[&str] = &["python3.13", "python3.14"];

/// How long a candidate may take to say its version. A cold interpreter on a busy laptop takes well under a second.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an installation may take; pip gives up on a dead connection much earlier by itself.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(15);

/// What a candidate prints of itself, one fact a line. `_base_executable` is the interpreter behind a virtual environment.
const PROBE: &str = "import os, sys, sysconfig
print(*sys.version_info[:3])
print(sys.implementation.name)
print(1 if sysconfig.get_config_var('Py_GIL_DISABLED') else 0)
print(os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable))
print(os.path.realpath(sys.base_prefix))";

/// A Python interpreter that ran and said what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The real executable: shims, links and virtual environments resolved.
    pub path: PathBuf,
    pub version: (u8, u8, u8),
    /// Where its standard library lives (`sys.base_prefix`).
    pub prefix: PathBuf,
}

/// An interpreter and the folder that plays AWS's `/var/runtime` for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonRuntime {
    pub interpreter: Interpreter,
    /// Holds `awslambdaric`, `boto3` and what they import. Never written again.
    pub runtime_dir: PathBuf,
}

/// One place that was tried and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub path: PathBuf,
    /// The interpreter, or why there is none, in a few words.
    pub outcome: Result<Interpreter, String>,
}

/// No candidate was a working interpreter of the wanted version.
#[derive(Clone, Debug, thiserror::Error)]
pub struct PythonNotFound {
    /// For example `3.13`.
    pub wanted: String,
    pub tried: Vec<Tried>,
}

impl fmt::Display for PythonNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = &self.wanted;
        write!(f, "no working Python {wanted} found; tried:")?;
        for tried in &self.tried {
            let why = match &tried.outcome {
                Err(why) => why.clone(),
                Ok(found) => {
                    let (major, minor, patch) = found.version;
                    format!("is Python {major}.{minor}.{patch}")
                }
            };
            write!(f, "\n  {}: {why}", tried.path.display())?;
        }
        if self.tried.is_empty() {
            write!(f, "\n  nothing: PATH and the usual folders hold no file called python{wanted}, python3 or python")?;
        }
        write!(
            f,
            "\n  install it, for example: `uv python install {wanted}`, `pyenv install {wanted}`, `brew install python@{wanted}`, \
             or your distribution's python{wanted} package"
        )
    }
}

/// The runtime folder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("runtime `{name}` can't be provided here; known Python runtimes: {}", RUNTIMES.join(", "))]
    Unknown { name: String },
    #[error(transparent)]
    NotFound(#[from] PythonNotFound),
    #[error(
        "{} has no pip to install the Lambda runtime client with, and can't make a virtual environment that has one ({reason})\n  \
         give it pip: `{} -m ensurepip --upgrade`, or install your distribution's python3-pip and python3-venv packages",
        interpreter.display(), interpreter.display()
    )]
    NoPip { interpreter: PathBuf, reason: String },
    #[error(
        "pip could not install the Lambda runtime client into {}: {reason}\n  \
         needed once, then kept there: a package index that pip reaches, and wheels for this platform",
        folder.display()
    )]
    Install { folder: PathBuf, reason: String },
    #[error("pip {reason}")]
    Pip { reason: String },
    #[error("can't {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// Returns the first working interpreter of `version` (`3.13`), or everything that was tried and why it did not fit.
pub fn find(version: &str) -> Result<Interpreter, PythonNotFound> {
    find_among(version, candidates(version, &Places::of_this_process()), PROBE_TIMEOUT)
}

/// Tries every candidate for `version` and returns what each said; for `darkroom doctor`.
pub fn survey(version: &str) -> Vec<Tried> {
    candidates(version, &Places::of_this_process()).map(|path| attempt(path, PROBE_TIMEOUT)).collect()
}

/// Returns the runtime folder of `name` (`python3.13`), installing it into `cache_dir` if it is not there yet.
///
/// Needs the network the first time only. Safe to call from several processes at once: one installs, the others wait.
pub fn runtime(cache_dir: &Path, name: &str) -> Result<PythonRuntime, RuntimeError> {
    if !RUNTIMES.contains(&name) {
        return Err(RuntimeError::Unknown { name: name.to_owned() });
    }
    let interpreter = find(name.trim_start_matches("python"))?;
    let runtime_dir = provision(cache_dir, name, &interpreter)?;
    Ok(PythonRuntime { interpreter, runtime_dir })
}

/// Runs pip of this interpreter with `arguments`, or of a throw-away virtual environment under `scratch` if it has none.
///
/// The user's index settings hold.
pub fn run_pip(interpreter: &Interpreter, scratch: &Path, arguments: &[String]) -> Result<(), RuntimeError> {
    let mut pip = pip(&python_with_pip(scratch, interpreter)?);
    match run(pip.args(arguments), INSTALL_TIMEOUT) {
        Ok(_) => Ok(()),
        Err(reason) => Err(RuntimeError::Pip { reason }),
    }
}

/// Returns the folder of an already installed runtime, without installing anything.
pub fn cached(cache_dir: &Path, name: &str, interpreter: &Interpreter) -> Option<PathBuf> {
    Some(runtime_path(cache_dir, name, interpreter)).filter(|folder| folder.is_dir())
}

/// The parts of the environment that say where interpreters may be.
struct Places {
    path: OsString,
    home: Option<PathBuf>,
    /// Folders whose children are one installation each: pyenv's, uv's, asdf's.
    managers: Vec<PathBuf>,
    fixed: Vec<PathBuf>,
}

impl Places {
    fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME");
        let under_home = |name: &str, default: &str| variable(name).or_else(|| Some(home.as_ref()?.join(default)));
        let data = under_home("XDG_DATA_HOME", ".local/share");
        let managers = [
            under_home("PYENV_ROOT", ".pyenv").map(|root| root.join("versions")),
            variable("UV_PYTHON_INSTALL_DIR").or_else(|| Some(data?.join("uv/python"))),
            under_home("ASDF_DATA_DIR", ".asdf").map(|root| root.join("installs/python")),
        ];
        Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            managers: managers.into_iter().flatten().collect(),
            fixed: ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"].map(PathBuf::from).into(),
            home,
        }
    }
}

/// Returns existing files that may be Python `version`, best guess first, each once.
fn candidates(version: &str, places: &Places) -> impl Iterator<Item = PathBuf> + use<> {
    let exact = format!("python{version}");
    let on_path: Vec<PathBuf> = std::env::split_paths(&places.path).collect();
    let frameworks = PathBuf::from("Library/Frameworks/Python.framework/Versions").join(version).join("bin");
    let frameworks =
        [Some(PathBuf::from("/").join(&frameworks)), places.home.as_ref().map(|home| home.join(&frameworks))];
    let managed = places.managers.iter().flat_map(|manager| installations(manager, version));
    let folders: Vec<PathBuf> =
        managed.map(|it| it.join("bin")).chain(places.fixed.clone()).chain(frameworks.into_iter().flatten()).collect();

    // Files that carry the version in their name first: they are likelier right, and shims are slow to ask.
    let in_each = |folders: &[PathBuf], name: &str| folders.iter().map(|f| f.join(name)).collect::<Vec<_>>();
    let mut found = in_each(&on_path, &exact);
    found.extend(in_each(&folders, &exact));
    found.extend(in_each(&on_path, "python3"));
    found.extend(in_each(&on_path, "python"));
    found.extend(in_each(&folders, "python3"));

    let mut seen = HashSet::new();
    found.into_iter().filter(|path| path.is_file()).filter(move |path| {
        // Links to one interpreter are that interpreter; links to one version manager differ by the name they are run by.
        let real = fs::canonicalize(path).ok();
        let real =
            real.filter(|real| real.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python")));
        seen.insert(real.unwrap_or_else(|| path.clone()))
    })
}

/// Returns the folders under `manager` whose names contain `version` (`3.13.0`, `cpython-3.13.2-linux-…`), newest name first.
fn installations(manager: &Path, version: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(manager) else { return Vec::new() };
    let fits = |name: &OsStr| {
        let name = name.to_string_lossy();
        let version_part = name.strip_prefix("cpython-").unwrap_or(&name);
        version_part.strip_prefix(version).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut folders: Vec<PathBuf> =
        entries.flatten().filter(|entry| fits(&entry.file_name())).map(|entry| entry.path()).collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders
}

fn find_among(
    version: &str,
    candidates: impl Iterator<Item = PathBuf>,
    timeout: Duration,
) -> Result<Interpreter, PythonNotFound> {
    let mut tried = Vec::new();
    for path in candidates {
        let attempt = attempt(path, timeout);
        if let Ok(interpreter) = &attempt.outcome
            && format!("{}.{}", interpreter.version.0, interpreter.version.1) == version
        {
            return Ok(interpreter.clone());
        }
        tried.push(attempt);
    }
    Err(PythonNotFound { wanted: version.to_owned(), tried })
}

/// Runs one candidate and reads what it says of itself.
fn attempt(path: PathBuf, timeout: Duration) -> Tried {
    let mut command = Command::new(&path);
    // `-I`: neither PYTHON* variables nor the working directory may change the answer.
    command.args(["-I", "-c", PROBE]);
    let outcome = run(&mut command, timeout).and_then(|output| interpreter_from(&output));
    Tried { path, outcome }
}

fn interpreter_from(printed: &str) -> Result<Interpreter, String> {
    let lines: Vec<&str> = printed.lines().collect();
    let [version, implementation, free_threaded, executable, prefix] = lines[..] else {
        return Err("ran, but did not answer as Python does".into());
    };
    let numbers: Vec<u8> = version.split(' ').filter_map(|part| part.parse().ok()).collect();
    let [major, minor, patch] = numbers[..] else {
        return Err(format!("ran, but gave `{version}` as its version"));
    };
    if implementation != "cpython" {
        return Err(format!("is {implementation} {major}.{minor}; Lambda runs CPython"));
    }
    if free_threaded == "1" {
        return Err(format!("is a free-threaded build of Python {major}.{minor}; Lambda's has the GIL"));
    }
    Ok(Interpreter { path: executable.into(), version: (major, minor, patch), prefix: prefix.into() })
}

/// Runs `command` to its end and returns what it printed, or in a few words why not.
///
/// Output goes to files, so that neither a full pipe nor a left-over child can block; at the timeout the whole process group is killed.
fn run(command: &mut Command, timeout: Duration) -> Result<String, String> {
    let text = |error: io::Error| error.to_string();
    let mut stdout = tempfile::tempfile().map_err(text)?;
    let mut stderr = tempfile::tempfile().map_err(text)?;
    command.stdin(Stdio::null()).process_group(0);
    command.stdout(stdout.try_clone().map_err(text)?).stderr(stderr.try_clone().map_err(text)?);
    let mut child = command.spawn().map_err(|error| format!("does not start: {error}"))?;

    let deadline = Instant::now() + timeout;
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().map_err(text)? {
            break status;
        }
        if Instant::now() >= deadline {
            if let Ok(id) = i32::try_from(child.id()) {
                // The group may be gone already; `kill` below settles the child itself.
                let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
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
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() { String::new() } else { format!(": {}", last.join(" / ")) }
}

/// Returns where the runtime of this interpreter is or will be: named by what it is made of.
fn runtime_path(cache_dir: &Path, name: &str, interpreter: &Interpreter) -> PathBuf {
    let (major, minor, patch) = interpreter.version;
    let mut hash = Sha256::new();
    hash.update(REQUIREMENTS);
    hash.update(format!("{major}.{minor}.{patch} {} {}", std::env::consts::OS, std::env::consts::ARCH));
    let mut key = String::new();
    for byte in &hash.finalize()[..8] {
        let _ = write!(key, "{byte:02x}");
    }
    cache_dir.join(format!("{name}-{key}"))
}

/// Makes sure the runtime folder exists and returns it.
///
/// The folder appears by one rename, so if it is there it is whole. A lock file keeps a second process waiting.
fn provision(cache_dir: &Path, name: &str, interpreter: &Interpreter) -> Result<PathBuf, RuntimeError> {
    let target = runtime_path(cache_dir, name, interpreter);
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(cache_dir).map_err(failed("create", cache_dir))?;
    let lock_path = target.with_added_extension("lock");
    let lock = File::create(&lock_path).map_err(failed("create", &lock_path))?;
    lock.lock().map_err(failed("lock", &lock_path))?;
    if target.is_dir() {
        return Ok(target);
    }

    // Whoever left a partial folder behind is dead: this process holds the lock.
    let partial = target.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(failed("remove", &partial))?;
    }
    fs::create_dir(&partial).map_err(failed("create", &partial))?;
    let installed = install(&partial, &target, interpreter);
    if installed.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    installed?;
    Ok(target)
}

/// Installs the requirements into `partial/runtime` and moves that folder to `target`.
fn install(partial: &Path, target: &Path, interpreter: &Interpreter) -> Result<(), RuntimeError> {
    let requirements = partial.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(failed("write", &requirements))?;
    let python = python_with_pip(partial, interpreter)?;
    let folder = partial.join("runtime");
    let mut pip = pip(&python);
    pip.args(["install", "--no-user", "--require-hashes", "--only-binary", ":all:", "--no-deps"]);
    pip.arg("--target").arg(&folder).arg("--requirement").arg(&requirements);
    run(&mut pip, INSTALL_TIMEOUT).map_err(|reason| RuntimeError::Install { folder: target.to_owned(), reason })?;

    // Functions run as another user, who must be able to read it whatever this user's umask is.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).map_err(failed("open up", &folder))?;
    fs::rename(&folder, target).map_err(failed("create", target))?;
    fs::remove_dir_all(partial).map_err(failed("remove", partial))
}

/// Returns an interpreter of the same installation that has pip: the given one, or a throw-away virtual environment of it.
fn python_with_pip(scratch: &Path, interpreter: &Interpreter) -> Result<PathBuf, RuntimeError> {
    if run(pip(&interpreter.path).arg("--version"), PROBE_TIMEOUT * 3).is_ok() {
        return Ok(interpreter.path.clone());
    }
    let folder = scratch.join("venv");
    let mut venv = Command::new(&interpreter.path);
    venv.args(["-I", "-m", "venv"]).arg(&folder);
    let python = folder.join("bin/python");
    match run(&mut venv, PROBE_TIMEOUT * 12).and_then(|_| run(pip(&python).arg("--version"), PROBE_TIMEOUT * 3)) {
        Ok(_) => Ok(python),
        Err(reason) => Err(RuntimeError::NoPip { interpreter: interpreter.path.clone(), reason }),
    }
}

/// Returns `python -m pip`, set so that the user's index settings hold but nothing of theirs redirects an installation.
fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-I", "-m", "pip", "--no-input", "--disable-pip-version-check"]);
    command.env("PIP_REQUIRE_VIRTUALENV", "0").env_remove("PIP_TARGET").env_remove("PIP_PREFIX");
    command
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let path = path.to_owned();
    move |source| RuntimeError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes an executable shell script and returns its path.
    fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        let text = folder.join(format!("{name}.text"));
        fs::write(&text, format!("#!/bin/sh\n{body}\n")).unwrap();
        // Another process writes the executable: were it open for writing here, a fork of another test's thread could
        // hold it open and running it would fail as "text file busy".
        assert!(Command::new("install").args(["-m", "755"]).args([&text, &path]).status().unwrap().success());
        path
    }

    fn says(version: &str, implementation: &str, free_threaded: u8) -> String {
        format!("printf '%s\\n' '{version}' {implementation} {free_threaded} /real/python /real")
    }

    #[test]
    fn a_candidate_counts_by_what_it_says_not_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let broken = script(folder.path(), "python3.13", "echo 'shim: command not found' >&2; exit 127");
        let older = script(folder.path(), "python3", &says("3 12 1", "cpython", 0));
        let right = script(folder.path(), "python", &says("3 13 4", "cpython", 0));
        let found = find_among("3.13", [broken, older, right].into_iter(), PROBE_TIMEOUT).unwrap();
        assert_eq!(found, Interpreter { path: "/real/python".into(), version: (3, 13, 4), prefix: "/real".into() });
    }

    #[test]
    fn the_error_names_every_candidate_why_it_did_not_fit_and_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            script(folder.path(), "shim", "echo 'command not found' >&2; exit 127"),
            script(folder.path(), "older", &says("3 12 1", "cpython", 0)),
            script(folder.path(), "pypy", &says("3 13 0", "pypy", 0)),
            script(folder.path(), "free", &says("3 13 0", "cpython", 1)),
            script(folder.path(), "liar", "echo hello"),
            folder.path().join("absent"),
        ];
        let text = find_among("3.13", all.into_iter(), PROBE_TIMEOUT).unwrap_err().to_string();
        for expected in [
            "no working Python 3.13 found",
            "shim: fails with exit status: 127: command not found",
            "older: is Python 3.12.1",
            "pypy: is pypy 3.13",
            "free: is a free-threaded build",
            "liar: ran, but did not answer as Python does",
            "absent: does not start",
            "uv python install 3.13",
        ] {
            assert!(text.contains(expected), "`{expected}` is not in:\n{text}");
        }
    }

    #[test]
    fn a_candidate_that_hangs_is_given_up_and_leaves_no_process() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        // The grandchild would outlive its parent if only the parent were killed.
        let hangs = script(folder.path(), "python3", &format!("sleep 600 & echo $! > {}; wait", pid_file.display()));
        // Long enough that the script has written its child's id even on a loaded machine, or the test repeats.
        let mut timeout = Duration::from_millis(200);
        let grandchild: i32 = loop {
            let tried = attempt(hangs.clone(), timeout);
            assert!(tried.outcome.unwrap_err().contains("gave no answer"));
            if let Ok(id) = fs::read_to_string(&pid_file).unwrap_or_default().trim().parse() {
                break id;
            }
            timeout *= 2;
        };
        let state = || fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
        let dead = |stat: &str| stat.is_empty() || stat.contains(") Z ");
        // The signal is sent; the kernel may take a moment to deliver it.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !dead(&state()) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert!(dead(&state()), "the grandchild still runs");
    }

    #[test]
    fn managers_folders_are_searched_for_the_wanted_version_only() {
        let folder = tempfile::tempdir().unwrap();
        let versions = folder.path().join("versions");
        for (installation, name) in
            [("3.1.5", "python3.1"), ("3.13.0", "python3.13"), ("cpython-3.13.9-linux-x86_64-gnu", "python3.13")]
        {
            script(&versions.join(installation).join("bin"), name, "exit 0");
        }
        let places = |path: OsString| Places { path, home: None, managers: vec![versions.clone()], fixed: Vec::new() };
        let found: Vec<PathBuf> =
            candidates("3.13", &places(OsString::new())).filter(|path| path.starts_with(&versions)).collect();
        assert_eq!(
            found,
            ["cpython-3.13.9-linux-x86_64-gnu/bin/python3.13", "3.13.0/bin/python3.13"].map(|tail| versions.join(tail))
        );
        let found: Vec<PathBuf> =
            candidates("3.1", &places(OsString::new())).filter(|path| path.starts_with(&versions)).collect();
        assert_eq!(found, [versions.join("3.1.5/bin/python3.1")]);
    }

    /// An interpreter whose pip "installs" one file and notes each time it does.
    fn fake_interpreter(folder: &Path, has_pip: bool) -> Interpreter {
        let log = folder.join("installs");
        let pip = if has_pip {
            format!(
                "case \"$*\" in *--version*) exit 0;; esac; echo once >> {}; while [ \"$1\" != --target ]; do shift; done; mkdir \"$2\"; echo x > \"$2/awslambdaric.py\"",
                log.display()
            )
        } else {
            "echo 'No module named pip' >&2; exit 1".to_owned()
        };
        Interpreter { path: script(folder, "python", &pip), version: (3, 13, 0), prefix: folder.to_owned() }
    }

    #[test]
    fn a_runtime_is_installed_once_however_many_ask_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let interpreter = fake_interpreter(folder.path(), true);
        let cache = folder.path().join("cache");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| provision(&cache, "python3.13", &interpreter).unwrap());
            }
        });
        let runtime = cached(&cache, "python3.13", &interpreter).expect("installed");
        assert!(runtime.join("awslambdaric.py").is_file());
        assert_eq!(fs::metadata(&runtime).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(fs::read_to_string(folder.path().join("installs")).unwrap(), "once\n");
        // Once cached, pip is not needed any more: an interpreter that can do nothing still has its runtime.
        script(folder.path(), "python", "exit 1");
        assert_eq!(provision(&cache, "python3.13", &interpreter).unwrap(), runtime);
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_says_what_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let interpreter = fake_interpreter(folder.path(), false);
        let text = provision(&cache, "python3.13", &interpreter).unwrap_err().to_string();
        assert!(text.contains("has no pip") && text.contains("-m ensurepip --upgrade"), "{text}");
        let names: Vec<OsString> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".lock")), "{names:?}");
    }

    #[test]
    fn every_requirement_is_pinned_with_hashes() {
        let logical = REQUIREMENTS.replace("\\\n", "");
        let lines: Vec<&str> = logical.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        for line in &lines {
            assert!(line.contains("==") && line.contains("--hash=sha256:"), "not pinned: {line}");
        }
        for package in ["awslambdaric==", "boto3==", "botocore=="] {
            assert!(lines.iter().any(|line| line.starts_with(package)), "{package} is missing");
        }
    }

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        let text = runtime(Path::new("/nonexistent"), "python2.7").unwrap_err().to_string();
        assert!(text.contains("`python2.7`") && text.contains("python3.13"), "{text}");
    }
}
