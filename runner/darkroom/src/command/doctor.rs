//! `darkroom doctor`: what this machine can run (for an account: `doctor_aws`), what it cannot
//! enforce, and how to fix what is missing.
//!
//! Every check is a value; the command prints them. Changes nothing: it does not install a runtime
//! that is not cached yet.

use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom_cloud::python::{self, Tried};
use darkroom_cloud::sandbox::{Enforcement, Isolation};
use darkroom_cloud::{Config, LocalCloud};
use darkroom_core::capability::MB_PER_CORE;
use serde::Serialize;

use super::doctor_aws;
use crate::cli::{DoctorArgs, Globals, TargetName};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::project::Project;
use crate::threads;

/// The runtime of the variants that come with Darkroom.
const DEFAULT_PYTHON: &str = "3.13";

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CheckState {
    Ok,
    /// Works, within a limit that results carry with them or that concerns a part only.
    Limited,
    /// Some variants can't be measured without it.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub name: String,
    pub state: CheckState,
    pub found: String,
    /// What else was seen, a line each.
    pub details: Vec<String>,
    pub mend: Option<String>,
}

pub fn run(args: &DoctorArgs, globals: Globals) -> Result<Outcome, Failure> {
    let mut told = Told {
        checks: Vec::new(),
        shows: !globals.json && !globals.quiet,
    };
    match args.target {
        TargetName::Local => local_checks(&mut told)?,
        TargetName::Aws => {
            threads::runtime()?.block_on(doctor_aws::checks(
                &args.region,
                &args.experiment,
                &mut told,
            ))?;
        }
    }
    if globals.json {
        display::answer_json(&told.checks)?;
    }
    let missing = told
        .checks
        .iter()
        .any(|check| check.state == CheckState::Missing);
    Ok(if missing {
        Outcome::NotReady
    } else {
        Outcome::Done
    })
}

/// What has been looked at so far. Each check is shown as it ends, for some take seconds.
pub(super) struct Told {
    checks: Vec<Check>,
    shows: bool,
}

impl Told {
    /// Says what the next check waits for.
    pub(super) fn waits_for(&self, what: &str) {
        if self.shows {
            display::note(&format!("...      {what}"));
        }
    }

    pub(super) fn end(&mut self, check: Check) -> Result<(), Failure> {
        if self.shows {
            display::answer(&shown(&check))?;
        }
        self.checks.push(check);
        Ok(())
    }
}

fn local_checks(told: &mut Told) -> Result<(), Failure> {
    let root =
        Project::here().map_or_else(|_| PathBuf::from("."), |project| project.root().to_owned());
    let cache_dir = root.join(".darkroom").join("runtimes");
    told.end(architectures())?;
    told.end(memory_sizes())?;
    told.waits_for(&format!(
        "looking for Python {DEFAULT_PYTHON}: trying every interpreter found"
    ));
    python_checks(&cache_dir)
        .into_iter()
        .try_for_each(|check| told.end(check))?;
    told.waits_for("asking rustc and cargo for their versions");
    told.end(rust_check())?;
    told.waits_for("starting a local cloud to check what it can enforce here");
    sandbox_checks(&cache_dir)?
        .into_iter()
        .try_for_each(|check| told.end(check))
}

fn architectures() -> Check {
    let capability = crate::target::local_capability();
    let runnable: Vec<&str> = capability
        .architectures
        .iter()
        .map(|architecture| architecture.as_str())
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let state = if runnable.is_empty() {
        CheckState::Missing
    } else {
        CheckState::Ok
    };
    Check {
        name: "architectures".into(),
        state,
        found: format!(
            "{} on {cores} cores; cells of other architectures are listed as unable to run here",
            runnable.join(", ")
        ),
        details: Vec::new(),
        mend: runnable
            .is_empty()
            .then(|| "use a machine with an x86_64 or arm64 processor".to_owned()),
    }
}

/// Says which memory sizes are due more processors than there are.
fn memory_sizes() -> Check {
    let capability = crate::target::local_capability();
    memory_check(capability.cores, capability.max_memory_mb)
}

