//! The first run on a machine that lacks something: no network, no Python, no writable home or
//! study. One clear message, and nothing of the run is left behind.

use std::net::TcpListener;
use std::path::Path;

use crate::story::{HOST, Project};

const REQUIREMENTS: &str = "pillow==13.0.0 \\\n    --hash=sha256:5f56499c1a74d2b862beb0c33b8016f99d095858455df9d21583bbbc1c15b582\n";
const CARGO: &str = "[package]\nname = \"bootstrap\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nitoa = \"=1.0.15\"\n\
                     [[bin]]\nname = \"bootstrap\"\npath = \"src/main.rs\"\n[workspace]\n";
const LOCK: &str = "version = 4\n\n[[package]]\nname = \"bootstrap\"\nversion = \"0.1.0\"\ndependencies = [\n \"itoa\",\n]\n\n\
                    [[package]]\nname = \"itoa\"\nversion = \"1.0.15\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\
                    checksum = \"4a5f13b858c8d314ee3e8f639011f7ccefe71f97f96e50151fb991f267928e2c\"\n";

/// A study whose variants need nothing, wheels, and crates.
fn study() -> Project {
    let project = Project::new();
    let handlers = "greyscale = \"greyscale.handler\"\nresize = \"resize.handler\"\n";
    project.variant("wheels");
    project.write(
        "functions/wheels/variant.toml",
        format!(
            "description = \"needs wheels\"\nruntime = \"python3.13\"\narchitectures = [\"{HOST}\"]\n\
             [build]\nkind = \"python\"\nrequirements = \"requirements.txt\"\n[handlers]\n{handlers}"
        ),
    );
    project.write("functions/wheels/requirements.txt", REQUIREMENTS);
    project.write(
        "functions/crates/variant.toml",
        format!(
            "description = \"needs crates\"\nruntime = \"provided.al2023\"\narchitectures = [\"{HOST}\"]\n\
             [build]\nkind = \"cargo\"\nbin = \"bootstrap\"\n[handlers]\ngreyscale = \"greyscale\"\nresize = \"resize\"\n"
        ),
    );
    project
        .write("functions/crates/Cargo.toml", CARGO)
        .write("functions/crates/Cargo.lock", LOCK)
        .write("functions/crates/src/main.rs", "fn main() {}\n")
        .manifest(&format!(
            "variants = [\"pillow\", \"wheels\", \"crates\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
        ));
    project
}

fn nothing_is_left(project: &Project) {
    let runs = project.root().join("outputs/test");
    let left = std::fs::read_dir(runs).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a run that never began is left behind");
}

#[test]
fn without_a_network_one_message_says_what_is_missing_and_what_is_here() {
    let project = study();
    // Nobody listens there: the port was this process's a moment ago.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", dead.local_addr().unwrap());
    drop(dead);
    let cargo_home = tempfile::tempdir().unwrap();
    let variables = [
        ("http_proxy", proxy.as_str()),
        ("https_proxy", proxy.as_str()),
        ("no_proxy", ""),
        ("PIP_RETRIES", "1"),
        ("PIP_NO_CACHE_DIR", "1"),
        ("PIP_FIND_LINKS", ""),
        ("CARGO_NET_RETRY", "0"),
        ("CARGO_HOME", cargo_home.path().to_str().unwrap()),
    ];
    let answer = project
        .darkroom_with(&["run", "m.toml"], &variables)
        .exits(1)
        .says("cannot reach a package index: ")
        .says(&format!(
            "missing: the crates of crates ({HOST}), the wheels of wheels ({HOST}), Lambda's python3.13 runtime"
        ))
        .says(&format!("already here: pillow ({HOST})"))
        .says("run the same command again");
    let lines = answer.stderr().lines().count();
    assert!(lines <= 12, "{lines} lines:\n{}", answer.stderr());
    nothing_is_left(&project);
}

#[test]
fn without_the_python_that_variants_need_one_message_says_how_to_get_it() {
    let project = Project::new();
    // A version that hardly any machine has yet: the usual folders are looked into anyway.
    for variant in ["pillow", "rust"] {
        let path = format!("functions/{variant}/variant.toml");
        let text = std::fs::read_to_string(project.root().join(&path)).unwrap();
        project.write(&path, text.replace("python3.13", "python3.14"));
    }
    project.manifest(&format!(
        "variants = [\"pillow\", \"rust\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
    ));
    let empty = tempfile::tempdir().unwrap();
    let nowhere = empty.path().to_str().unwrap();
    let variables = [
        "PATH",
        "HOME",
        "PYENV_ROOT",
        "XDG_DATA_HOME",
        "UV_PYTHON_INSTALL_DIR",
        "ASDF_DATA_DIR",
    ]
    .map(|name| (name, nowhere));
    let answer = project
        .darkroom_with(&["run", "m.toml"], &variables)
        .exits(1)
        .says("no Python found for `pillow`, `rust`: no working Python 3.14 found")
        .says("uv python install 3.14")
        .says("pyenv install 3.14")
        .says("your distribution's python3.14 package");
    let times = answer.stderr().matches("no working Python").count();
    assert_eq!(times, 1, "{}", answer.stderr());
    nothing_is_left(&project);
}

#[test]
fn a_home_that_can_not_be_written_to_is_not_needed() {
    let project = Project::new();
    project.share_runtimes();
    let home = std::env::var("HOME").unwrap();
    // pyenv's interpreters are found by its own variable then.
    let pyenv = std::env::var("PYENV_ROOT").unwrap_or_else(|_| format!("{home}/.pyenv"));
    let variables = [("HOME", "/proc"), ("PYENV_ROOT", pyenv.as_str())];
    // The story's handlers do nothing: what is found is that, and nothing of the machine.
    project
        .darkroom_with(&["check", "pillow"], &variables)
        .exits(1);
    let told = project
        .darkroom_with(&["check", "pillow"], &variables)
        .told();
    assert!(told.contains("WRONG") && told.contains("missing"), "{told}");
}

#[test]
fn a_home_in_which_cargo_can_keep_nothing_is_named() {
    let project = study();
    project.manifest(&format!(
        "variants = [\"crates\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
    ));
    let home = std::env::var("HOME").unwrap();
    let rustup = std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{home}/.rustup"));
    let variables = [
        ("HOME", "/proc"),
        ("CARGO_HOME", ""),
        ("RUSTUP_HOME", rustup.as_str()),
    ];
    project
        .darkroom_with(&["run", "m.toml"], &variables)
        .exits(1)
        .says("cargo cannot write to its folder /proc/.cargo")
        .says("Set CARGO_HOME to a folder that you may write to");
    nothing_is_left(&project);
}

#[test]
fn a_study_that_can_not_be_written_to_is_named_before_anything_runs() {
    for (in_the_way, said) in [
        (".darkroom", "Let your user write to .darkroom"),
        ("outputs", "Free some space, let your user write there"),
    ] {
        let project = Project::new();
        project.manifest(&format!(
            "variants = [\"pillow\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
        ));
        project.write(in_the_way, "a file, where a folder is needed");
        let path = project.root().canonicalize().unwrap().join(in_the_way);
        let answer = project.darkroom(&["run", "m.toml"]).exits(1).says(said);
        assert!(
            answer.told().contains(Path::new(&path).to_str().unwrap()),
            "{}",
            answer.stderr()
        );
        if in_the_way == ".darkroom" {
            nothing_is_left(&project);
        }
    }
}
