//! ARCHITECTURE.md's invariants, as far as a test can see them: who may know whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Names of what a crate depends on, those of its tests not included.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let folders = fs::read_dir(root().join("runner"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    folders
        .map(|folder| {
            let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml"))
                .unwrap()
                .parse()
                .unwrap();
            let names = |table: Option<&toml::Value>| {
                table.unwrap().as_table().unwrap().keys().cloned().collect()
            };
            (
                folder.file_name().unwrap().to_str().unwrap().to_owned(),
                names(manifest.get("dependencies")),
            )
        })
        .collect()
}

fn ours(of: &str) -> Vec<String> {
    dependencies()[of]
        .iter()
        .filter(|name| name.starts_with("darkroom"))
        .cloned()
        .collect()
}

#[test]
fn crates_know_only_whom_they_may_know() {
    assert_eq!(ours("darkroom-core"), [""; 0]);
    assert_eq!(ours("darkroom-cloud"), [""; 0]);
    assert_eq!(ours("darkroom-contract"), ["darkroom-core"]);
    assert_eq!(ours("darkroom-tables"), ["darkroom-core"]);
    assert_eq!(
        ours("darkroom-report"),
        ["darkroom-core", "darkroom-tables"]
    );
    assert_eq!(
        ours("darkroom"),
        [
            "darkroom-cloud",
            "darkroom-contract",
            "darkroom-core",
            "darkroom-report",
            "darkroom-tables"
        ]
    );
}

#[test]
fn only_the_binary_names_the_sdk_and_only_the_tables_name_polars() {
    let who = |name: fn(&str) -> bool| -> Vec<String> {
        let named = dependencies()
            .into_iter()
            .filter(|(_, names)| names.iter().any(|dependency| name(dependency)));
        named.map(|(of, _)| of).collect()
    };
    assert_eq!(
        who(|name| name.starts_with("aws-sdk") || name == "aws-config"),
        ["darkroom"]
    );
    assert_eq!(who(|name| name == "polars"), ["darkroom-tables"]);
}

#[test]
fn the_pure_crates_have_no_way_to_do_io_asynchronously() {
    for pure in ["darkroom-core", "darkroom-contract", "darkroom-tables"] {
        assert!(!dependencies()[pure].contains("tokio"), "{pure}");
    }
}

#[test]
fn the_measured_code_is_no_part_of_the_workspace() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let excluded = manifest["workspace"]["exclude"].as_array().unwrap();
    assert!(
        excluded
            .iter()
            .any(|folder| folder.as_str() == Some("functions"))
    );
    assert!(root().join("functions/rust/Cargo.lock").is_file());
}

/// The rooms of the `darkroom` crate, each with those that it may not know: data flows one way.
const MAY_NOT_KNOW: [(&str, &[&str]); 16] = [
    (
        "study",
        &[
            "command", "session", "results", "display", "execute", "deploy", "package", "target",
            "record", "cli",
        ],
    ),
    (
        "advice",
        &[
            "project",
            "which_run",
            "exit",
            "cli",
            "command",
            "session",
            "display",
        ],
    ),
    (
        "project",
        &[
            "which_run",
            "generate",
            "import",
            "command",
            "session",
            "results",
            "display",
            "execute",
            "deploy",
            "target",
            "record",
        ],
    ),
    (
        "provenance",
        &[
            "project", "generate", "command", "session", "results", "display", "execute", "deploy",
            "target", "record",
        ],
    ),
    (
        "which_run",
        &[
            "command", "session", "results", "display", "execute", "deploy", "target", "record",
        ],
    ),
    (
        "record",
        &[
            "command", "session", "results", "display", "execute", "deploy", "package", "target",
            "cli",
        ],
    ),
    (
        "package",
        &[
            "command", "session", "results", "display", "execute", "deploy", "target", "record",
            "cli",
        ],
    ),
    (
        "deploy",
        &[
            "command", "session", "results", "display", "execute", "target", "record", "cli",
        ],
    ),
    (
        "execute",
        &[
            "command", "session", "results", "display", "target", "project", "package", "cli",
        ],
    ),
    (
        "examine",
        &[
            "command", "session", "results", "display", "execute", "deploy", "target", "record",
            "cli",
        ],
    ),
    (
        "target",
        &["command", "session", "results", "display", "cli"],
    ),
    (
        "import",
        &[
            "command", "session", "results", "display", "execute", "deploy", "target", "cli",
        ],
    ),
    (
        "display",
        &[
            "command", "session", "results", "target", "record", "deploy", "package",
        ],
    ),
    (
        "results",
        &[
            "command", "session", "execute", "deploy", "package", "target", "generate",
        ],
    ),
    ("session", &["command", "generate"]),
    (
        "cli",
        &[
            "command", "session", "results", "execute", "deploy", "package", "target", "record",
            "display",
        ],
    ),
];

