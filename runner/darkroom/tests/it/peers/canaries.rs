//! Secrets of the person who runs it are nowhere in what a run writes, deploys, logs or says.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::endpoint::{Account, Endpoint, Kind};
use super::study::{Person, small};
use crate::story::{HOST, Project};

/// What is planted: where, and what it looks like. No part of one is in another, nor anywhere else.
const SECRETS: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "AKIACANARYKEYID00001"),
    (
        "AWS_SECRET_ACCESS_KEY",
        "canary/secret/access/key/0123456789abcdef",
    ),
    ("AWS_SESSION_TOKEN", "canary-session-token-0123456789"),
    ("OPENAI_API_KEY", "sk-canary-0123456789abcdef"),
    ("SOME_PASSWORD", "canary-password-of-the-process"),
];
/// In files of the home folder.
const AT_HOME: &str = "canary-of-the-home-folder";

const MANIFEST: &str = r#"
profile = false

[experiment]
name = "peer"

[target]
keep = true       # so that functions, layers and logs can be looked into

[matrix]
variants = ["pillow", "spy"]
image_sets = ["photos"]
architectures = ["HOST"]

[repetitions]
count = 1
warm_up = 1
"#;

/// Looks for secrets where a handler can: its environment and the home folder of whoever runs it.
/// Logs and answers with what it finds, then fails.
const SPY: &str = "
import json, os, pathlib

def handler(event, context):
    found = {}
    for path in (os.path.expanduser('~'), 'HOME_FOLDER'):
        for file in ('.aws/credentials', '.netrc'):
            try:
                found[file] = pathlib.Path(path, file).read_text()
            except OSError as error:
                found[file] = str(error)
    found.update(os.environ)
    print(json.dumps(found))
    raise RuntimeError(json.dumps(found))
";

/// `home` is where else the spy looks: ministack's functions are plain processes of this machine,
/// so that there it could read any file; what is asked of them is what the run itself gave them.
fn project(home: Option<&str>) -> Project {
    let project = small(&["pillow"]);
    project.write(
        "home/.aws/credentials",
        format!("[other]\naws_secret_access_key = {AT_HOME}\n"),
    );
    project.write(
        "home/.netrc",
        format!("machine example.org password {AT_HOME}\n"),
    );
    let handlers = "handlers = { greyscale = \"spy.handler\", resize = \"spy.handler\", colour-depth = \"spy.handler\", rotate = \"spy.handler\", convert = \"spy.handler\" }";
    let head = "description = \"looks for secrets\"\nruntime = \"python3.13\"\narchitectures = [\"x86_64\", \"arm64\"]\n";
    project.write(
        "functions/spy/variant.toml",
        format!("{head}build = {{ kind = \"python\" }}\n{handlers}\n"),
    );
    let home = home.map_or("~".to_owned(), |home| {
        project.root().join(home).display().to_string()
    });
    project.write("functions/spy/spy.py", SPY.replace("HOME_FOLDER", &home));
    project.write("m.toml", MANIFEST.replace("HOST", HOST));
    project
}

fn canaries() -> Vec<&'static str> {
    SECRETS
        .iter()
        .map(|(_, secret)| *secret)
        .chain([AT_HOME])
        .collect()
}

/// Everything that was written or said, as text that can be searched: zips unpacked, tables in
/// full.
fn everything(project: &Project, person: &Person<'_>, said: Vec<String>) -> Vec<(String, String)> {
    let mut found: Vec<_> = said
        .into_iter()
        .map(|text| ("what was said".to_owned(), text))
        .collect();
    let run = project.root().join("outputs/peer/latest");
    for entry in fs::read_dir(&run).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(table) = name.strip_suffix(".parquet") {
            let told = person
                .darkroom(&[
                    "export",
                    "outputs/peer/latest",
                    "--table",
                    table,
                    "--format",
                    "csv",
                ])
                .exits(0);
            found.push((name, told));
        }
    }
    for folder in ["outputs", ".darkroom", "exported"] {
        files(&project.root().join(folder), &mut found);
    }
    found
}

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        // Runtimes are what package indexes gave, the same for every test.
        if path.is_dir() && !path.ends_with(".darkroom/runtimes") {
            files(&path, found);
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            if path.extension().is_some_and(|extension| extension == "zip") {
                unpacked(&path, found);
            }
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    }
}

fn unpacked(path: &PathBuf, found: &mut Vec<(String, String)>) {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        found.push((
            format!("{} in {}", file.name().unwrap(), path.display()),
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
}

#[track_caller]
fn no_canary_in(everything: &[(String, String)]) {
    for (place, text) in everything {
        for canary in canaries() {
            assert!(!text.contains(canary), "{canary} is in {place}");
        }
    }
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn a_run_through_an_endpoint_shows_no_secret_anywhere() {
    let endpoint = Endpoint::start(Kind::Ministack);
    let project = project(None);
    let mut person = Person::new(&project, endpoint.url())
        .with("RUST_LOG", "trace")
        .with("RUST_BACKTRACE", "full");
    for (name, secret) in SECRETS {
        person = person.with(name, secret);
    }
    let mut said = Vec::new();
    let told = person
        .darkroom(&["run", "m.toml", "--target", "aws", "--yes"])
        .exits(1);
    assert!(
        told.contains("FAILED spy") && told.contains(".netrc"),
        "the spy did not run: {told}"
    );
    said.push(told);
    for arguments in [
        &["report", "outputs/peer/latest"][..],
        &["aggregate", "outputs/peer/latest", "--json"],
    ] {
        said.push(person.darkroom(arguments).text());
    }
    let there = Account::of(endpoint.url()).everything();
    assert!(
        there.contains("OUTPUT_BUCKET") && there.contains(".netrc"),
        "{there}"
    );
    said.push(there);
    // Keys that are refused are named by their error, not by their text.
    let broken =
        Person::new(&project, "http://127.0.0.1:9").with("AWS_SECRET_ACCESS_KEY", SECRETS[1].1);
    said.push(
        broken
            .darkroom(&["run", "m.toml", "--target", "aws", "--yes"])
            .text(),
    );
    said.push(
        person
            .darkroom(&["clean", "--target", "aws", "--yes"])
            .exits(0),
    );
    no_canary_in(&everything(&project, &person, said));
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn a_run_on_the_local_cloud_shows_no_secret_and_handlers_cannot_find_one() {
    let project = project(Some("home"));
    let mut person = Person::new(&project, "http://127.0.0.1:9").with("RUST_LOG", "trace");
    for (name, secret) in SECRETS {
        person = person.with(name, secret);
    }
    let told = person.darkroom(&["run", "m.toml"]).exits(1);
    assert!(
        told.contains("FAILED spy") && told.contains(".netrc"),
        "the spy did not run: {told}"
    );
    let everything = everything(&project, &person, vec![told]);
    // What the spy found is there to be searched.
    let logged = everything
        .iter()
        .any(|(place, text)| place.contains("/.darkroom/cloud/") && text.contains(".netrc"));
    assert!(logged, "the spy's findings are nowhere");
    no_canary_in(&everything);
}
