//! Installs the content of AWS's `/var/runtime` for Python functions, once, and finds it again.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::find::{Interpreter, PythonNotFound, find, find_emulated};
use super::process::run;
use crate::emulator::Emulator;

/// Pinned contents of the runtime folder; every package with the hashes of its wheels.
pub const REQUIREMENTS: &str = include_str!("../../runtime/python-requirements.txt");

/// Python minor versions of Lambda runtimes that [`REQUIREMENTS`] has wheels for.
pub const RUNTIMES: &[&str] = &["python3.13", "python3.14"];

/// How long pip may take to say its version, and a virtual environment to be made.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// How long an installation may take; pip gives up on a dead connection much earlier by itself.
const INSTALL_TIMEOUT: Duration = Duration::from_mins(15);

/// An interpreter and the folder that plays AWS's `/var/runtime` for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonRuntime {
    pub interpreter: Interpreter,
    /// Holds `awslambdaric`, `boto3` and what they import. Never written again.
    pub runtime_dir: PathBuf,
}

/// The runtime folder could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("runtime `{name}` is not available here; known Python runtimes: {}", RUNTIMES.join(", "))]
    Unknown { name: String },
    #[error(transparent)]
    NotFound(#[from] PythonNotFound),
    #[error(
        "{} has no pip, and cannot make a virtual environment that has one ({reason})\n  give it \
         pip: `{} -m ensurepip --upgrade`, or install your distribution's python3-pip and \
         python3-venv packages",
        interpreter.display(), interpreter.display()
    )]
    NoPip {
        interpreter: PathBuf,
        reason: String,
    },
    #[error(
        "pip could not install {name} into {}: {reason}\n  connect to a package index that has \
         wheels for this platform; this is needed once",
        folder.display()
    )]
    Install {
        name: String,
        folder: PathBuf,
        reason: String,
    },
    #[error("pip {reason}")]
    Pip { reason: String },
    #[error("can't {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

/// Returns the runtime folder of `name` (`python3.13`), installing it into `cache_dir` if it is not
/// there yet.
///
/// Needs the network the first time only. Safe to call from several processes at once: one
/// installs, the others wait.
pub fn runtime(cache_dir: &Path, name: &str) -> Result<PythonRuntime, RuntimeError> {
    if !RUNTIMES.contains(&name) {
        return Err(RuntimeError::Unknown {
            name: name.to_owned(),
        });
    }
    let interpreter = find(name.trim_start_matches("python"))?;
    let runtime_dir = provision(cache_dir, name, REQUIREMENTS, &interpreter)?;
    Ok(PythonRuntime {
        interpreter,
        runtime_dir,
    })
}

/// As [`runtime`], for the emulator's processor. This machine's own interpreter of the version
/// installs the packages: their wheels need not run for that.
pub fn emulated_runtime(
    cache_dir: &Path,
    name: &str,
    emulator: &Emulator,
) -> Result<PythonRuntime, RuntimeError> {
    if !RUNTIMES.contains(&name) {
        return Err(RuntimeError::Unknown {
            name: name.to_owned(),
        });
    }
    let version = name.trim_start_matches("python");
    let interpreter = find_emulated(version, emulator)?;
    let host = find(version)?;
    let by = Installer {
        python: &host,
        wheels: wheels_of(version, emulator.machine),
    };
    let runtime_dir = provision_by(cache_dir, name, REQUIREMENTS, &interpreter, &by)?;
    Ok(PythonRuntime {
        interpreter,
        runtime_dir,
    })
}

/// Tells pip which wheels to take for another machine's Python.
fn wheels_of(version: &str, machine: &str) -> Vec<String> {
    /// glibc 2.17 to that of Lambda's Amazon Linux 2023.
    const GLIBC: std::ops::RangeInclusive<u32> = 17..=34;
    let abi = format!("cp{}", version.replace('.', ""));
    let fixed = ["--implementation", "cp", "--python-version", version];
    let abis = ["--abi", &abi, "--abi", "abi3", "--abi", "none"];
    let platforms = GLIBC
        .rev()
        .map(|minor| format!("manylinux_2_{minor}_{machine}"))
        .chain([format!("manylinux2014_{machine}")]);
    let fixed = fixed.into_iter().chain(abis).map(str::to_owned);
    fixed
        .chain(platforms.flat_map(|tag| ["--platform".to_owned(), tag]))
        .collect()
}

/// Returns the folder with the packages of `requirements` (pinned with hashes), installing it into
/// `cache_dir` if it is not there yet: programs are in its `bin`. As [`runtime`] otherwise.
pub fn tool(
    cache_dir: &Path,
    name: &str,
    requirements: &str,
    interpreter: &Interpreter,
) -> Result<PathBuf, RuntimeError> {
    provision(cache_dir, name, requirements, interpreter)
}

