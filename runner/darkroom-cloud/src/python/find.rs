//! Finds an interpreter of a given version in the usual places, by running each candidate.
//!
//! A file called `python3.13` proves nothing: it may be a shim without an interpreter behind it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::run;
use crate::emulator::Emulator;

/// How long a candidate may take to say its version. A cold interpreter on a busy laptop takes well
/// under a second.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// The same where it is emulated, which takes some twenty times as long.
const EMULATED_PROBE_TIMEOUT: Duration = Duration::from_mins(1);

/// What a candidate prints of itself, one fact a line. `_base_executable` is the interpreter behind
/// a virtual environment.
const PROBE: &str = "import os, sys, sysconfig
print(*sys.version_info[:3])
print(sys.implementation.name)
print(1 if sysconfig.get_config_var('Py_GIL_DISABLED') else 0)
print(os.path.realpath(getattr(sys, '_base_executable', None) or sys.executable))
print(os.path.realpath(sys.base_prefix))
print(os.uname().machine)";

/// A Python interpreter that ran and said what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interpreter {
    /// The real executable: shims, links and virtual environments resolved.
    pub path: PathBuf,
    pub version: (u8, u8, u8),
    /// Where its standard library lives (`sys.base_prefix`).
    pub prefix: PathBuf,
    /// Its processor, as Linux calls it: `x86_64`, `aarch64`.
    pub machine: String,
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
    /// The processor that it was to be for, where that is not this machine's.
    pub emulated: Option<&'static str>,
}

impl fmt::Display for PythonNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = &self.wanted;
        match self.emulated {
            Some(machine) => write!(f, "no working Python {wanted} for {machine} found; tried:")?,
            None => write!(f, "no working Python {wanted} found; tried:")?,
        }
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
        if let Some(machine) = self.emulated {
            return write!(
                f,
                "\n  install one, for example: `uv python install \
                 cpython-{wanted}-linux-{machine}-gnu`, or put python{wanted} into usr/bin of the \
                 root that QEMU_LD_PREFIX names"
            );
        }
        if self.tried.is_empty() {
            write!(
                f,
                "\n  nothing: PATH and the usual folders hold no file called python{wanted}, python3 or python"
            )?;
        }
        write!(
            f,
            "\n  install it, for example: `uv python install {wanted}`, `pyenv install {wanted}`, `brew install python@{wanted}`, \
             or your distribution's python{wanted} package"
        )
    }
}

/// Returns the first working interpreter of `version` (`3.13`), or everything that was tried and
/// why it did not fit.
pub fn find(version: &str) -> Result<Interpreter, PythonNotFound> {
    let places = Places::of_this_process();
    let host = Probe {
        emulator: None,
        timeout: PROBE_TIMEOUT,
    };
    find_among(version, candidates(version, &places), host)
}

/// Returns the first working interpreter of `version` for the emulator's processor: among those that
/// version managers installed, and in the emulator's root.
pub fn find_emulated(version: &str, emulator: &Emulator) -> Result<Interpreter, PythonNotFound> {
    let places = Places::of_this_process();
    let of_managers = places
        .managers
        .iter()
        .flat_map(|manager| installations(manager, version))
        .filter(|folder| folder.to_string_lossy().contains(emulator.machine));
    let of_root = emulator
        .root
        .iter()
        .flat_map(|root| [root.join("usr"), root.join("usr/local")]);
    let file = |prefix: PathBuf| prefix.join("bin").join(format!("python{version}"));
    let found = of_managers
        .chain(of_root)
        .map(file)
        .filter(|file| file.is_file());
    let probe = Probe {
        emulator: Some(emulator),
        timeout: EMULATED_PROBE_TIMEOUT,
    };
    find_among(version, found, probe)
}

/// Tries every candidate for `version` and returns what each said; for `darkroom doctor`.
pub fn survey(version: &str) -> Vec<Tried> {
    candidates(version, &Places::of_this_process())
        .map(|path| {
            let host = Probe {
                emulator: None,
                timeout: PROBE_TIMEOUT,
            };
            attempt(path, host)
        })
        .collect()
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
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = variable("HOME");
        let under_home = |name: &str, default: &str| {
            variable(name).or_else(|| Some(home.as_ref()?.join(default)))
        };
        let data = under_home("XDG_DATA_HOME", ".local/share");
        let managers = [
            under_home("PYENV_ROOT", ".pyenv").map(|root| root.join("versions")),
            variable("UV_PYTHON_INSTALL_DIR").or_else(|| Some(data?.join("uv/python"))),
            under_home("ASDF_DATA_DIR", ".asdf").map(|root| root.join("installs/python")),
        ];
        Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            managers: managers.into_iter().flatten().collect(),
            fixed: ["/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"]
                .map(PathBuf::from)
                .into(),
            home,
        }
    }
}

