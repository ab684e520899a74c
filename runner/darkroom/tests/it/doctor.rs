//! Stories of `doctor`: each check is told as it ends.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::story::Project;

#[test]
fn checks_are_shown_while_later_ones_are_still_waited_for() {
    let project = Project::new();
    let (pipe, python) = (
        project.root().join("pipe"),
        project.root().join("bin/python3.13"),
    );
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // An interpreter that answers once it is let: whoever waits for all checks would wait for ever.
    project.write(
        "bin/python3.13",
        format!("#!/bin/sh\ncat {}\nexit 1\n", pipe.display()),
    );
    std::fs::set_permissions(&python, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let paths = std::env::var_os("PATH").unwrap();
    let path = std::iter::once(project.root().join("bin")).chain(std::env::split_paths(&paths));
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .arg("doctor")
        .current_dir(project.root())
        .env("PATH", std::env::join_paths(path).unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(doctor.stdout.take().unwrap()).lines();
    let mut told = BufReader::new(doctor.stderr.take().unwrap()).lines();
    assert!(
        said.next()
            .unwrap()
            .unwrap()
            .starts_with("ok       architectures ")
    );
    assert!(said.next().unwrap().unwrap().contains(" memory sizes "));
    let waits = told.next().unwrap().unwrap();
    assert_eq!(
        waits,
        "...      looking for Python 3.13: trying every interpreter found"
    );
    drop(std::fs::OpenOptions::new().write(true).open(&pipe).unwrap());
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.contains("local cloud")),
        "{rest:?}"
    );
    let told: Vec<String> = told.map(Result::unwrap).collect();
    assert!(
        told.iter()
            .any(|line| line.contains("starting a local cloud")),
        "{told:?}"
    );
    doctor.wait().unwrap();
}
