//! `darkroom init`: what it writes is what the repository holds, it validates, and it refuses what
//! it must before any effect.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use darkroom::study::{Template, files};
use sha2::Digest;

const TEMPLATES: [(Template, &str); 3] = [
    (Template::Smoke, "smoke"),
    (Template::LlmStudy, "llm-study"),
    (Template::Payload, "payload"),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns what lies below a folder, from the repository's root; caches and builds are nobody's.
fn below(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(repository().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_file() {
            found.insert(path);
        } else if !["__pycache__", "target", "decoders"].contains(&name.as_str()) {
            found.extend(below(&path));
        }
    }
    found
}

/// Returns every file below a folder, from it.
fn written(folder: &Path) -> BTreeSet<String> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeSet<String>) {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(folder, folder, &mut found);
    found
}

/// Runs `darkroom` in a folder.
fn darkroom(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone())
        .unwrap()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn refused(above: &Path, folder: &str, why: &str) {
    let output = darkroom(above, &["init", folder]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(
        stderr(&output).contains(why),
        "{why:?} is not in: {}",
        stderr(&output)
    );
    assert_eq!(output.stdout, b"");
}

#[test]
fn what_init_writes_is_what_the_repository_holds() {
    for (template, name) in TEMPLATES {
        let above = tempfile::tempdir().unwrap();
        let output = darkroom(above.path(), &["init", "study", "--template", name]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let study = above.path().join("study");
        let expected: BTreeSet<String> = files(template)
            .iter()
            .map(|file| file.path.to_owned())
            .collect();
        let mut all = expected.clone();
        all.insert("study.toml".to_owned());
        assert_eq!(written(&study), all);
        for path in &expected {
            let texts = "runner/darkroom/src/study/texts";
            let source = match path.as_str() {
                ".gitignore" => format!("{texts}/gitignore"),
                "README.md" => format!("{texts}/README.md"),
                "manifests/smoke.toml" if darkroom::prebuilt::RELEASE.is_none() => {
                    format!("{texts}/smoke.toml")
                }
                other => other.to_owned(),
            };
            assert!(
                fs::read(study.join(path)).unwrap()
                    == fs::read(repository().join(&source)).unwrap(),
                "{source}"
            );
        }
    }
}

#[test]
fn init_forgets_no_file_of_the_folders_that_it_copies() {
    let listed = |template: Template| -> BTreeSet<String> {
        files(template)
            .iter()
            .map(|file| file.path.to_owned())
            .collect()
    };
    let of = [
        (
            Template::Smoke,
            &[
                "functions/pillow",
                "functions/numpy",
                "functions/broken-example",
                "functions/rust",
                "experiments/image-pipeline",
                "experiments/prices",
            ][..],
        ),
        (
            Template::Payload,
            &["functions/pillow-payload", "experiments/payload-pipeline"],
        ),
    ];
    for (template, folders) in of {
        let listed = listed(template);
        for folder in folders {
            let forgotten: Vec<String> = below(folder).difference(&listed).cloned().collect();
            assert!(
                forgotten.is_empty(),
                "list these in src/study/files.rs, or delete them: {forgotten:#?}"
            );
        }
    }
}

#[test]
fn a_new_study_is_valid_and_is_found_from_any_folder_below_it() {
    let above = tempfile::tempdir().unwrap();
    assert!(
        darkroom(
            above.path(),
            &["init", "my study's", "--template", "payload"]
        )
        .status
        .success()
    );
    let study = above.path().join("my study's").canonicalize().unwrap();
    for manifest in ["smoke.toml", "payload.toml", "aws-first.toml"] {
        let output = darkroom(&study, &["validate", &format!("manifests/{manifest}")]);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{manifest}"
        );
    }
    let output = darkroom(&study.join("manifests"), &["validate", "smoke.toml"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stderr(&output),
        format!("project folder: {}", study.display())
    );
    assert_eq!(
        stderr(&darkroom(
            &study.join("manifests"),
            &["validate", "smoke.toml", "--quiet"]
        )),
        ""
    );
}

#[test]
fn the_models_of_an_llm_study_are_still_to_be_asked() {
    let above = tempfile::tempdir().unwrap();
    assert!(
        darkroom(above.path(), &["init", "study", "--template", "llm-study"])
            .status
            .success()
    );
    let output = darkroom(
        &above.path().join("study"),
        &["validate", "manifests/llm-study.toml"],
    );
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains(
            "15 variants of models not made yet: run `darkroom generate manifests/llm-study.toml`"
        ),
        "{said}"
    );
    let output = darkroom(&above.path().join("study"), &["generate", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_folder_that_holds_such_files_is_left_as_it_is() {
    let above = tempfile::tempdir().unwrap();
    let study = above.path().join("study");
    fs::create_dir_all(study.join("manifests")).unwrap();
    fs::write(study.join("notes.txt"), "mine").unwrap();
    assert!(
        darkroom(above.path(), &["init", "study"]).status.success(),
        "other files are in nobody's way"
    );
    fs::remove_dir_all(&study).unwrap();

    fs::create_dir_all(study.join("manifests")).unwrap();
    fs::write(study.join("README.md"), "mine").unwrap();
    // A link that leads nowhere is something, too.
    std::os::unix::fs::symlink("/nowhere", study.join("manifests/smoke.toml")).unwrap();
    let before = written(&study);
    refused(
        above.path(),
        "study",
        "already holds files that a new study would overwrite: README.md, manifests/smoke.toml",
    );
    assert_eq!(written(&study), before);
    assert_eq!(fs::read_to_string(study.join("README.md")).unwrap(), "mine");
}

#[test]
fn a_second_init_names_a_few_files_and_counts_the_others() {
    let above = tempfile::tempdir().unwrap();
    assert!(darkroom(above.path(), &["init", "."]).status.success());
    // All of the template's and the stamp, five of which are named.
    let more = files(Template::Smoke).len() + 1 - 5;
    refused(above.path(), ".", &format!("and {more} more"));
    let version = env!("CARGO_PKG_VERSION");
    refused(
        above.path(),
        ".",
        &format!("This folder is a study already, made by Darkroom {version}"),
    );
}

#[test]
fn a_study_of_another_version_is_named_where_what_is_used_differs() {
    let above = tempfile::tempdir().unwrap();
    assert!(darkroom(above.path(), &["init", "study"]).status.success());
    let study = above.path().join("study");
    let plan = |manifest: &str| stderr(&darkroom(&study, &["plan", manifest]));
    assert_eq!(plan("manifests/smoke.toml"), "", "nothing differs");

    // As another version would have left it: another file, whose hash stands in the stamp.
    let path = study.join("functions/pillow/rotate.py");
    let (now, then) = (fs::read(&path).unwrap(), b"# another version's\n");
    let hash = |bytes: &[u8]| hex::encode(sha2::Sha256::digest(bytes));
    let stamp = fs::read_to_string(study.join("study.toml")).unwrap();
    let stamp = stamp.replace(&hash(&now), &hash(then));
    let write = |version: &str| {
        let made_by = format!("made_by = \"{}\"", env!("CARGO_PKG_VERSION"));
        let other = stamp.replacen(&made_by, &format!("made_by = \"{version}\""), 1);
        assert_ne!(other, stamp);
        fs::write(study.join("study.toml"), other).unwrap();
    };
    write("0.1.0");
    assert_eq!(plan("manifests/smoke.toml"), "", "it was edited since");
    fs::write(&path, then).unwrap();
    let said = plan("manifests/smoke.toml");
    assert!(
        said.contains("Darkroom 0.1.0 made this study")
            && said.contains("functions/pillow/rotate.py is older"),
        "{said}"
    );
    let without = [
        "plan",
        "manifests/smoke.toml",
        "--set",
        "matrix.variants=[\"numpy\"]",
    ];
    assert_eq!(stderr(&darkroom(&study, &without)), "", "it is not used");

    // A newer one may say what this one does not know.
    write("99.0.0");
    fs::write(
        study.join("m.toml"),
        "[experiment]\nname = \"m\"\nnew_key = 1\n",
    )
    .unwrap();
    let output = darkroom(&study, &["plan", "m.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(said.contains("install 99.0.0 or newer"), "{said}");
}

#[test]
fn what_can_not_be_a_study_is_refused_before_any_effect() {
    let above = tempfile::tempdir().unwrap();
    fs::write(above.path().join("file"), "").unwrap();
    fs::create_dir(above.path().join("half")).unwrap();
    fs::write(above.path().join("half/functions"), "").unwrap();
    refused(
        above.path(),
        "file",
        "file is a file, but a study needs a folder",
    );
    refused(
        above.path(),
        "file/study",
        "file is a file, but a study needs a folder",
    );
    refused(above.path(), "half", "half/functions is a file");
    refused(
        above.path(),
        "two\nlines",
        "its name has a control character",
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command
        .arg("init")
        .arg(std::ffi::OsStr::from_bytes(b"caf\xe9"))
        .current_dir(above.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("its name is not UTF-8"),
        "{output:?}"
    );
    assert_eq!(
        written(above.path()),
        BTreeSet::from(["file".to_owned(), "half/functions".to_owned()])
    );
}

#[test]
fn a_place_that_can_not_be_written_is_named() {
    let output = darkroom(Path::new("/"), &["init", "/proc/study"]);
    assert!(stderr(&output).contains("cannot write"), "{output:?}");
    assert!(stderr(&output).contains("/proc"), "{output:?}");
    // The system lets root write anywhere, until it is tried.
    let is_root = nix::unistd::geteuid().is_root();
    assert_eq!(
        output.status.code(),
        Some(if is_root { 1 } else { 2 }),
        "{output:?}"
    );
}

#[test]
fn who_is_in_no_project_is_told_how_to_make_one() {
    let story = crate::story::Project::new();
    for folder in ["functions", "experiments"] {
        fs::remove_dir_all(story.root().join(folder)).unwrap();
    }
    let answer = story
        .darkroom(&["check", "pillow"])
        .exits(2)
        .says("is not in a project");
    story.shell(&answer.suggestion("darkroom init")).exits(0);
    assert!(story.root().join("study/manifests/smoke.toml").is_file());
}

#[test]
fn the_version_says_what_the_program_was_built_as() {
    let story = crate::story::Project::new();
    for arguments in [["--version", "--json"], ["--json", "--version"]] {
        let built: serde_json::Value =
            serde_json::from_str(&story.darkroom(&arguments).exits(0).stdout()).unwrap();
        assert_eq!(built["version"], env!("CARGO_PKG_VERSION"));
        assert!(
            built["target"]
                .as_str()
                .unwrap()
                .contains(std::env::consts::ARCH),
            "{built}"
        );
        assert!(
            ["debug", "release"].contains(&built["profile"].as_str().unwrap()),
            "{built}"
        );
        assert!(built.as_object().unwrap().contains_key("commit"), "{built}");
    }
    assert_eq!(
        story.darkroom(&["--version"]).exits(0).stdout(),
        format!("darkroom {}\n", env!("CARGO_PKG_VERSION"))
    );
}
