//! Python files: lines and imports by Python itself, complexity and lints by ruff.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use darkroom_cloud::python::{self, Interpreter};
use darkroom_core::event::CodeExamined;
use serde::Deserialize;

use super::sum::{File, reached, sum};
use crate::package::{self, PackageRequest};

const LOOK: &str = include_str!("look.py");
const RUFF: &str = include_str!("ruff-requirements.txt");
/// Pycodestyle, Pyflakes, bugbear, bandit, simplify, perflint. Named, so that a newer ruff's
/// default changes nothing; lines of any length, because that is taste. C901 gives the complexity
/// of every function and is no lint here.
const RULES: &str = "E,F,W,B,S,SIM,PERF,C901";
const NOT_RULES: &str = "E501";
const COMPLEXITY: &str = "C901";

/// Looks at a variant's stages.
pub fn examine(cache_dir: &Path, request: &PackageRequest) -> Vec<CodeExamined> {
    let (files, tool, note) = look(cache_dir, request);
    let stages = request.spec.handlers.iter().map(|(stage, handler)| {
        let module = handler
            .rsplit_once('.')
            .map_or(handler.as_str(), |(module, _)| module);
        let names = reached(&files, &module.replace('/', "."));
        let parts: Vec<_> = names.iter().map(|name| (name, &files[name])).collect();
        let mut facts = sum(&request.variant, Some(stage), "python", &parts);
        facts.lint_tool.clone_from(&tool);
        facts.note = match (note.clone(), facts.note) {
            (Some(a), Some(b)) => Some(format!("{a}; {b}")),
            (a, b) => a.or(b),
        };
        facts
    });
    stages.collect()
}

/// Returns what is known of every file, which linter said it, and why something is not known.
fn look(
    cache_dir: &Path,
    request: &PackageRequest,
) -> (BTreeMap<String, File>, Option<String>, Option<String>) {
    let names = package::python_modules(&request.folder);
    let unknown = || {
        names
            .iter()
            .map(|name| (name.clone(), File::default()))
            .collect()
    };
    let version = request.spec.runtime.trim_start_matches("python");
    let Ok(interpreter) = python::find(version) else {
        return (
            unknown(),
            None,
            Some(format!("no Python {version} to examine the code with")),
        );
    };
    let mut files: BTreeMap<String, File> = match lines(&interpreter, &request.folder, &names) {
        Ok(files) => files,
        Err(error) => {
            return (
                unknown(),
                None,
                Some(format!("Python cannot examine the code: {error}")),
            );
        }
    };
    match ruff(cache_dir, &interpreter, &request.folder, &names) {
        Ok(findings) => {
            assign_findings(&mut files, findings);
            (files, tool(), None)
        }
        Err(error) => (
            files,
            None,
            Some(format!("no lints and no complexity: {error}")),
        ),
    }
}

/// `ruff 0.17.6: E,F,W,B,S,SIM,PERF without E501`.
fn tool() -> Option<String> {
    let version = RUFF
        .lines()
        .find_map(|line| line.strip_prefix("ruff=="))?
        .trim_end_matches([' ', '\\']);
    Some(format!(
        "ruff {version}: {} without {NOT_RULES}",
        RULES.trim_end_matches(",C901")
    ))
}

#[derive(Deserialize)]
struct Looked {
    total: Option<u64>,
    blank: Option<u64>,
    comment: Option<u64>,
    modules: Option<Vec<String>>,
    error: Option<String>,
}

fn lines(
    interpreter: &Interpreter,
    folder: &Path,
    names: &[String],
) -> Result<BTreeMap<String, File>, String> {
    let mut command = Command::new(&interpreter.path);
    command
        .args(["-I", "-W", "ignore", "-c", LOOK])
        .args(names)
        .current_dir(folder);
    let looked: BTreeMap<String, Looked> =
        serde_json::from_str(&output(&mut command)?).map_err(|error| error.to_string())?;
    let file = |(name, looked): (String, Looked)| {
        let Looked {
            total,
            blank,
            comment,
            modules,
            error,
        } = looked;
        let note = error.map(|error| format!("{name}: {error}"));
        (
            name,
            File {
                total,
                blank,
                comment,
                modules,
                note,
                ..File::default()
            },
        )
    };
    Ok(looked.into_iter().map(file).collect())
}

#[derive(Deserialize)]
struct Finding {
    code: Option<String>,
    filename: String,
    message: String,
}

