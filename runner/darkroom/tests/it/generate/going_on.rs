//! What a later command makes of the answers that an earlier one got.

use std::fs;

use super::project::{
    HANDLER, KEY, attempts, error, fenced, functions, generate, models, project, provenance, text,
    with,
};
use crate::scripted::{Endpoint, Reply};
use crate::story::Project;

/// What becomes of a second try after a first one that ended so, with another endpoint and another
/// key.
#[track_caller]
fn goes_on_after(end: Reply) {
    let broken = Endpoint::new(
        std::iter::once(fenced("def handler(event, context):\n    return 1\n"))
            .chain(vec![end; 4])
            .collect(),
    );
    let project = project(&broken);
    models(&project, &broken, "timeout_s = 5\n");
    generate(&project, &[])
        .exits(1)
        .says("kept in .darkroom/generate/new");
    let whole = Endpoint::new(vec![fenced(HANDLER)]);
    models(&project, &whole, "");
    project
        .darkroom_with(&with(&["new"]), &[("SCRIPTED_KEY", "another-key")])
        .exits(0);
    assert_eq!(whole.asked().len(), 1, "only what is missing");
    assert_eq!(whole.asked()[0].authorization, "Bearer another-key");
    assert_eq!(
        text(&project, "functions/new/greyscale.py"),
        "def handler(event, context):\n    return 1\n"
    );
    let provenance = provenance(&project, "new");
    assert_eq!(attempts(&provenance), [1, 2]);
    let asked_at = |ask: usize| {
        provenance["asks"][ask]
            .get("base_url")
            .and_then(toml::Value::as_str)
    };
    assert_eq!(
        (asked_at(0), asked_at(1)),
        (Some(broken.url()), None),
        "where it was asked, if not at the address above"
    );
    assert_eq!(provenance["base_url"].as_str(), Some(whole.url()));
}

#[test]
fn an_answer_that_was_given_is_not_asked_again_whatever_ended_the_attempt() {
    goes_on_after(Reply::Status(
        500,
        vec![("retry-after", "0")],
        error("broken", "server_error"),
    ));
    goes_on_after(Reply::Status(
        401,
        vec![],
        error("expired", "invalid_request_error"),
    ));
    goes_on_after(Reply::HangUp);
    goes_on_after(Reply::Cut);
    goes_on_after(Reply::Hang);
}

#[test]
fn another_question_is_asked_and_so_is_one_whose_answer_was_changed() {
    let expired = || Reply::Status(401, vec![], error("expired", "invalid_request_error"));
    let endpoint = Endpoint::new(vec![fenced(HANDLER), expired(), expired()]);
    let project = project(&endpoint);
    generate(&project, &[]).exits(1);
    project.write(
        ".darkroom/generate/new/1/greyscale.md",
        "```python\ndef handler(event, context):\n    return 'mine'\n```\n",
    );
    generate(&project, &[]).exits(1);
    assert_eq!(endpoint.asked().len(), 3, "an edited answer is nobody's");
    let warmer = Endpoint::new(vec![fenced(HANDLER), fenced(HANDLER)]);
    models(&project, &warmer, "");
    let entry = text(&project, "experiments/image-pipeline/models.toml").replace("0.5", "0.7");
    project.write("experiments/image-pipeline/models.toml", entry);
    generate(&project, &[]).exits(0);
    assert_eq!(attempts(&provenance(&project, "new")), [3, 3]);
}

#[test]
fn a_deleted_variant_is_made_of_the_same_answers_unless_asked_for_again() {
    let endpoint = Endpoint::new(
        (0..4)
            .map(|n| fenced(&format!("{HANDLER}# {n}\n")))
            .collect(),
    );
    let project = project(&endpoint);
    generate(&project, &[]).exits(0);
    let first = text(&project, "functions/new/resize.py");
    fs::remove_dir_all(project.root().join("functions/new")).unwrap();
    generate(&project, &[]).exits(0);
    assert_eq!(
        (
            text(&project, "functions/new/resize.py"),
            endpoint.asked().len()
        ),
        (first, 2)
    );
    assert_eq!(provenance(&project, "new")["attempt"].as_integer(), Some(2));
    fs::remove_dir_all(project.root().join("functions/new")).unwrap();
    generate(&project, &["--ask-again"]).exits(0);
    assert_eq!(attempts(&provenance(&project, "new")), [3, 3]);
}

/// Runs `generate` until the endpoint was asked this often, and kills it.
fn killed_after(project: &Project, endpoint: &Endpoint, asked: usize, more: &[&str]) {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(with(&["new"]))
        .args(more)
        .current_dir(project.root())
        .env("SCRIPTED_KEY", KEY)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while endpoint.asked().len() < asked {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it asked {asked} times"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_kill_loses_no_answer_and_what_it_leaves_is_swept() {
    let endpoint = Endpoint::new(vec![fenced(HANDLER), Reply::Hang]);
    let project = project(&endpoint);
    killed_after(&project, &endpoint, 2, &[]);
    assert_eq!(
        functions(&project).len(),
        3,
        "a hidden draft is left behind: {:?}",
        functions(&project)
    );
    let more = Endpoint::new(vec![fenced(HANDLER)]);
    models(&project, &more, "");
    generate(&project, &[]).exits(0);
    assert_eq!(more.asked().len(), 1);
    assert_eq!(functions(&project), ["new", "pillow", "rust"]);
    assert_eq!(attempts(&provenance(&project, "new")), [1, 2]);
}

#[test]
fn an_interrupt_leaves_nothing_half_written() {
    let endpoint = Endpoint::new(vec![fenced(HANDLER), Reply::Hang]);
    let project = project(&endpoint);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom"))
        .args(with(&["new"]))
        .current_dir(project.root())
        .env("SCRIPTED_KEY", KEY)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while endpoint.asked().len() < 2 {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it asked twice"
        );
        std::thread::yield_now();
    }
    let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(functions(&project), ["pillow", "rust"]);
}
