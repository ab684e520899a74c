//! What is asked, with which words, and what the answers become.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::project::{
    HANDLER, KEY, fenced, files_with_key, functions, generate, models, project, provenance, text,
    with,
};
use crate::scripted::Endpoint;

#[test]
fn every_stage_is_asked_for_once_and_the_answers_become_a_variant() {
    let endpoint = Endpoint::new(vec![fenced(HANDLER), fenced(HANDLER)]);
    let project = project(&endpoint);
    let answer = generate(&project, &[]).exits(0);
    assert_eq!(answer.stdout(), "functions/new\n");
    let asked = endpoint.asked();
    let dry: Json = serde_json::from_str(
        &generate(&project, &["--dry-run", "--json"])
            .exits(0)
            .stdout(),
    )
    .unwrap();
    for (index, stage) in ["greyscale", "resize"].into_iter().enumerate() {
        assert_eq!(asked[index].authorization, format!("Bearer {KEY}"));
        assert_eq!(asked[index].body["model"], "scripted-model");
        assert_eq!(asked[index].body["temperature"], 0.5);
        assert_eq!(
            asked[index].body["messages"],
            json!([{ "role": "user", "content": dry[index]["prompt"] }])
        );
        assert_eq!(
            text(&project, &format!("functions/new/{stage}.py")),
            HANDLER
        );
        let kept = text(&project, &format!("functions/new/provenance/{stage}.md"));
        assert_eq!(
            kept,
            format!("Here it is:\n\n```python\n{HANDLER}```\n"),
            "word for word"
        );
        let ask = &provenance(&project, "new")["asks"][index];
        assert_eq!(
            ask["prompt_sha256"].as_str(),
            Some(hex::encode(Sha256::digest(asked[index].words())).as_str())
        );
        assert_eq!(
            ask["answer_sha256"].as_str(),
            Some(hex::encode(Sha256::digest(&kept)).as_str())
        );
        assert_eq!(ask["model_answered"].as_str(), Some("scripted-model"));
        assert_eq!(
            (
                ask["input_tokens"].as_integer(),
                ask["output_tokens"].as_integer()
            ),
            (Some(1000), Some(500))
        );
        assert!((ask["cost_usd"].as_float().unwrap() - 0.006).abs() < 1e-12);
        assert_eq!(ask["rule"].as_str(), Some("only_block"));
        assert!(
            ask["asked_at"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .is_ok()
        );
    }
    assert_eq!(asked.len(), 2);
    project
        .manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]")
        .darkroom(&["validate", "m.toml"])
        .exits(0);
    assert_eq!(files_with_key(project.root()), [""; 0].map(PathBuf::from));
    assert!(!answer.stderr().contains(KEY));
}

#[test]
fn what_is_suggested_for_variants_that_no_model_was_asked_for_makes_them() {
    let endpoint = Endpoint::new(vec![fenced(HANDLER); 6]);
    let project = project(&endpoint);
    let key = [("SCRIPTED_KEY", KEY)];
    for (variants, made) in [
        ("\"scripted\"", vec!["scripted"]),
        ("\"scripted-s2\"", vec!["scripted-s1", "scripted-s2"]),
    ] {
        project.manifest(&format!(
            "variants = [{variants}]\nimage_sets = [\"photos\"]"
        ));
        let refused = project.darkroom(&["validate", "m.toml"]).exits(2);
        project
            .shell_with(&refused.suggestion("darkroom generate"), &key)
            .exits(0);
        assert!(
            made.iter()
                .all(|name| functions(&project).contains(&(*name).to_owned())),
            "{:?}",
            functions(&project)
        );
        project.darkroom(&["validate", "m.toml"]).exits(0);
    }
    assert_eq!(endpoint.asked().len(), 6);
}

#[test]
fn the_prompts_are_printed_without_a_key_and_nobody_is_asked() {
    let endpoint = Endpoint::new(vec![]);
    let project = project(&endpoint);
    let arguments = [
        "generate",
        "--model",
        "scripted",
        "--variant",
        "new",
        "--dry-run",
        "--stage",
        "resize",
        "--python",
        "3.14",
    ];
    let prompt = project.darkroom(&arguments).exits(0).stdout();
    assert!(
        prompt.starts_with("Write an AWS Lambda function in Python 3.14."),
        "{prompt}"
    );
    assert!(
        prompt.contains("numpy 2.5.5 and pillow 13.0.0") && prompt.contains("\"Records\""),
        "{prompt}"
    );
    assert!(endpoint.asked().is_empty() && functions(&project) == ["pillow", "rust"]);
    let both = project
        .darkroom(&[
            "generate",
            "--model",
            "scripted",
            "--variant",
            "new",
            "--dry-run",
        ])
        .exits(0)
        .stdout();
    assert!(both.contains("===== greyscale =====\n") && both.contains("===== resize =====\n"));
}