/// Returns the production code of every file of a room: what stands before its tests.
fn sources(room: &Path) -> Vec<(PathBuf, String)> {
    if room.is_dir() {
        let entries = fs::read_dir(room)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        return entries.flat_map(|entry| sources(&entry)).collect();
    }
    let is_code = room.extension().is_some_and(|end| end == "rs")
        && room.file_stem().is_some_and(|name| name != "tests");
    let text = is_code.then(|| fs::read_to_string(room).unwrap());
    let code = |text: String| {
        text.split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    text.map(code)
        .map(|text| (room.to_owned(), text))
        .into_iter()
        .collect()
}

fn room(name: &str) -> Vec<(PathBuf, String)> {
    let folder = root().join("runner/darkroom/src").join(name);
    let found = sources(&if folder.is_dir() {
        folder
    } else {
        folder.with_extension("rs")
    });
    assert!(!found.is_empty(), "there is no room {name}");
    found
}

/// Says whether code names a module of the crate by its path.
fn names(code: &str, module: &str) -> bool {
    let path = format!("crate::{module}");
    code.match_indices(&path).any(|(at, _)| {
        let after = code[at + path.len()..].chars().next();
        !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn a_room_knows_none_that_comes_after_it() {
    let mut found = Vec::new();
    for (of, others) in MAY_NOT_KNOW {
        for (path, code) in room(of) {
            let known = others.iter().filter(|other| names(&code, other));
            found.extend(known.map(|other| format!("{} names {other}", path.display())));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(
        names("use crate::session::Job;", "session")
            && !names("use crate::sessions::Job;", "session")
    );
}

/// Returns every room of the `darkroom` crate with those that it names.
fn known_rooms() -> BTreeMap<String, BTreeSet<String>> {
    let entries = fs::read_dir(root().join("runner/darkroom/src"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let names_of: BTreeSet<String> = entries
        .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "rs"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name != "lib" && name != "main")
        .collect();
    let known = |of: &String| {
        let code: String = room(of).into_iter().map(|(_, code)| code).collect();
        names_of
            .iter()
            .filter(|other| *other != of && names(&code, other))
            .cloned()
            .collect()
    };
    names_of.iter().map(|of| (of.clone(), known(of))).collect()
}

#[test]
fn no_room_knows_itself_by_way_of_others() {
    let mut left = known_rooms();
    // Takes away, again and again, the rooms that know none of those that are left: of a circle
    // each knows one.
    loop {
        let leaves: Vec<String> = left
            .iter()
            .filter(|(_, known)| !known.iter().any(|of| left.contains_key(of)))
            .map(|(of, _)| of.clone())
            .collect();
        if leaves.is_empty() {
            break;
        }
        left.retain(|of, _| !leaves.contains(of));
    }
    assert!(left.is_empty(), "{left:#?}");
}

/// Returns every `mod.rs` of production code, from `runner` on, with its text.
fn mod_files() -> Vec<(String, String)> {
    let runner = root().join("runner");
    let crates = fs::read_dir(&runner)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"));
    let files = crates.flat_map(|src| sources(&src));
    let named = files.map(|(path, code)| {
        let name = path.strip_prefix(&runner).unwrap();
        (name.to_str().unwrap().to_owned(), code)
    });
    named
        .filter(|(name, _)| name.ends_with("/mod.rs"))
        .collect()
}

/// A `mod.rs` declares and re-exports; every idea has a file named for it.
#[test]
fn a_rooms_mod_rs_only_declares() {
    let begins = [
        "fn ",
        "struct ",
        "enum ",
        "impl",
        "const ",
        "static ",
        "trait ",
        "type ",
        "macro_rules",
        "async ",
    ];
    let is_logic = |line: &&str| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        let line = line
            .strip_prefix("pub(")
            .and_then(|rest| rest.split_once(") "))
            .map_or(line, |(_, rest)| rest);
        begins.iter().any(|begin| line.starts_with(begin))
    };
    let files = mod_files();
    assert!(files.len() > 30, "{}", files.len());
    let with_logic: BTreeMap<&str, Vec<&str>> = files
        .iter()
        .map(|(name, code)| (name.as_str(), code.lines().filter(is_logic).collect()))
        .filter(|(_, logic): &(&str, Vec<&str>)| !logic.is_empty())
        .collect();
    assert!(with_logic.is_empty(), "{with_logic:#?}");
}

#[test]
fn only_the_display_prints() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let lints = &workspace["workspace"]["lints"]["clippy"];
    assert!(
        ["print_stdout", "print_stderr"]
            .iter()
            .all(|lint| lints[*lint].as_str() == Some("warn"))
    );
    let excused = sources(&root().join("runner/darkroom/src"))
        .into_iter()
        .filter(|(_, code)| code.contains("clippy::print_"));
    let excused: Vec<PathBuf> = excused.map(|(path, _)| path).collect();
    let display = root().join("runner/darkroom/src/display");
    assert!(
        excused.iter().all(|path| path.starts_with(&display)),
        "{excused:?}"
    );
}

#[test]
fn what_packages_deploys_and_measures_does_not_ask_where_it_runs() {
    let asks = ["Cloud::Local", "Cloud::Aws", "\"local\"", "\"aws\""];
    let mut found = Vec::new();
    for of in [
        "package", "deploy", "execute", "record", "examine", "session",
    ] {
        let of_room = room(of)
            .into_iter()
            .filter(|(_, code)| asks.iter().any(|ask| code.contains(ask)));
        found.extend(of_room.map(|(path, _)| path));
    }
    assert!(found.is_empty(), "{found:?}");
}

/// Returns the files of the `darkroom` crate whose code contains one of these, from its `src` on.
fn files_with(what: &[&str]) -> Vec<String> {
    let src = root().join("runner/darkroom/src");
    let found = sources(&src)
        .into_iter()
        .filter(|(_, code)| what.iter().any(|what| code.contains(what)));
    found
        .map(|(path, _)| path.strip_prefix(&src).unwrap().display().to_string())
        .collect()
}

/// The journal is the only file that is written to again after it was made.
#[test]
fn one_file_writes_to_what_was_written_before() {
    assert_eq!(
        files_with(&[".append(true)", ".set_len("]),
        ["record/journal.rs"]
    );
}

#[test]
fn one_file_builds_the_runtime_and_one_reads_prices() {
    assert_eq!(
        files_with(&[
            "Runtime::new(",
            "Builder::new_multi_thread(",
            "Builder::new_current_thread("
        ]),
        ["threads.rs"]
    );
    assert_eq!(files_with(&["PriceTable::parse("]), ["results/prices.rs"]);
}

#[test]
fn what_counts_is_decided_by_the_ledger_alone() {
    let runner = root().join("runner");
    let crates = fs::read_dir(runner)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"));
    let deciding = crates
        .flat_map(|src| sources(&src))
        .filter(|(_, code)| code.contains("-> CountsAs {"));
    let deciding: Vec<String> = deciding
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into())
        .collect();
    // The second asks the ledger about one of its rows.
    assert_eq!(
        BTreeSet::from_iter(deciding),
        BTreeSet::from(["counting.rs".to_owned()])
    );
}

/// Returns how often each name is defined in production code, as a type or a function, for the
/// names that are asked for.
fn definitions(names: &[&str]) -> BTreeMap<String, Vec<String>> {
    let runner = root().join("runner");
    let crates = fs::read_dir(&runner)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("src"));
    let mut found: BTreeMap<String, Vec<String>> = names
        .iter()
        .map(|name| ((*name).to_owned(), Vec::new()))
        .collect();
    for (path, code) in crates.flat_map(|src| sources(&src)) {
        let words: Vec<&str> = code
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words
            .windows(2)
            .filter(|pair| ["struct", "enum", "trait", "fn"].contains(&pair[0]))
        {
            if let Some(places) = found.get_mut(pair[1]) {
                places.push(path.strip_prefix(&runner).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn names_that_meant_several_things_mean_one() {
    let types = [
        "Group", "Failure", "Answer", "Facts", "Target", "Settings", "State", "Store", "Verdict",
        "Fault", "Plan", "Request", "Rule", "Unusable", "Watch",
    ];
    let functions = ["told", "place", "refused", "travel"];
    for (name, places) in definitions(&[&types[..], &functions].concat()) {
        assert!(places.len() <= 1, "`{name}` is defined in {places:#?}");
    }
}

/// Returns the code below `runner`, tests included.
fn all_code() -> String {
    fn collect(folder: &Path, code: &mut String) {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                collect(&path, code);
            } else if path.extension().is_some_and(|end| end == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut code = String::new();
    collect(&root().join("runner"), &mut code);
    code
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("## Invariants").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let count = |is: fn(char) -> bool| section.lines().filter(|line| line.starts_with(is)).count();
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows
        .filter(|row| row[2..].starts_with(char::is_numeric))
        .collect();
    assert_eq!(rows.len(), count(char::is_numeric), "an invariant, a row");
    let code = all_code();
    for row in rows {
        let tests: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests.iter().filter(|test| !test.contains('/')) {
            assert!(
                code.contains(&format!("fn {test}()")),
                "no test `{test}`: {row}"
            );
        }
    }
}

#[test]
fn the_glossarys_names_are_those_of_the_code() {
    let glossary = fs::read_to_string(root().join("GLOSSARY.md")).unwrap();
    let section = glossary.split("## Names in the code").nth(1).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let is_type = |word: &&str| {
        word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphanumeric)
    };
    let names: BTreeSet<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(is_type)
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let names: Vec<&str> = names.into_iter().collect();
    let missing: Vec<String> = definitions(&names)
        .into_iter()
        .filter(|(_, places)| places.is_empty())
        .map(|(name, _)| name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
