//! What an answer comes to: code, or what a model gave instead of it.

use std::fs;

use serde_json::{Value as Json, json};

use super::project::{
    HANDLER, attempts, fenced, functions, generate, outcome_of, project, provenance, text,
};
use crate::scripted::{Endpoint, Reply, completion};

#[test]
fn an_answer_without_code_that_can_be_called_is_an_outcome_of_the_model_and_kept() {
    let finished = |why: &str, text: &str| {
        Reply::Body(completion(
            text,
            &[("/choices/0/finish_reason", json!(why))],
        ))
    };
    let half = "```python\nimport os\n\ndef handler(ev";
    assert_eq!(
        outcome_of(finished("length", half)),
        "cut off (after 500 tokens)"
    );
    assert_eq!(
        outcome_of(finished("content_filter", "")),
        "refused (content filter)"
    );
    let refusal = json!({ "role": "assistant", "content": null, "refusal": "I will not." });
    let refused = completion("", &[("/choices/0/message", refusal)]);
    assert_eq!(outcome_of(Reply::Body(refused)), "refused (I will not.)");
    let of_text = |text: &str| outcome_of(Reply::Text(text.to_owned()));
    assert_eq!(
        of_text("I'm sorry, I can't help with that."),
        "no code (it begins \"I'm sorry, I can't help with that.\")"
    );
    assert_eq!(of_text(" \n"), "no answer");
    assert_eq!(
        of_text(&format!(
            "```python\n{HANDLER}```\nor\n```python\n{HANDLER}```\n"
        )),
        "several candidates (2 code blocks define `handler`)"
    );
    assert_eq!(
        of_text("```python\nimport os\ndef handler(event, context):\n    return (1\n```\n"),
        "does not parse (line 3: '(' was never closed)"
    );
    assert_eq!(
        of_text("```python\ndef lambda_handler(event, context):\n    return 1\n```\n"),
        "no handler"
    );
}

#[test]
fn a_handler_that_is_imported_assigned_or_defined_in_a_branch_is_one() {
    for code in [
        "from elsewhere import handler\n",
        "from elsewhere import *\n",
        "def main(event, context): pass\nhandler: object = main\n",
        "if True:\n    def handler(event, context): pass\n",
    ] {
        let endpoint = Endpoint::new(vec![fenced(code)]);
        let project = project(&endpoint);
        generate(&project, &["--stage", "greyscale"]).exits(0);
        assert_eq!(text(&project, "functions/new/greyscale.py"), code);
    }
    for code in [
        "def main():\n    def handler(event, context): pass\n",
        "class Handler:\n    handler = 1\n",
        "[handler for handler in ()]\n",
    ] {
        assert_eq!(outcome_of(fenced(code)), "no handler", "{code}");
    }
}

#[test]
fn an_answer_without_a_fence_is_taken_if_it_is_python_as_a_whole() {
    let endpoint = Endpoint::new(vec![Reply::Text(HANDLER.into())]);
    let project = project(&endpoint);
    generate(&project, &["--stage", "greyscale"]).exits(0);
    assert_eq!(
        provenance(&project, "new")["asks"][0]["rule"].as_str(),
        Some("whole_text")
    );
    let prose_at_the_end = format!("{HANDLER}\nI hope this helps you!\n");
    assert_eq!(
        outcome_of(Reply::Text(prose_at_the_end)),
        "no code (it begins \"def handler(event, context):\\n    return 'of one stage'\\n\\nI ho\")"
    );
}

#[test]
fn a_variant_is_made_of_the_stages_that_there_is_code_for_and_says_what_came_instead_of_others() {
    let endpoint = Endpoint::new(vec![
        fenced(HANDLER),
        Reply::Text("No.".into()),
        fenced(HANDLER),
        fenced(HANDLER),
    ]);
    let project = project(&endpoint);
    let answer = generate(&project, &["--json"]).exits(1);
    let made: Json = serde_json::from_str(&answer.stdout()).unwrap();
    let instead = json!({ "stage": "resize", "code": false, "outcome": "no_code", "detail": "it begins \"No.\"" });
    assert_eq!(
        made[0]["stages"],
        json!([{ "stage": "greyscale", "code": true }, instead])
    );
    assert_eq!(text(&project, "functions/new/greyscale.py"), HANDLER);
    assert_eq!(text(&project, "functions/new/provenance/resize.md"), "No.");
    // What a model spoilt is its answer: a second try is none, unless it is asked for and said.
    fs::remove_dir_all(project.root().join("functions/new")).unwrap();
    generate(&project, &[])
        .exits(1)
        .says("resize: answered in attempt 1, not asked again")
        .says("1 of 2 stages without code");
    assert_eq!(endpoint.asked().len(), 2);
    fs::remove_dir_all(project.root().join("functions/new")).unwrap();
    generate(&project, &["--ask-again"]).exits(0);
    assert_eq!(endpoint.asked().len(), 4);
    assert_eq!(attempts(&provenance(&project, "new")), [3, 3]);
}

#[test]
fn a_sample_without_any_code_is_a_variant_too_and_the_next_sample_is_asked_for() {
    let no = || Reply::Text("No.".into());
    let endpoint = Endpoint::new(vec![no(), no(), fenced(HANDLER), fenced(HANDLER)]);
    let project = project(&endpoint);
    generate(&project, &["--samples", "2"])
        .exits(1)
        .says("2 of 2 stages without code");
    assert_eq!(functions(&project), ["new-s1", "new-s2", "pillow", "rust"]);
    project
        .manifest("variants = [\"new-s*\"]\nimage_sets = [\"photos\"]")
        .darkroom(&["validate", "m.toml"])
        .exits(0);
}

#[test]
fn a_stage_that_is_said_to_be_missing_is_held_against_the_answers() {
    let with_a_gap = || {
        let endpoint = Endpoint::new(vec![fenced(HANDLER), Reply::Text("No.".into())]);
        let project = project(&endpoint);
        generate(&project, &["--quiet"]).exits(1);
        project.manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]");
        project
            .darkroom(&["validate", "m.toml", "--quiet"])
            .exits(0);
        project
    };
    let edit = |file: &str, from: &str, to: &str| {
        let project = with_a_gap();
        let file = format!("functions/new/{file}");
        let before = text(&project, &file);
        assert!(before.contains(from), "{before}");
        project.write(&file, before.replace(from, to));
        project.darkroom(&["validate", "m.toml"]).exits(2)
    };
    edit("provenance/resize.md", "No.", "Yes.")
        .says("functions/new/provenance/resize.md was edited after generation");
    edit("variant.toml", "no_code", "refused")
        .says("provenance.toml says `no code (it begins \"No.\")`");
    edit("variant.toml", "greyscale = \"greyscale.handler\"\n", "")
        .says("it says nothing, but provenance.toml says `greyscale.handler`");
    let project = with_a_gap();
    project.write("functions/new/resize.py", HANDLER);
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("functions/new/resize.py was added after generation");
}
