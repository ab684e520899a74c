//! docs/troubleshooting.md has every code and kind of failure that the program knows: they are
//! collected from its sources, so that a new one is missing on the page at once.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn runner() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(path: &str) -> String {
    fs::read_to_string(runner().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every file with Rust below these folders.
fn sources(folders: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&runner().join(folder), &mut found);
    }
    found
}

/// Returns what stands between `begin` and the first `end` after it, each time.
fn between<'a>(text: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(begin)
        .skip(1)
        .map(move |rest| rest.split(end).next().unwrap())
}

/// Returns the one part of a text between a beginning and an end.
#[track_caller]
fn part<'a>(text: &'a str, begin: &'a str, end: &'a str) -> &'a str {
    between(text, begin, end)
        .next()
        .unwrap_or_else(|| panic!("{begin:?} is gone: say here where this is written now"))
}

fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

fn is_snake(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn is_code(text: &str) -> bool {
    // Serde names a key's default so.
    text.split_once("::")
        .is_some_and(|(room, name)| room != "defaults" && is_snake(room) && is_snake(name))
}

/// Codes of errors: those of derived diagnostics, those spelt as texts, and the manifest's.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for text in sources(&["darkroom/src", "darkroom-core/src", "darkroom-contract/src"]) {
        let derived = between(&text, "code(", ")").filter(|code| is_code(code));
        codes.extend(derived.map(str::to_owned));
        codes.extend(
            quoted(&text)
                .filter(|code| is_code(code))
                .map(str::to_owned),
        );
    }
    for text in sources(&["darkroom-core/src/manifest"]) {
        let made = ["Mistake::new(", "Mistake::of_fault("]
            .into_iter()
            .flat_map(|call| between(&text, call, ","))
            .filter_map(|first| first.trim().strip_prefix('"')?.strip_suffix('"'));
        codes.extend(made.map(|code| format!("manifest::{code}")));
    }
    codes
}

/// Error types of invocations: the platform's families, wherever they are spelt, and our own.
fn error_types() -> BTreeSet<String> {
    let families = ["Runtime.", "Sandbox.", "Function.", "Darkroom."];
    let is_type = |text: &&str| {
        families.iter().any(|family| {
            text.strip_prefix(family).is_some_and(|name| {
                name.len() > 1 && name.bytes().all(|it| it.is_ascii_alphabetic())
            })
        })
    };
    let mut types = BTreeSet::from([
        darkroom_core::event::NO_ANSWER.to_owned(),
        darkroom_core::event::RECURSIVE_LOOP.to_owned(),
    ]);
    for text in sources(&["darkroom/src", "darkroom-core/src", "darkroom-cloud"]) {
        types.extend(quoted(&text).filter(is_type).map(str::to_owned));
        let own = between(&text, "error_type: Some(\"", "\"");
        types.extend(
            own.filter(|name| name.starts_with(char::is_uppercase))
                .map(str::to_owned),
        );
    }
    types
}

/// The names of an enum's variants, as serde spells them.
fn variants(text: &str) -> impl Iterator<Item = String> {
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    names.map(|name| {
        let mut snake = String::new();
        for letter in name.chars() {
            if letter.is_ascii_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.push(letter.to_ascii_lowercase());
        }
        snake
    })
}

/// Words of rows: how invocations end, why passes are made again, what rows count as.
fn words_of_rows() -> BTreeSet<String> {
    let event = source("darkroom-core/src/event.rs");
    let counting = source("darkroom-core/src/ledger/counting.rs");
    let mut words: BTreeSet<String> = quoted(part(&event, "impl Status {", "\n}\n"))
        .map(str::to_owned)
        .collect();
    words.extend(variants(part(&event, "pub enum Again {", "\n}\n")));
    words.extend(between(&counting, "=> \"", "\"").map(str::to_owned));
    words.remove("sample");
    words
}

fn reasons() -> BTreeSet<String> {
    let check = source("darkroom-contract/src/check.rs");
    let gate = source("darkroom/src/execute/gate.rs");
    let own =
        between(&gate, "reason: Some(\"", "\"").chain(between(&gate, "reason = Some(\"", "\""));
    quoted(part(&check, "pub mod reason {", "\n}\n"))
        .chain(own)
        .map(str::to_owned)
        .collect()
}

