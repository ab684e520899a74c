//! The reference pages of the documentation are made from the program and the manifest's schema:
//! `DARKROOM_BLESS=1` writes them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Holds a page to what it is made of, or writes it.
fn is_current(page: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    if std::env::var_os("DARKROOM_BLESS").is_some() {
        fs::write(&path, made).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == made,
        "docs/{page} is stale: run DARKROOM_BLESS=1 cargo test --workspace --locked reference::"
    );
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
        .trim()
        .to_owned()
}

#[test]
fn the_page_of_commands_is_what_help_says() {
    let all = help(&[]);
    let listed = all.split("\nOptions").next().unwrap();
    let commands: Vec<&str> = listed
        .lines()
        .filter_map(|line| {
            line.strip_prefix("  ")
                .filter(|line| line.starts_with(char::is_alphabetic))
        })
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    let mut page =
        "# Commands\n\nWhat `darkroom --help` and each command's `--help` print.\n".to_owned();
    let _ = write!(page, "\n```text\n{all}\n```\n");
    for command in commands {
        let _ = write!(
            page,
            "\n## darkroom {command}\n\n```text\n{}\n```\n",
            help(&[command])
        );
    }
    is_current("commands.md", &page);
}

/// Returns what a key may be, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(levels) = schema["enum"].as_array() {
        return levels
            .iter()
            .map(|level| {
                format!(
                    "`{}`",
                    level.as_str().map_or(level.to_string(), str::to_owned)
                )
            })
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(levels) = schema["oneOf"].as_array() {
        let level = |level: &Value| {
            let (name, what) = (
                level["const"].as_str().unwrap_or_default(),
                level["description"].as_str().unwrap_or_default(),
            );
            format!(
                "`{name}` ({})",
                what.replace('\n', " ").trim_end_matches('.')
            )
        };
        return levels.iter().map(level).collect::<Vec<_>>().join(", ");
    }
    let bounds: String = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "more than"),
        ("maximum", "at most"),
    ]
    .iter()
    .filter_map(|(key, words)| Some(format!(", {words} {}", schema.get(*key)?)))
    .collect();
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = alternatives.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => "table".to_owned(),
        Some(name) => format!("{name}{bounds}"),
        None => "see the text".to_owned(),
    }
}

fn section(page: &mut String, path: &str, schema: &Value) {
    let Some(keys) = schema["properties"].as_object() else {
        return;
    };
    let text = |schema: &Value| {
        schema["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|")
    };
    let _ = write!(
        page,
        "\n## [{path}]\n\n{}\n\n| key | may be | default | what it says |\n|---|---|---|---|\n",
        text(schema)
    );
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // The schema lists both spellings of a list for editors; a reader needs one.
    for (key, value) in keys
        .iter()
        .filter(|(_, value)| !text(value).starts_with("Another spelling of"))
    {
        let default = match value.get("default") {
            _ if required.contains(&key.as_str()) => "must be given".to_owned(),
            Some(default) if !default.is_null() && !default.is_object() => format!("`{default}`"),
            _ => String::new(),
        };
        let _ = writeln!(
            page,
            "| `{key}` | {} | {default} | {} |",
            kind(value).replace('|', "\\|"),
            text(value)
        );
    }
    for (key, value) in keys {
        section(page, &format!("{path}.{key}"), value);
        let other_spelling = text(value).starts_with("Another spelling of");
        let items = value["items"]["anyOf"].as_array();
        for item in items.into_iter().flatten().filter(|_| !other_spelling) {
            section(page, &format!("an item of {path}.{key}"), item);
        }
    }
}

#[test]
fn the_page_of_the_manifest_is_what_its_schema_says() {
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../manifests/manifest.schema.json"
    );
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    let mut page = "# Manifest\n\nEvery key of a manifest, made from its JSON Schema (`darkroom schema`). An unknown key is an error that \
                    names the nearest known one.\n"
        .to_owned();
    let tables = schema["properties"].as_object().unwrap();
    assert!(tables.len() > 5, "{tables:?}");
    for (name, table) in tables {
        section(&mut page, name, table);
    }
    is_current("manifest.md", &page);
}
