//! The corpus: real trouble as folders of small files. `tests/corpus/README.md` says how to add the
//! next one.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use crate::story::{Answer, Project, suggestions};

/// One case as its `case.toml` states it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Where the trouble came from. For readers; it must be there.
    from: String,
    #[serde(default)]
    project: Kind,
    /// For a study: its pipeline and the variants of this repository that it has.
    #[serde(default = "image_pipeline")]
    pipeline: String,
    #[serde(default)]
    variants: Vec<String>,
    /// For a study: sizes of the seeded scenes in image set `photos`.
    #[serde(default)]
    scenes: Vec<(u32, u32)>,
    /// Files of the case that stand in each of its folders.
    #[serde(default)]
    in_each_folder: Vec<String>,
    run: Vec<String>,
    exit: i32,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    never_says: Vec<String>,
    #[serde(default)]
    makes: Vec<String>,
    #[serde(default)]
    never_makes: Vec<String>,
    #[serde(default)]
    then: Vec<Then>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Two variants that do nothing, a pipeline of two stages, two images of 4x4 pixels.
    #[default]
    Minimal,
    /// A pipeline and variants of this repository.
    Study,
}

fn image_pipeline() -> String {
    "image-pipeline".into()
}

/// A further command: spelt out, or what the command before suggested.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    #[serde(default)]
    run: Vec<String>,
    /// Runs, by a shell and as they stand, the suggestions in backticks that begin with this.
    follow: Option<String>,
    exit: i32,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    never_says: Vec<String>,
    #[serde(default)]
    makes: Vec<String>,
    #[serde(default)]
    never_makes: Vec<String>,
}

#[test]
fn every_case_of_the_corpus_ends_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("case.toml").is_file())
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} holds no case", folder.display());
    let failures: Vec<String> = cases
        .par_iter()
        .filter_map(|case| {
            let name = case.file_name().unwrap().to_string_lossy();
            tried(case).err().map(|why| format!("--- {name}: {why}"))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases fail:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn tried(folder: &Path) -> Result<(), String> {
    let text = fs::read_to_string(folder.join("case.toml")).unwrap();
    let case: Case = toml::from_str(&text).map_err(|error| error.to_string())?;
    if case.from.trim().is_empty() {
        return Err("`from` must say where the trouble came from".into());
    }
    let project = project(&case);
    copy(&project, folder, "");
    for name in &case.in_each_folder {
        for entry in fs::read_dir(folder)
            .unwrap()
            .map(Result::unwrap)
            .filter(|entry| entry.path().is_dir())
        {
            let place = format!("{}/{name}", entry.file_name().to_str().unwrap());
            project.write(&place, fs::read(folder.join(name)).unwrap());
        }
    }
    let first = Then {
        run: case.run,
        follow: None,
        exit: case.exit,
        says: case.says,
        never_says: case.never_says,
        makes: case.makes,
        never_makes: case.never_makes,
    };
    let (mut line, mut told) = (String::new(), String::new());
    for step in [first].iter().chain(&case.then) {
        let (ran, answer) = match &step.follow {
            None => (
                spelt(&step.run),
                project.darkroom(&step.run.iter().map(String::as_str).collect::<Vec<_>>()),
            ),
            Some(begin) => {
                let next = followed(&line, &told, begin)?;
                let answer = project.shell(&next);
                (next, answer)
            }
        };
        held(step, &project, &answer).map_err(|why| {
            format!(
                "{why}\n$ {ran}\nstdout:\n{}\nstderr:\n{}",
                answer.stdout(),
                answer.stderr()
            )
        })?;
        (line, told) = (ran, answer.told());
    }
    Ok(())
}

fn project(case: &Case) -> Project {
    let project = match case.project {
        Kind::Minimal => Project::new(),
        Kind::Study => {
            let variants: Vec<&str> = case.variants.iter().map(String::as_str).collect();
            Project::study(&case.pipeline, &variants)
        }
    };
    if !case.scenes.is_empty() {
        project.scenes(&case.scenes);
    }
    project
}

/// Copies the case's files and folders into the project.
fn copy(project: &Project, from: &Path, to: &str) {
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let place = if to.is_empty() {
            name.to_owned()
        } else {
            format!("{to}/{name}")
        };
        if path.is_dir() {
            copy(project, &path, &place);
        } else if place != "case.toml" {
            project.write(&place, fs::read(&path).unwrap());
        }
    }
}

/// Returns a command as a shell takes it.
fn spelt(arguments: &[String]) -> String {
    let quoted = arguments
        .iter()
        .map(|argument| format!(" '{}'", argument.replace('\'', r"'\''")));
    format!("darkroom{}", quoted.collect::<String>())
}

/// Returns the command that a message suggests: a whole one, or options for the one before.
fn followed(before: &str, told: &str, begin: &str) -> Result<String, String> {
    let suggested = suggestions(told, begin);
    let is_command = |words: &&str| words.starts_with("darkroom ") || words.starts_with("cargo ");
    let commands: Vec<&str> = suggested.iter().copied().filter(is_command).collect();
    match (commands.as_slice(), suggested.as_slice()) {
        ([command], [_]) => Ok((*command).to_owned()),
        ([], [_, ..]) if suggested.iter().all(|words| words.starts_with("--")) => {
            Ok(format!("{before} {}", suggested.join(" ")))
        }
        _ => Err(format!(
            "no suggestion that begins with `{begin}` can be followed: {suggested:?} in:\n{told}"
        )),
    }
}

fn held(step: &Then, project: &Project, answer: &Answer) -> Result<(), String> {
    let told = answer.told();
    if answer.code() != Some(step.exit) {
        return Err(format!(
            "it exits with {:?}, and {} is expected",
            answer.code(),
            step.exit
        ));
    }
    if let Some(words) = step
        .says
        .iter()
        .find(|words| !told.contains(words.as_str()))
    {
        return Err(format!("{words:?} is not said"));
    }
    if let Some(words) = step
        .never_says
        .iter()
        .find(|words| told.contains(words.as_str()))
    {
        return Err(format!("{words:?} is said"));
    }
    if let Some(path) = step
        .makes
        .iter()
        .find(|path| !project.root().join(path).exists())
    {
        return Err(format!("{path} is not there"));
    }
    match step
        .never_makes
        .iter()
        .find(|path| project.root().join(path).exists())
    {
        Some(path) => Err(format!("{path} is there")),
        None => Ok(()),
    }
}