fn doctors_checks() -> BTreeSet<String> {
    let local = source("darkroom/src/command/doctor.rs");
    let local = local.split("#[cfg(test)]").next().unwrap();
    let aws = source("darkroom/src/command/doctor_aws.rs");
    let aws = aws.split("#[cfg(test)]").next().unwrap();
    let limits = source("darkroom-cloud/src/sandbox/isolation.rs");
    let limits = limits.split("#[cfg(test)]").next().unwrap();
    let named = between(local, "name: \"", "\"");
    let of_aws = between(aws, "check(", ",").filter_map(|first| quoted(first).next());
    let of_limits = between(limits, "limit(", ",").filter_map(|first| quoted(first).next());
    let several = part(limits, "None => [", "]");
    named
        .chain(of_aws)
        .map(str::to_owned)
        .chain(["Python 3.13", "Lambda's python3.13 runtime"].map(str::to_owned))
        .chain(
            of_limits
                .chain(quoted(several))
                // Doctor has a row of its own for it.
                .filter(|name| *name != "memory sizes")
                .map(|name| format!("limit: {name}")),
        )
        .collect()
}

/// What says why a cell can't run, up to the first level in it.
fn obstacles() -> BTreeSet<String> {
    let text = source("darkroom-core/src/capability.rs");
    let sentences = part(&text, "pub fn why_not", "\n    }\n");
    quoted(sentences)
        .map(|sentence| sentence.strip_prefix("{here} ").unwrap_or(sentence))
        .map(|sentence| match sentence.split_once('{') {
            Some((before, _)) if before.contains(", ") => {
                before.split(", ").next().unwrap_or_default().to_owned()
            }
            Some((before, after)) => {
                let after = after.split_once('}').map_or("", |(_, rest)| rest);
                let next = after.split([',', '{']).next().unwrap_or_default();
                format!("{before}…{next}")
            }
            None => sentence.to_owned(),
        })
        .collect()
}

fn misdeeds() -> BTreeSet<String> {
    let run = source("darkroom-cloud/src/lambda/environment/run.rs");
    let lines = source("darkroom-cloud/src/lambda/environment/lines.rs");
    let offences = quoted(part(&run, "fn note_offence", "self.misdeeds.note"));
    let oddities = quoted(part(&lines, "fn take_oddities", "\n    }\n"));
    let others = between(&run, ".note(&self.spec.name, \"", "\"");
    let is_kind = |text: &&str| text.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
    offences
        .chain(oddities)
        .chain(others)
        .filter(is_kind)
        .map(str::to_owned)
        .collect()
}

fn exit_codes() -> BTreeSet<String> {
    let exit = source("darkroom/src/exit.rs");
    between(&exit, "=> ", ",")
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|number| format!("exit code {number}"))
        .collect()
}

/// The first cell of every row, without its backticks, and how many cells the row has.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    page.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("|---"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            (cells[0].trim_matches('`'), cells)
        })
        .collect()
}

#[test]
fn the_page_of_troubles_has_every_code_and_every_kind_of_failure() {
    let page = fs::read_to_string(runner().join("../docs/troubleshooting.md")).unwrap();
    let rows = rows(&page);
    let kinds = [
        ("codes of errors", codes(), 90),
        ("exit codes", exit_codes(), 4),
        ("error types", error_types(), 15),
        ("words of rows", words_of_rows(), 12),
        ("reasons of the output check", reasons(), 13),
        ("checks of doctor", doctors_checks(), 25),
        ("obstacles", obstacles(), 7),
        ("misdeeds", misdeeds(), 5),
    ];
    let mut missing = Vec::new();
    for (kind, found, at_least) in kinds {
        assert!(
            found.len() >= at_least,
            "{kind} are written elsewhere now: only {found:?} were found"
        );
        let on_page = |name: &str| {
            rows.iter().any(|(first, cells)| {
                let begins = first.starts_with(name.trim_end()) || *first == name;
                begins && cells.len() >= 2 && cells[1].len() > 3
            })
        };
        missing.extend(
            found
                .into_iter()
                .filter(|name| !on_page(name))
                .map(|name| format!("{kind}: {name}")),
        );
    }
    assert!(
        missing.is_empty(),
        "docs/troubleshooting.md has no row for: {missing:#?}"
    );
}

/// A row of what nobody can meet any more misleads.
#[test]
fn the_page_of_troubles_has_no_code_that_is_gone() {
    let page = fs::read_to_string(runner().join("../docs/troubleshooting.md")).unwrap();
    let known = codes();
    let gone: Vec<&str> = rows(&page)
        .into_iter()
        .map(|(first, _)| first)
        .filter(|first| is_code(first) && !known.contains(*first))
        .collect();
    assert!(gone.is_empty(), "no error has these codes: {gone:?}");
}