fn memory_check(cores: Option<u32>, max_memory_mb: u32) -> Check {
    let most = cores.map_or(max_memory_mb, |cores| cores.saturating_mul(MB_PER_CORE));
    let (state, found) = if most >= max_memory_mb {
        (
            CheckState::Ok,
            format!("functions up to {max_memory_mb} MB get their full CPU share"),
        )
    } else {
        let why = format!(
            "above {most} MB a function should get more CPU than this machine's {}",
            cores.unwrap_or_default()
        );
        (
            CheckState::Limited,
            format!("{why} cores ({MB_PER_CORE} MB per core), so it runs slower here than on AWS"),
        )
    };
    Check {
        name: "memory sizes".into(),
        state,
        found,
        details: Vec::new(),
        mend: None,
    }
}

fn python_checks(cache_dir: &Path) -> Vec<Check> {
    let found = python::find(DEFAULT_PYTHON);
    let tried = python::survey(DEFAULT_PYTHON);
    let mut checks = vec![interpreter_check(
        DEFAULT_PYTHON,
        found.as_ref().ok().map(|it| it.path.as_path()),
        &tried,
    )];
    if let Ok(interpreter) = found {
        let name = format!("python{DEFAULT_PYTHON}");
        let cached = python::cached(cache_dir, &name, &interpreter);
        let found = match &cached {
            Some(folder) => format!("cached in {}", folder.display()),
            None => "not installed yet; the first run installs it with pip, which needs a network"
                .to_owned(),
        };
        let name = format!("Lambda's {name} runtime");
        checks.push(Check {
            name,
            state: CheckState::Ok,
            found,
            details: Vec::new(),
            mend: None,
        });
    }
    checks
}

fn interpreter_check(version: &str, path: Option<&Path>, tried: &[Tried]) -> Check {
    let line = |tried: &Tried| match &tried.outcome {
        Ok(it) => format!(
            "{}: Python {}.{}.{}",
            tried.path.display(),
            it.version.0,
            it.version.1,
            it.version.2
        ),
        Err(why) => format!("{}: {why}", tried.path.display()),
    };
    let install = format!(
        "install it, for example with `uv python install {version}` or `pyenv install {version}`"
    );
    Check {
        name: format!("Python {version}"),
        state: if path.is_some() {
            CheckState::Ok
        } else {
            CheckState::Missing
        },
        found: path.map_or_else(
            || "none that works".to_owned(),
            |path| path.display().to_string(),
        ),
        details: tried.iter().map(line).collect(),
        mend: path.is_none().then_some(install),
    }
}

fn rust_check() -> Check {
    let version = |program: &str| {
        let output = Command::new(program)
            .arg("--version")
            .output()
            .map_err(|error| error.to_string())?;
        let text = if output.status.success() {
            &output.stdout
        } else {
            &output.stderr
        };
        let text = String::from_utf8_lossy(text)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(text)
        }
    };
    let (state, found) = match (version("rustc"), version("cargo")) {
        (Ok(rustc), Ok(cargo)) => (CheckState::Ok, format!("{rustc}; {cargo}")),
        (Err(why), _) => (CheckState::Missing, format!("rustc does not run: {why}")),
        (_, Err(why)) => (CheckState::Missing, format!("cargo does not run: {why}")),
    };
    let mend = "install Rust with rustup; without it, Rust variants cannot be built";
    let mend = (state == CheckState::Missing).then(|| mend.to_owned());
    // A release brings the program of the variant `rust`: only other code in Rust needs a compiler.
    let brought = state == CheckState::Missing && crate::prebuilt::RELEASE.is_some();
    let details = brought.then(|| {
        "the unedited variant `rust` runs without Rust: this release includes its program"
            .to_owned()
    });
    let state = if brought { CheckState::Limited } else { state };
    Check {
        name: "Rust".into(),
        state,
        found,
        details: details.into_iter().collect(),
        mend,
    }
}