/// Returns existing files that may be Python `version`, best guess first, each once.
fn candidates(version: &str, places: &Places) -> impl Iterator<Item = PathBuf> + use<> {
    let exact = format!("python{version}");
    let on_path: Vec<PathBuf> = std::env::split_paths(&places.path).collect();
    let frameworks = PathBuf::from("Library/Frameworks/Python.framework/Versions")
        .join(version)
        .join("bin");
    let frameworks = [
        Some(PathBuf::from("/").join(&frameworks)),
        places.home.as_ref().map(|home| home.join(&frameworks)),
    ];
    let managed = places
        .managers
        .iter()
        .flat_map(|manager| installations(manager, version));
    let folders: Vec<PathBuf> = managed
        .map(|it| it.join("bin"))
        .chain(places.fixed.clone())
        .chain(frameworks.into_iter().flatten())
        .collect();

    // Files that carry the version in their name first: they are likelier right, and shims are slow
    // to ask.
    let in_each =
        |folders: &[PathBuf], name: &str| folders.iter().map(|f| f.join(name)).collect::<Vec<_>>();
    let mut found = in_each(&on_path, &exact);
    found.extend(in_each(&folders, &exact));
    found.extend(in_each(&on_path, "python3"));
    found.extend(in_each(&on_path, "python"));
    found.extend(in_each(&folders, "python3"));

    let mut seen = HashSet::new();
    found
        .into_iter()
        .filter(|path| path.is_file())
        .filter(move |path| {
            // Links to one interpreter are that interpreter; links to one version manager differ by
            // the name they are run by.
            let real = fs::canonicalize(path).ok();
            let real = real.filter(|real| {
                real.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("python"))
            });
            seen.insert(real.unwrap_or_else(|| path.clone()))
        })
}