#[test]
fn samples_are_independent_variants_and_those_that_are_there_are_left_alone() {
    let answers = |range: std::ops::Range<u32>| {
        range
            .map(|n| fenced(&format!("{HANDLER}# {n}\n")))
            .collect::<Vec<_>>()
    };
    let endpoint = Endpoint::new(answers(0..4));
    let project = project(&endpoint);
    generate(&project, &["--samples", "2", "--quiet"]).exits(0);
    assert_eq!(functions(&project), ["new-s1", "new-s2", "pillow", "rust"]);
    for sample in 1..=2 {
        let variant: toml::Table = text(&project, &format!("functions/new-s{sample}/variant.toml"))
            .parse()
            .unwrap();
        assert_eq!(
            (variant["model"].as_str(), variant["sample"].as_integer()),
            (Some("scripted"), Some(sample))
        );
    }
    assert_ne!(
        text(&project, "functions/new-s1/resize.py"),
        text(&project, "functions/new-s2/resize.py")
    );
    let more = Endpoint::new(answers(4..6));
    models(&project, &more, "");
    let before = text(&project, "functions/new-s1/resize.py");
    generate(&project, &["--samples", "3"]).exits(0);
    assert_eq!(
        (
            text(&project, "functions/new-s1/resize.py"),
            more.asked().len()
        ),
        (before, 2)
    );
    generate(&project, &["--samples", "3"])
        .exits(2)
        .says("every sample of `new` exists already");
    project.write(
        "functions/new-s1/variant.toml",
        text(&project, "functions/pillow/variant.toml"),
    );
    generate(&project, &["--samples", "3"])
        .exits(2)
        .says("functions/new-s1 exists already");
}

#[test]
fn wrong_requests_are_refused_before_anyone_is_asked() {
    let endpoint = Endpoint::new(vec![]);
    let project = project(&endpoint);
    project
        .darkroom(&with(&["new"]))
        .exits(2)
        .before_any_effect()
        .says("SCRIPTED_KEY is not set");
    let key = [("SCRIPTED_KEY", "two\nlines")];
    project
        .darkroom_with(&with(&["new"]), &key)
        .exits(2)
        .before_any_effect()
        .says("SCRIPTED_KEY does not hold a key");
    let key = [("SCRIPTED_KEY", KEY)];
    for (arguments, words) in [
        (with(&["pillow"]), "functions/pillow exists already"),
        (with(&["../x"]), "`../x` cannot be the name of a variant"),
        (with(&["new", "--stage", "crop"]), "unknown stage `crop`"),
        (
            with(&["new", "--python", "3.9"]),
            "known versions: 3.13, 3.14",
        ),
        (
            with(&["new", "--pipeline", "none"]),
            "cannot read experiments/none/pipeline.toml",
        ),
        (
            vec!["generate", "--model", "other", "--variant", "new"],
            "models.toml has: scripted",
        ),
        (vec!["generate"], "no manifest is named"),
        (
            vec!["generate", "--model", "scripted"],
            "--variant is not: the new variant has no name",
        ),
        (vec!["generate", "--variant", "new"], "no model is named"),
    ] {
        project
            .darkroom_with(&arguments, &key)
            .exits(2)
            .before_any_effect()
            .says(words);
    }
    assert!(endpoint.asked().is_empty());
    let advice = project.darkroom(&["generate"]).exits(2).one_line();
    let at = |words: &str| {
        advice
            .find(words)
            .unwrap_or_else(|| panic!("{words}: {advice}"))
    };
    assert!(
        at("generate <MANIFEST>") < at("--model"),
        "the usual way first: {advice}"
    );
}

#[test]
fn a_prompt_of_ones_own_and_a_systems_message_are_sent_and_recorded() {
    let endpoint = Endpoint::new(vec![fenced(HANDLER)]);
    let project = project(&endpoint);
    project
        .write(
            "mine.md",
            "{prompt}\nMake {width}x{height} fast: { \"fast\": true }\n",
        )
        .write("system.md", "You are terse.\n");
    let own = [
        "--stage",
        "resize",
        "--prompt",
        "mine.md",
        "--system",
        "system.md",
    ];
    generate(&project, &own).exits(0);
    let messages = endpoint.asked()[0].body["messages"].clone();
    assert_eq!(
        messages[0],
        json!({ "role": "system", "content": "You are terse.\n" })
    );
    let prompt = messages[1]["content"].as_str().unwrap();
    assert!(
        prompt.starts_with("Write an AWS Lambda function")
            && prompt.ends_with("Make 800x600 fast: { \"fast\": true }\n")
    );
    let made = provenance(&project, "new");
    let sha256 = hex::encode(Sha256::digest(text(&project, "mine.md")));
    assert_eq!(
        (
            made["prompt"].as_str(),
            made["prompt_template_sha256"].as_str()
        ),
        (Some("mine"), Some(sha256.as_str()))
    );
    assert!(text(&project, "functions/new/variant.toml").contains("prompt = \"mine\"\n"));
    for (key, file) in [
        ("prompt_template", "mine.md"),
        ("system_message", "system.md"),
    ] {
        let kept = made[key].as_str().unwrap();
        assert_eq!(
            text(&project, &format!("functions/new/{kept}")),
            text(&project, file)
        );
    }
    assert_eq!(
        text(&project, "functions/new/provenance/resize.prompt.md"),
        prompt
    );
    let dry = project
        .darkroom(&[&["generate", "--dry-run"], &own[..]].concat())
        .exits(0)
        .stdout();
    assert!(
        dry.contains("You are terse.") && dry.contains("Make 800x600 fast"),
        "{dry}"
    );
    project
        .write("mine.md", "{colour}")
        .write("empty.md", " \n");
    generate(&project, &["--prompt", "mine.md"])
        .exits(2)
        .says("mine.md names {colour}")
        .says("use one of: prompt, task");
    generate(&project, &["--system", "empty.md"])
        .exits(2)
        .says("empty.md is empty");
    generate(&project, &["--prompt", "none.md"])
        .exits(2)
        .says("cannot read none.md");
    project.write("plain.md", "{prompt}");
    generate(&project, &["--prompt", "plain.md"])
        .exits(2)
        .says("plain.md would be called like the standard prompt");
}
