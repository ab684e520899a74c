//! What the documents quote of the program is what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns what `plan` prints of a manifest of this repository on AWS, without what earlier runs
/// here make it expect.
fn plan(root: &Path, manifest: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command
        .current_dir(root)
        .args(["plan", &format!("manifests/{manifest}"), "--target", "aws"]);
    let told = String::from_utf8(command.output().unwrap().stdout).unwrap();
    told.lines()
        .filter(|line| !line.starts_with("expected"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the first word of a plan's line that `is_it`.
fn word(plan: &str, line: &str, is_it: fn(&str) -> bool) -> String {
    let line = plan
        .lines()
        .find(|text| text.starts_with(line))
        .unwrap_or_else(|| panic!("no {line}: {plan}"));
    line.split([' ', ',', ';'])
        .find(|word| is_it(word))
        .unwrap_or_else(|| panic!("{line}"))
        .to_owned()
}

#[test]
fn the_costs_in_the_documents_are_those_that_plan_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/aws.md")).unwrap();
    let first = plan(&root, "aws-first.toml");
    assert!(
        page.contains(first.trim()),
        "docs/aws.md does not hold:\n{first}"
    );
    let is_usd = |word: &str| word.starts_with('$');
    for manifest in [
        "aws-first.toml",
        "smoke.toml",
        "payload.toml",
        "misbehaving.toml",
        "full.toml",
    ] {
        let plan = plan(&root, manifest);
        let functions = word(&plan, "functions", |word| word.parse::<u32>().is_ok());
        let invocations = plan
            .lines()
            .find_map(|line| line.strip_prefix("invocations  ")?.split(", ").next())
            .unwrap();
        let (at_most, in_all) = (
            word(&plan, "at most", is_usd),
            word(&plan, "in all", is_usd),
        );
        let row = format!("| `{manifest}` | {functions} | {invocations} | {at_most} | {in_all} |");
        assert!(page.contains(&row), "docs/aws.md does not hold: {row}");
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let costs = format!("costs at most: {},", word(&first, "in all", is_usd));
    assert!(readme.contains(&costs), "README.md does not hold: {costs}");
}

/// Returns the version that a line of this beginning names.
fn version<'a>(text: &'a str, begin: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(begin))
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_else(|| panic!("no line begins with {begin:?}"))
}

#[test]
fn the_version_of_the_workspace_is_the_one_that_is_cited_and_described() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let own = env!("CARGO_PKG_VERSION");
    assert_eq!(version(&text("CITATION.cff"), "version: "), own);
    assert_eq!(
        version(&text("CHANGELOG.md"), "## "),
        own,
        "the first section of CHANGELOG.md is of another version"
    );
    // Nobody else names a version: the crates and the wheel take it from the workspace.
    assert!(text("pyproject.toml").contains("dynamic = [\"version\"]"));
    for entry in fs::read_dir(root.join("runner")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let manifest: toml::Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
        assert!(
            manifest["package"]["version"].is_table(),
            "{manifest:?} has a version of its own"
        );
    }
}