/// Returns the folders under `manager` whose names contain `version` (`3.13.0`,
/// `cpython-3.13.2-linux-…`), newest name first.
fn installations(manager: &Path, version: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(manager) else {
        return Vec::new();
    };
    let fits = |name: &OsStr| {
        let name = name.to_string_lossy();
        let version_part = name.strip_prefix("cpython-").unwrap_or(&name);
        version_part
            .strip_prefix(version)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| fits(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    folders.sort_by(|a, b| b.cmp(a));
    folders
}

fn find_among(
    version: &str,
    candidates: impl Iterator<Item = PathBuf>,
    probe: Probe<'_>,
) -> Result<Interpreter, PythonNotFound> {
    let mut tried = Vec::new();
    for path in candidates {
        let attempt = attempt(path, probe);
        if let Ok(interpreter) = &attempt.outcome
            && format!("{}.{}", interpreter.version.0, interpreter.version.1) == version
        {
            return Ok(interpreter.clone());
        }
        tried.push(attempt);
    }
    Err(PythonNotFound {
        wanted: version.to_owned(),
        tried,
        emulated: probe.emulator.map(|emulator| emulator.machine),
    })
}

/// How candidates are asked.
#[derive(Clone, Copy)]
struct Probe<'a> {
    /// What runs them, if not this machine's processor.
    emulator: Option<&'a Emulator>,
    timeout: Duration,
}

/// Runs one candidate and reads what it says of itself.
fn attempt(path: PathBuf, probe: Probe<'_>) -> Tried {
    let (mut command, machine) = match probe.emulator {
        Some(emulator) => (emulator.command(&path), emulator.machine),
        None => (Command::new(&path), std::env::consts::ARCH),
    };
    // `-I`: neither PYTHON* variables nor the working directory may change the answer.
    command.args(["-I", "-c", PROBE]);
    let outcome =
        run(&mut command, probe.timeout).and_then(|output| interpreter_from(&output, machine));
    Tried { path, outcome }
}

/// Reads what an interpreter for the processor `wanted` printed. One of another processor may run
/// all the same, where the kernel starts an emulator by itself: it would be measured wrongly.
fn interpreter_from(printed: &str, wanted: &str) -> Result<Interpreter, String> {
    let lines: Vec<&str> = printed.lines().collect();
    let [
        version,
        implementation,
        free_threaded,
        executable,
        prefix,
        machine,
    ] = lines[..]
    else {
        return Err("ran, but does not answer like Python".into());
    };
    let numbers: Vec<u8> = version
        .split(' ')
        .filter_map(|part| part.parse().ok())
        .collect();
    let [major, minor, patch] = numbers[..] else {
        return Err(format!("ran, but reports the version `{version}`"));
    };
    if implementation != "cpython" {
        return Err(format!(
            "is {implementation} {major}.{minor}, but Lambda runs CPython"
        ));
    }
    if free_threaded == "1" {
        return Err(format!(
            "is a free-threaded build of Python {major}.{minor}, but Lambda's has the GIL"
        ));
    }
    // macOS has another word for it.
    let machine = if machine == "arm64" {
        "aarch64"
    } else {
        machine
    };
    if machine != wanted {
        return Err(format!(
            "is Python {major}.{minor} for {machine}, not {wanted}"
        ));
    }
    Ok(Interpreter {
        machine: machine.to_owned(),
        path: executable.into(),
        version: (major, minor, patch),
        prefix: prefix.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::fake::script;
    use super::*;

    fn says(version: &str, implementation: &str, free_threaded: u8) -> String {
        says_of(
            version,
            implementation,
            free_threaded,
            std::env::consts::ARCH,
        )
    }

    fn says_of(version: &str, implementation: &str, free_threaded: u8, machine: &str) -> String {
        let facts = format!("'{version}' {implementation} {free_threaded} /real/python /real");
        format!("printf '%s\\n' {facts} {machine}")
    }

    fn within(timeout: Duration) -> Probe<'static> {
        Probe {
            emulator: None,
            timeout,
        }
    }

    #[test]
    fn an_interpreter_of_another_processor_is_none_and_an_emulated_one_is_asked_through_its_emulator()
     {
        let folder = tempfile::tempdir().unwrap();
        let other = if std::env::consts::ARCH == "aarch64" {
            "x86_64"
        } else {
            "aarch64"
        };
        let foreign = script(
            &folder.path().join("usr/bin"),
            "python3.13",
            &says_of("3 13 4", "cpython", 0, other),
        );
        let refused = attempt(foreign, within(PROBE_TIMEOUT)).outcome.unwrap_err();
        assert_eq!(
            refused,
            format!("is Python 3.13 for {other}, not {}", std::env::consts::ARCH)
        );
        // The emulator of this test runs the program after `-L root`.
        let emulator = Emulator {
            architecture: "arm64",
            machine: if other == "aarch64" {
                "aarch64"
            } else {
                "x86_64"
            },
            program: script(folder.path(), "qemu", "shift 2; exec \"$@\""),
            root: Some(folder.path().to_owned()),
        };
        let found = find_emulated("3.13", &emulator).unwrap();
        assert_eq!(found.machine, other);
        let told = find_emulated("3.14", &emulator).unwrap_err().to_string();
        assert!(
            told.contains(&format!("uv python install cpython-3.14-linux-{other}-gnu")),
            "{told}"
        );
    }

    #[test]
    fn a_candidate_counts_by_what_it_says_not_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let broken = script(
            folder.path(),
            "python3.13",
            "echo 'shim: command not found' >&2; exit 127",
        );
        let older = script(folder.path(), "python3", &says("3 12 1", "cpython", 0));
        let right = script(folder.path(), "python", &says("3 13 4", "cpython", 0));
        let found = find_among(
            "3.13",
            [broken, older, right].into_iter(),
            within(PROBE_TIMEOUT),
        )
        .unwrap();
        assert_eq!(
            found,
            Interpreter {
                machine: std::env::consts::ARCH.to_owned(),
                path: "/real/python".into(),
                version: (3, 13, 4),
                prefix: "/real".into()
            }
        );
    }

    #[test]
    fn the_error_names_every_candidate_why_it_did_not_fit_and_what_to_install() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            script(
                folder.path(),
                "shim",
                "echo 'command not found' >&2; exit 127",
            ),
            script(folder.path(), "older", &says("3 12 1", "cpython", 0)),
            script(folder.path(), "pypy", &says("3 13 0", "pypy", 0)),
            script(folder.path(), "free", &says("3 13 0", "cpython", 1)),
            script(folder.path(), "liar", "echo hello"),
            folder.path().join("absent"),
        ];
        let text = find_among("3.13", all.into_iter(), within(PROBE_TIMEOUT))
            .unwrap_err()
            .to_string();
        for expected in [
            "no working Python 3.13 found",
            "shim: fails with exit status: 127: command not found",
            "older: is Python 3.12.1",
            "pypy: is pypy 3.13",
            "free: is a free-threaded build",
            "liar: ran, but does not answer like Python",
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
        let hangs = script(
            folder.path(),
            "python3",
            &format!("sleep 600 & echo $! > {}; wait", pid_file.display()),
        );
        // Long enough that the script has written its child's id even on a loaded machine, or the
        // test repeats.
        let mut timeout = Duration::from_millis(200);
        let grandchild: i32 = loop {
            let tried = attempt(hangs.clone(), within(timeout));
            assert!(tried.outcome.unwrap_err().contains("gave no answer"));
            if let Ok(id) = fs::read_to_string(&pid_file)
                .unwrap_or_default()
                .trim()
                .parse()
            {
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
        for (installation, name) in [
            ("3.1.5", "python3.1"),
            ("3.13.0", "python3.13"),
            ("cpython-3.13.9-linux-x86_64-gnu", "python3.13"),
        ] {
            script(&versions.join(installation).join("bin"), name, "exit 0");
        }
        let places = |path: OsString| Places {
            path,
            home: None,
            managers: vec![versions.clone()],
            fixed: Vec::new(),
        };
        let found: Vec<PathBuf> = candidates("3.13", &places(OsString::new()))
            .filter(|path| path.starts_with(&versions))
            .collect();
        assert_eq!(
            found,
            [
                "cpython-3.13.9-linux-x86_64-gnu/bin/python3.13",
                "3.13.0/bin/python3.13"
            ]
            .map(|tail| versions.join(tail))
        );
        let found: Vec<PathBuf> = candidates("3.1", &places(OsString::new()))
            .filter(|path| path.starts_with(&versions))
            .collect();
        assert_eq!(found, [versions.join("3.1.5/bin/python3.1")]);
    }
}