/// Starts a local cloud on a temporary folder to ask it what it can enforce here.
fn sandbox_checks(cache_dir: &Path) -> Result<Vec<Check>, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::broken(miette::miette!(
            "cannot find the path of this program: {error}"
        ))
    })?;
    threads::runtime()?.block_on(async {
        match LocalCloud::start(Config::new(program, cache_dir.to_owned()).with_secret()).await {
            Ok(cloud) => {
                let checks = isolation_checks(cloud.isolation());
                cloud.stop().await;
                Ok(checks)
            }
            Err(error) => {
                let (name, found) = ("local cloud".to_owned(), format!("does not start: {error}"));
                Ok(vec![Check {
                    name,
                    state: CheckState::Missing,
                    found,
                    details: Vec::new(),
                    mend: None,
                }])
            }
        }
    })
}

fn isolation_checks(isolation: &Isolation) -> Vec<Check> {
    let summary = Check {
        name: "local cloud".into(),
        state: CheckState::Ok,
        found: format!(
            "starts; handlers are isolated by {}; every row of a run records this",
            isolation.label
        ),
        details: Vec::new(),
        mend: None,
    };
    // How many processors a size is due has a row of its own.
    let limits = isolation
        .limits
        .iter()
        .filter(|limit| limit.name != "memory sizes")
        .map(|limit| {
            let (state, word) = match limit.enforcement {
                Enforcement::Enforced => (CheckState::Ok, "enforced"),
                Enforcement::Approximated => (CheckState::Limited, "approximated"),
                Enforcement::Absent => (CheckState::Limited, "not enforced"),
            };
            let found = format!("{word}: {}", limit.why);
            Check {
                name: format!("limit: {}", limit.name),
                state,
                found,
                details: Vec::new(),
                mend: None,
            }
        });
    std::iter::once(summary).chain(limits).collect()
}

/// Room for a check's name: they are shown before the longest is known.
const WIDE: usize = 27;

fn shown(check: &Check) -> String {
    let Check {
        name,
        state,
        found,
        details,
        mend,
    } = check;
    let word = match state {
        CheckState::Ok => "ok",
        CheckState::Limited => "limited",
        CheckState::Missing => "missing",
    };
    let margin = " ".repeat(WIDE + 11);
    let mut lines = vec![format!("{word:<8} {name:<WIDE$}  {found}\n")];
    lines.extend(details.iter().map(|line| format!("{margin}{line}\n")));
    lines.extend(mend.iter().map(|mend| format!("{margin}fix: {mend}\n")));
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkroom_cloud::sandbox::Limit;

    #[test]
    fn what_is_missing_comes_with_what_was_tried_and_its_mend() {
        let tried = [Tried {
            path: "/shims/python3.13".into(),
            outcome: Err("fails with exit status: 127".into()),
        }];
        let text = shown(&interpreter_check("3.13", None, &tried));
        let margin = " ".repeat(38);
        assert_eq!(
            text.replace(&margin, "> "),
            "missing  Python 3.13                  none that works\n> /shims/python3.13: fails with exit status: 127\n\
             > fix: install it, for example with `uv python install 3.13` or `pyenv install 3.13`\n"
        );
    }

    #[test]
    fn memory_sizes_that_are_due_more_cores_than_there_are_are_said() {
        let check = memory_check(Some(2), 10_240);
        assert_eq!(check.state, CheckState::Limited);
        assert!(
            check.found.starts_with(
                "above 3538 MB a function should get more CPU than this machine's 2 cores"
            ),
            "{check:?}"
        );
        assert_eq!(memory_check(Some(6), 10_240).state, CheckState::Ok);
    }

    #[test]
    fn a_limit_that_this_host_can_not_enforce_is_said_and_is_no_failure() {
        let limit = |name, enforcement| Limit {
            name,
            enforcement,
            why: "why".into(),
        };
        let limits = vec![
            limit("memory", Enforcement::Enforced),
            limit("cpu", Enforcement::Absent),
        ];
        let checks = isolation_checks(&Isolation {
            label: "plain".into(),
            limits,
        });
        assert_eq!(checks[1].state, CheckState::Ok);
        assert_eq!(
            (checks[2].state, checks[2].found.as_str()),
            (CheckState::Limited, "not enforced: why")
        );
        assert!(
            checks
                .iter()
                .all(|check| check.state != CheckState::Missing)
        );
    }
}