/// Runs pip of this interpreter with `arguments`, or of a throw-away virtual environment under
/// `scratch` if it has none.
///
/// The user's index settings hold.
pub fn run_pip(
    interpreter: &Interpreter,
    scratch: &Path,
    arguments: &[String],
) -> Result<(), RuntimeError> {
    let mut pip = pip(&python_with_pip(scratch, interpreter)?);
    match run(pip.args(arguments), INSTALL_TIMEOUT) {
        Ok(_) => Ok(()),
        Err(reason) => Err(RuntimeError::Pip { reason }),
    }
}

/// Returns the folder of an already installed runtime, without installing anything.
pub fn cached(cache_dir: &Path, name: &str, interpreter: &Interpreter) -> Option<PathBuf> {
    Some(runtime_path(cache_dir, name, REQUIREMENTS, interpreter)).filter(|folder| folder.is_dir())
}

/// Returns where the runtime of this interpreter is or will be: named by what it is made of.
fn runtime_path(
    cache_dir: &Path,
    name: &str,
    requirements: &str,
    interpreter: &Interpreter,
) -> PathBuf {
    let (major, minor, patch) = interpreter.version;
    let mut hash = Sha256::new();
    hash.update(requirements);
    hash.update(format!(
        "{major}.{minor}.{patch} {} {}",
        std::env::consts::OS,
        interpreter.machine
    ));
    let mut key = String::new();
    for byte in &hash.finalize()[..8] {
        let _ = write!(key, "{byte:02x}");
    }
    cache_dir.join(format!("{name}-{key}"))
}

/// What installs packages.
struct Installer<'a> {
    /// Whose pip does it; it runs on this machine.
    python: &'a Interpreter,
    /// Arguments that say for which Python; none for `python` itself.
    wheels: Vec<String>,
}

fn provision(
    cache_dir: &Path,
    name: &str,
    requirements: &str,
    interpreter: &Interpreter,
) -> Result<PathBuf, RuntimeError> {
    let by = Installer {
        python: interpreter,
        wheels: Vec::new(),
    };
    provision_by(cache_dir, name, requirements, interpreter, &by)
}

/// Makes sure the runtime folder exists and returns it.
///
/// The folder appears by one rename, so if it is there it is whole. A lock file keeps a second
/// process waiting.
fn provision_by(
    cache_dir: &Path,
    name: &str,
    requirements: &str,
    interpreter: &Interpreter,
    by: &Installer<'_>,
) -> Result<PathBuf, RuntimeError> {
    let target = runtime_path(cache_dir, name, requirements, interpreter);
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
    let installed = install(&partial, &target, name, requirements, by);
    if installed.is_err() {
        let _ = fs::remove_dir_all(&partial);
    }
    installed?;
    Ok(target)
}

/// Installs the requirements into `partial/runtime` and moves that folder to `target`.
fn install(
    partial: &Path,
    target: &Path,
    name: &str,
    pinned: &str,
    by: &Installer<'_>,
) -> Result<(), RuntimeError> {
    let requirements = partial.join("requirements.txt");
    fs::write(&requirements, pinned).map_err(failed("write", &requirements))?;
    let python = python_with_pip(partial, by.python)?;
    let folder = partial.join("runtime");
    let mut pip = pip(&python);
    pip.args([
        "install",
        "--no-user",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
    ]);
    pip.args(&by.wheels);
    pip.arg("--target")
        .arg(&folder)
        .arg("--requirement")
        .arg(&requirements);
    run(&mut pip, INSTALL_TIMEOUT).map_err(|reason| RuntimeError::Install {
        name: name.to_owned(),
        folder: target.to_owned(),
        reason,
    })?;

    // Functions run as another user, who must be able to read it whatever this user's umask is.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))
        .map_err(failed("open up", &folder))?;
    fs::rename(&folder, target).map_err(failed("create", target))?;
    fs::remove_dir_all(partial).map_err(failed("remove", partial))
}

/// Returns an interpreter of the same installation that has pip: the given one, or a throw-away
/// virtual environment of it.
fn python_with_pip(scratch: &Path, interpreter: &Interpreter) -> Result<PathBuf, RuntimeError> {
    if run(pip(&interpreter.path).arg("--version"), START_TIMEOUT).is_ok() {
        return Ok(interpreter.path.clone());
    }
    let folder = scratch.join("venv");
    let mut venv = Command::new(&interpreter.path);
    venv.args(["-I", "-m", "venv"]).arg(&folder);
    let python = folder.join("bin/python");
    match run(&mut venv, START_TIMEOUT)
        .and_then(|_| run(pip(&python).arg("--version"), START_TIMEOUT))
    {
        Ok(_) => Ok(python),
        Err(reason) => Err(RuntimeError::NoPip {
            interpreter: interpreter.path.clone(),
            reason,
        }),
    }
}