fn ruff(
    cache_dir: &Path,
    python: &Interpreter,
    folder: &Path,
    names: &[String],
) -> Result<Vec<Finding>, String> {
    let installed = python::tool(&cache_dir.join("runtimes"), "ruff", RUFF, python)
        .map_err(|error| error.to_string())?;
    let mut command = Command::new(installed.join("bin/ruff"));
    command.args([
        "check",
        "--isolated",
        "--no-cache",
        "--ignore-noqa",
        "--exit-zero",
        "--quiet",
    ]);
    command.args([
        "--output-format",
        "json",
        "--select",
        RULES,
        "--ignore",
        NOT_RULES,
    ]);
    command
        .args(["--config", "lint.mccabe.max-complexity=0"])
        .args(names)
        .current_dir(folder);
    serde_json::from_str(&output(&mut command)?).map_err(|error| error.to_string())
}

/// Gives each file what was found in it; what can't be parsed has neither lints nor complexity.
fn assign_findings(files: &mut BTreeMap<String, File>, findings: Vec<Finding>) {
    for file in files.values_mut().filter(|file| file.modules.is_some()) {
        (file.lints, file.complexities) = (Some(BTreeMap::new()), Some(Vec::new()));
    }
    for finding in findings {
        let of = files
            .iter_mut()
            .find(|(name, _)| Path::new(&finding.filename).ends_with(name));
        let Some((
            _,
            File {
                lints: Some(lints),
                complexities: Some(complexities),
                ..
            },
        )) = of
        else {
            continue;
        };
        match finding.code {
            Some(code) if code == COMPLEXITY => complexities.extend(complexity(&finding.message)),
            code => {
                *lints
                    .entry(code.unwrap_or_else(|| "invalid-syntax".to_owned()))
                    .or_insert(0) += 1;
            }
        }
    }
}

/// Reads 3 in "`handler` is too complex (3 > 0)".
fn complexity(message: &str) -> Option<u32> {
    message
        .rsplit_once('(')?
        .1
        .split_once(" > ")?
        .0
        .parse()
        .ok()
}

fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("{program} does not start: {error}"))?;
    if !output.status.success() {
        let last = String::from_utf8_lossy(&output.stderr)
            .lines()
            .last()
            .unwrap_or_default()
            .to_owned();
        return Err(format!("{program} fails with {}: {last}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_says_which_lines_are_what_and_ruffs_message_how_complex() {
        let folder = tempfile::tempdir().unwrap();
        let code = "\"\"\"Doc\n\nmore.\n\"\"\"\n\nimport os.path  # why\nfrom PIL import Image\nimport objects\n\n# alone\nTEXT = '''\n# no comment\n'''\n";
        std::fs::write(folder.path().join("a.py"), code).unwrap();
        std::fs::write(folder.path().join("b.py"), "def f(:\n\n").unwrap();
        let interpreter = python::find("3.13").unwrap();
        let files = lines(&interpreter, folder.path(), &["a.py".into(), "b.py".into()]).unwrap();
        let a = &files["a.py"];
        assert_eq!(
            (a.total, a.blank, a.comment),
            (Some(13), Some(3), Some(4)),
            "{a:?}"
        );
        assert_eq!(a.modules.as_deref().unwrap(), ["PIL", "objects", "os.path"]);
        let b = &files["b.py"];
        assert_eq!((b.total, b.comment, &b.modules), (Some(2), None, &None));
        assert!(
            b.note.as_deref().unwrap().starts_with("b.py: SyntaxError"),
            "{b:?}"
        );
        assert_eq!(complexity("`handler` is too complex (13 > 0)"), Some(13));
    }

    #[test]
    fn findings_are_placed_and_a_file_that_is_no_python_has_none() {
        let known = File {
            modules: Some(vec![]),
            ..File::default()
        };
        let mut files = BTreeMap::from([
            ("a.py".to_owned(), known),
            ("b.py".to_owned(), File::default()),
        ]);
        let finding = |code: Option<&str>, file: &str, message: &str| Finding {
            code: code.map(ToOwned::to_owned),
            filename: format!("/x/{file}"),
            message: message.to_owned(),
        };
        let findings = vec![
            finding(Some("C901"), "a.py", "`f` is too complex (2 > 0)"),
            finding(Some("F401"), "a.py", "unused"),
            finding(Some("F401"), "a.py", "unused"),
            finding(None, "b.py", "syntax"),
        ];
        assign_findings(&mut files, findings);
        assert_eq!(files["a.py"].complexities.as_deref(), Some(&[2][..]));
        assert_eq!(
            files["a.py"].lints,
            Some(BTreeMap::from([("F401".to_owned(), 2)]))
        );
        assert_eq!(
            (&files["b.py"].complexities, &files["b.py"].lints),
            (&None, &None)
        );
    }

    #[test]
    fn the_tool_names_its_version_and_rules() {
        assert_eq!(
            tool().unwrap(),
            "ruff 0.17.6: E,F,W,B,S,SIM,PERF without E501"
        );
    }
}
