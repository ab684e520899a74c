//! Every command that a message suggests is followed by a test as it stands.
//! `tests/suggestions.toml` says by which one; here that list is held against the product's code
//! and against the tests that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Programs that a message may tell to run.
const PROGRAMS: &[&str] = &[
    "darkroom",
    "cargo",
    "rustup",
    "pip",
    "uv",
    "pyenv",
    "brew",
    "apt",
    "aws",
    "timedatectl",
    "python",
    "python3",
    "docker",
    "npm",
];

/// One suggestion as the code spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suggestion {
    /// What stands in backticks in the code, placeholders included.
    text: String,
    /// The test that follows it: `corpus/CASE`, or `it/FILE.rs`.
    followed: Option<String>,
    /// Why no test can.
    not_followed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    suggestions: Vec<Suggestion>,
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|end| end == "rs") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// Returns every file of the product with its code: no comments, no unit tests, and every text in
/// one line.
fn product() -> Vec<(PathBuf, String)> {
    let crates = fs::read_dir(package().join("..").canonicalize().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"));
    let files = crates
        .filter(|source| source.is_dir())
        .flat_map(|source| rust_files(&source));
    let files = files.filter(|file| !file.ends_with("tests.rs"));
    files
        .map(|file| (file.clone(), code(&fs::read_to_string(&file).unwrap())))
        .collect()
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let mut code = String::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
    {
        match line.strip_suffix('\\') {
            Some(begun) => code.push_str(begun),
            None => code.extend([line, "\n"]),
        }
    }
    code
}

fn commands() -> BTreeSet<String> {
    darkroom::cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}

/// Returns every command and option that stands in backticks.
fn in_backticks(code: &str) -> impl Iterator<Item = &str> {
    let within = code.match_indices('`').filter_map(|(at, _)| {
        let rest = &code[at + 1..];
        let end = rest.find(['`', '"', '\n', '<'])?;
        rest[end..].starts_with('`').then(|| &rest[..end])
    });
    within.filter(|text| {
        let first = text.split(' ').next().unwrap_or_default();
        let runs = PROGRAMS.contains(&first)
            && text
                .chars()
                .nth(first.len() + 1)
                .is_some_and(|next| next != '{');
        runs || text.starts_with("--")
    })
}

/// Returns the commands that are spelt as arguments for `advice::darkroom`.
fn as_arguments(code: &str, commands: &BTreeSet<String>) -> BTreeSet<String> {
    let words = code
        .match_indices("[\"")
        .filter_map(|(at, _)| code[at + 2..].split('"').next());
    words
        .filter(|word| commands.contains(*word))
        .map(|word| format!("darkroom {word}"))
        .collect()
}

#[test]
fn every_suggestion_is_followed_by_a_test_or_says_why_not() {
    let text = fs::read_to_string(package().join("tests/suggestions.toml")).unwrap();
    let listed = toml::from_str::<Listed>(&text).unwrap().suggestions;
    let known: BTreeSet<String> = listed
        .iter()
        .map(|suggestion| suggestion.text.clone())
        .collect();
    assert_eq!(known.len(), listed.len(), "one is listed twice");
    let commands = commands();
    let mut found = BTreeSet::new();
    for (file, code) in product() {
        found.extend(in_backticks(&code).map(str::to_owned));
        // Only this package has advice, and the help page's list of commands is none.
        if file.starts_with(package().join("src").canonicalize().unwrap())
            && !file.ends_with("cli.rs")
        {
            found.extend(as_arguments(&code, &commands));
        }
    }
    let unknown: Vec<_> = found.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "follow these in a test, and list them in tests/suggestions.toml: {unknown:#?}"
    );
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(
        gone.is_empty(),
        "nothing suggests these; strike them from tests/suggestions.toml: {gone:#?}"
    );
    let wrong: Vec<String> = listed
        .iter()
        .filter_map(|suggestion| followed(suggestion).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Looks whether the named test takes this suggestion from a message.
fn followed(suggestion: &Suggestion) -> Result<(), String> {
    let Suggestion {
        text,
        followed,
        not_followed,
    } = suggestion;
    let test = match (followed, not_followed) {
        (Some(test), None) => test,
        (None, Some(why)) if why.split(' ').count() > 3 => return Ok(()),
        _ => {
            return Err(format!(
                "`{text}`: say `followed`, or in `not_followed` why it can't be"
            ));
        }
    };
    let file = match test.split_once('/') {
        Some(("corpus", case)) => format!("tests/corpus/{case}/case.toml"),
        Some(("it", file)) => format!("tests/it/{file}"),
        _ => return Err(format!("`{text}`: `{test}` is no test")),
    };
    let code = fs::read_to_string(package().join(&file))
        .map_err(|error| format!("`{text}`: {file}: {error}"))?;
    let takes = |line: &&str| {
        ["follow = ", "suggestion(", "suggestions(", "mend("]
            .iter()
            .any(|call| line.contains(call))
    };
    let constant = text.split('{').next().unwrap();
    let mut begins = code
        .lines()
        .filter(takes)
        .flat_map(|line| line.split('"').skip(1).step_by(2));
    let begins_so = |begin: &str| {
        !begin.is_empty() && (begin.starts_with(constant) || constant.starts_with(begin))
    };
    if begins.any(begins_so) {
        Ok(())
    } else {
        Err(format!("`{text}`: {file} does not follow it"))
    }
}

/// A command that no shell can take as it stands is no suggestion: it is spelt in backticks, whole.
#[test]
fn no_message_names_a_command_outside_of_backticks() {
    let commands = commands();
    // The help page has examples, and the report elements, that spell commands in their own way.
    let elsewhere = ["cli.rs", "page.rs", "several.rs"];
    for (file, code) in product()
        .into_iter()
        .filter(|(file, _)| !elsewhere.iter().any(|name| file.ends_with(name)))
    {
        for (at, _) in code.match_indices("darkroom ") {
            let after = &code[at + "darkroom ".len()..];
            let next = after
                .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
                .next()
                .unwrap();
            let bare = commands.contains(next) && !code[..at].ends_with('`');
            assert!(
                !bare,
                "{}: darkroom {}",
                file.display(),
                &after[..after.len().min(60)]
            );
        }
    }
}

#[test]
fn suggestions_are_found_where_they_stand() {
    let text = "a(\"run `darkroom clean {x}` or \\\n   `--yes`, not `darkroom {}` or `aws` or `<x>`\"); // `pip install x`\n// `pip a`\n";
    let found: Vec<String> = in_backticks(&code(text)).map(str::to_owned).collect();
    assert_eq!(found, ["darkroom clean {x}", "--yes", "pip install x"]);
    let commands = commands();
    assert_eq!(
        as_arguments("darkroom(&[\"resume\", x]); [\"other\"]", &commands),
        BTreeSet::from(["darkroom resume".to_owned()])
    );
}