/// Returns `python -m pip`, set so that the user's index settings hold but nothing of theirs
/// redirects an installation or has a package built, and without the other secrets of their
/// environment.
fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args([
        "-I",
        "-m",
        "pip",
        "--no-input",
        "--disable-pip-version-check",
    ]);
    command
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_for_pip)));
    command.env("PIP_REQUIRE_VIRTUALENV", "0");
    command
}

/// Variables that pip needs to find its settings, an index, and the way there.
fn is_for_pip(name: &str) -> bool {
    const NAMES: [&str; 15] = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "TZ",
        "TMPDIR",
        "XDG_CONFIG_HOME",
        "XDG_CONFIG_DIRS",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ];
    /// Where packages are found, and nothing of where they go or how they are built.
    const OF_PIP: [&str; 14] = [
        "INDEX_URL",
        "EXTRA_INDEX_URL",
        "NO_INDEX",
        "FIND_LINKS",
        "TRUSTED_HOST",
        "CERT",
        "CLIENT_CERT",
        "PROXY",
        "TIMEOUT",
        "DEFAULT_TIMEOUT",
        "RETRIES",
        "CACHE_DIR",
        "NO_CACHE_DIR",
        "CONFIG_FILE",
    ];
    let proxy = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"];
    NAMES.contains(&name)
        || name.starts_with("LC_")
        || proxy.contains(&name.to_ascii_lowercase().as_str())
        || name
            .strip_prefix("PIP_")
            .is_some_and(|name| OF_PIP.contains(&name))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RuntimeError {
    let path = path.to_owned();
    move |source| RuntimeError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::fake::script;
    use super::*;

    #[test]
    fn pip_finds_its_index_and_sees_no_secret() {
        for name in [
            "PATH",
            "HOME",
            "PIP_INDEX_URL",
            "PIP_FIND_LINKS",
            "https_proxy",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
            "LC_ALL",
        ] {
            assert!(is_for_pip(name), "{name}");
        }
        for name in [
            "AWS_SECRET_ACCESS_KEY",
            "OPENAI_API_KEY",
            "GITHUB_TOKEN",
            "SSH_AUTH_SOCK",
            "PIP_NO_BINARY",
            "PIP_TARGET",
            "PIP_CONFIG_SETTINGS",
            "PYTHONPATH",
            "LD_PRELOAD",
        ] {
            assert!(!is_for_pip(name), "{name}");
        }
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
        Interpreter {
            machine: std::env::consts::ARCH.to_owned(),
            path: script(folder, "python", &pip),
            version: (3, 13, 0),
            prefix: folder.to_owned(),
        }
    }

    #[test]
    fn a_runtime_is_installed_once_however_many_ask_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let interpreter = fake_interpreter(folder.path(), true);
        let cache = folder.path().join("cache");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope
                    .spawn(|| provision(&cache, "python3.13", REQUIREMENTS, &interpreter).unwrap());
            }
        });
        let runtime = cached(&cache, "python3.13", &interpreter).expect("installed");
        assert!(runtime.join("awslambdaric.py").is_file());
        assert_eq!(
            fs::metadata(&runtime).unwrap().permissions().mode() & 0o777,
            0o755
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("installs")).unwrap(),
            "once\n"
        );
        // Once cached, pip is not needed any more: an interpreter that can do nothing still has its
        // runtime.
        script(folder.path(), "python", "exit 1");
        assert_eq!(
            provision(&cache, "python3.13", REQUIREMENTS, &interpreter).unwrap(),
            runtime
        );
    }

    #[test]
    fn a_failed_installation_leaves_nothing_and_says_what_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let interpreter = fake_interpreter(folder.path(), false);
        let text = provision(&cache, "python3.13", REQUIREMENTS, &interpreter)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("has no pip") && text.contains("-m ensurepip --upgrade"),
            "{text}"
        );
        let names: Vec<OsString> = fs::read_dir(&cache)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            names
                .iter()
                .all(|name| name.to_string_lossy().ends_with(".lock")),
            "{names:?}"
        );
    }

    #[test]
    fn every_requirement_is_pinned_with_hashes() {
        let logical = REQUIREMENTS.replace("\\\n", "");
        let lines: Vec<&str> = logical
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        for line in &lines {
            assert!(
                line.contains("==") && line.contains("--hash=sha256:"),
                "not pinned: {line}"
            );
        }
        for package in ["awslambdaric==", "boto3==", "botocore=="] {
            assert!(
                lines.iter().any(|line| line.starts_with(package)),
                "{package} is missing"
            );
        }
    }

    #[test]
    fn an_unknown_runtime_is_refused_with_the_known_ones() {
        let text = runtime(Path::new("/nonexistent"), "python2.7")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("`python2.7`") && text.contains("python3.13"),
            "{text}"
        );
    }
}
