//! Stories of `generate`, told to a scripted endpoint. What it answers is test data: no model wrote
//! it.

use std::fs;
use std::path::{Path, PathBuf};

use darkroom::record::read;
use darkroom_core::event::Event;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::scripted::{Endpoint, Reply, completion};
use crate::story::{Answer, HOST, Project};

/// Must be found in a request's header and nowhere else.
const KEY: &str = "canary-key-0d1f6c";

pub const HANDLER: &str = "def handler(event, context):\n    return 'of one stage'\n";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A project of two stages whose model `scripted` is this endpoint.
pub fn project(endpoint: &Endpoint) -> Project {
    let project = Project::new();
    models(&project, endpoint, "");
    let pinned = "numpy==2.5.5 --hash=sha256:aa\npillow==13.0.0 --hash=sha256:bb\n";
    project.write(
        "experiments/image-pipeline/generated/requirements.txt",
        pinned,
    );
    project
}

pub fn models(project: &Project, endpoint: &Endpoint, more: &str) {
    let url = endpoint.url();
    project.write(
        "experiments/image-pipeline/models.toml",
        format!(
            "[models.scripted]\ntitle = \"Scripted\"\nbase_url = \"{url}\"\nid = \"scripted-model\"\n\
             key_variable = \"SCRIPTED_KEY\"\nparameters = {{ temperature = 0.5 }}\nsuccessor = \"scripted-model-2\"\n\
             price = {{ input_usd = 2.0, output_usd = 8.0, source = \"made up\", date = \"2026-11-24\" }}\n{more}"
        ),
    );
}

pub fn generate(project: &Project, more: &[&str]) -> Answer {
    let mut arguments = vec!["generate", "--model", "scripted", "--variant", "new"];
    arguments.extend(more);
    project.darkroom_with(&arguments, &[("SCRIPTED_KEY", KEY)])
}

pub fn fenced(code: &str) -> Reply {
    Reply::Text(format!("Here it is:\n\n```python\n{code}```\n"))
}

pub fn provenance(project: &Project, variant: &str) -> toml::Table {
    text(project, &format!("functions/{variant}/provenance.toml"))
        .parse()
        .unwrap()
}

pub fn text(project: &Project, path: &str) -> String {
    fs::read_to_string(project.root().join(path)).unwrap()
}

/// Every file with the key in it.
fn files_with_key(root: &Path) -> Vec<PathBuf> {
    files_with(root, KEY)
}

fn files_with(root: &Path, words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if entry.is_dir() && !entry.is_symlink() {
            found.extend(files_with(&entry, words));
        } else if let Ok(bytes) = fs::read(&entry)
            && bytes
                .windows(words.len())
                .any(|window| window == words.as_bytes())
        {
            found.push(entry);
        }
    }
    found
}

fn functions(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.root().join("functions")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

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

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["generate", "--model", "scripted", "--variant"], more].concat()
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
    ] {
        project
            .darkroom_with(&arguments, &key)
            .exits(2)
            .before_any_effect()
            .says(words);
    }
    assert!(endpoint.asked().is_empty());
}

/// Asks for the first stage only, with this as the last reply, and expects it to be told so and
/// nothing to be made.
#[track_caller]
pub fn told(replies: Vec<Reply>, words: &[&str]) -> (Project, Endpoint) {
    let endpoint = Endpoint::new(replies);
    let project = project(&endpoint);
    models(&project, &endpoint, "timeout_s = 5\n");
    let mut answer = generate(&project, &["--stage", "greyscale"]).exits(1);
    for words in words {
        answer = answer.says(words);
    }
    assert!(!answer.stderr().contains(KEY), "{}", answer.stderr());
    assert_eq!(
        functions(&project),
        ["pillow", "rust"],
        "nothing half-written"
    );
    assert_eq!(files_with_key(project.root()), [""; 0].map(PathBuf::from));
    (project, endpoint)
}

fn error(message: &str, kind: &str) -> String {
    json!({ "error": { "message": message, "type": kind, "param": null, "code": null } })
        .to_string()
}

#[test]
fn a_rate_limit_is_waited_out_as_the_endpoint_asks_and_one_that_stays_is_told() {
    let limit = || {
        Reply::Status(
            429,
            vec![("retry-after", "0")],
            error("slow down", "rate_limit_error"),
        )
    };
    let endpoint = Endpoint::new(vec![limit(), limit(), fenced(HANDLER)]);
    let project = project(&endpoint);
    generate(&project, &["--stage", "greyscale"]).exits(0);
    assert_eq!(endpoint.asked().len(), 3);
    let (_, endpoint) = told(
        vec![limit(); 8],
        &[
            "HTTP 429",
            "slow down",
            "wait until the account may ask again",
        ],
    );
    assert_eq!(endpoint.asked().len(), 4, "the first try and three more");
    let quota = Reply::Status(429, vec![], error("no credit", "insufficient_quota"));
    let (_, endpoint) = told(vec![quota], &["HTTP 429", "no credit"]);
    assert_eq!(
        endpoint.asked().len(),
        1,
        "waiting does not mend an empty account"
    );
}

#[test]
fn a_wait_longer_than_the_models_time_ends_with_it() {
    let limit = Reply::Status(
        429,
        vec![("retry-after", "86400")],
        error("tomorrow", "rate_limit_error"),
    );
    told(vec![limit], &["no answer within 5 s", "`timeout_s`"]);
    told(vec![Reply::Hang], &["no answer within 5 s"]);
}

#[test]
fn refused_keys_unknown_models_and_failing_endpoints_are_told_with_the_mend() {
    let status = |status, body: String| vec![Reply::Status(status, vec![], body)];
    let key = error(
        &format!("Incorrect API key provided: {KEY}"),
        "invalid_request_error",
    );
    told(
        status(401, key),
        &[
            "the endpoint refused the key (HTTP 401): ",
            "[key]",
            "in SCRIPTED_KEY",
        ],
    );
    told(
        status(404, error("no such model", "invalid_request_error")),
        &["HTTP 404", "scripted-model-2"],
    );
    told(
        status(400, error("no temperature", "invalid_request_error")),
        &["HTTP 400", "`parameters`"],
    );
    let (_, endpoint) = told(
        vec![Reply::Status(503, vec![("retry-after", "0")], "<html>busy</html>".into()); 8],
        &["HTTP 503"],
    );
    assert_eq!(endpoint.asked().len(), 4);
}

#[test]
fn what_is_no_chat_completion_is_told() {
    for (body, quoted) in [
        ("<html>hello</html>".to_owned(), "<html>hello</html>"),
        (
            "{\"model\": \"scripted-model\", \"choices\"".to_owned(),
            "\"choices\"",
        ),
        ("{\"answer\": 42}".to_owned(), "{\"answer\":42}"),
        (
            json!({ "model": "scripted-model", "choices": [] }).to_string(),
            "not a chat completion",
        ),
        (String::new(), "(nothing)"),
    ] {
        told(
            vec![Reply::Body(body)],
            &["the answer is not a chat completion", quoted],
        );
    }
}

/// Asks for the first stage only, and returns what the made variant says of it: the outcome in
/// words.
#[track_caller]
pub fn outcome_of(reply: Reply) -> String {
    let text_of_answer = match &reply {
        Reply::Text(text) => text.clone(),
        Reply::Body(body) => {
            let body: Json = serde_json::from_str(body).unwrap();
            let text = &body["choices"][0]["message"]["content"];
            text.as_str().unwrap_or_default().to_owned()
        }
        other => panic!("{other:?} is no answer"),
    };
    let endpoint = Endpoint::new(vec![reply]);
    let project = project(&endpoint);
    let answer = generate(&project, &["--stage", "greyscale"]).exits(1);
    assert_eq!(answer.stdout(), "functions/new\n");
    assert_eq!(
        text(&project, "functions/new/provenance/greyscale.md"),
        text_of_answer,
        "word for word"
    );
    assert!(!project.root().join("functions/new/greyscale.py").exists());
    let variant: toml::Table = text(&project, "functions/new/variant.toml")
        .parse()
        .unwrap();
    assert!(variant["handlers"].as_table().unwrap().is_empty());
    let said = &variant["missing"]["greyscale"];
    assert_eq!(
        &provenance(&project, "new")["asks"][0]["missing"],
        said,
        "one fact, in both files"
    );
    let outcome: darkroom_core::outcome::Outcome = said.clone().try_into().unwrap();
    let words = format!("greyscale NOT THERE: {outcome}");
    answer.says(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    outcome.to_string()
}

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
fn half_an_answer_that_the_endpoint_gave_up_on_is_no_outcome_of_the_model() {
    let half = "```python\nimport os\n\ndef handler(ev";
    let finished = |why: Json| Reply::Body(completion(half, &[("/choices/0/finish_reason", why)]));
    let (project, _) = told(
        vec![finished(json!("insufficient_system_resource"))],
        &[
            "finish_reason is \"insufficient_system_resource\"",
            "kept in .darkroom/generate/new",
        ],
    );
    let kept = text(&project, ".darkroom/generate/new/1/greyscale.md");
    assert_eq!(kept, half);
    told(
        vec![finished(Json::Null)],
        &["does not say that the answer is complete: its finish_reason is missing"],
    );
}

#[test]
fn another_model_that_answers_is_not_ascribed_to_the_one_that_was_asked() {
    let other = Reply::Body(completion(
        &format!("```python\n{HANDLER}```"),
        &[("/model", json!("scripted-model-2"))],
    ));
    told(
        vec![other],
        &[
            "asked `scripted-model`, but `scripted-model-2` answered",
            "add an entry for",
        ],
    );
    let snapshot = completion(
        &format!("```python\n{HANDLER}```"),
        &[("/model", json!("scripted-model-2026-01-31"))],
    );
    let endpoint = Endpoint::new(vec![Reply::Body(snapshot)]);
    let project = project(&endpoint);
    generate(&project, &["--stage", "greyscale"]).exits(0);
    let answered = provenance(&project, "new")["asks"][0]["model_answered"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(answered, "scripted-model-2026-01-31");
}

#[test]
fn an_answer_that_repeats_the_key_is_not_kept() {
    told(
        vec![Reply::Text(format!("```python\nkey = '{KEY}'\n```"))],
        &["the answer repeats the key"],
    );
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

/// The attempt of every ask.
fn attempts(provenance: &toml::Table) -> Vec<i64> {
    provenance["asks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|ask| ask["attempt"].as_integer().unwrap())
        .collect()
}

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

#[test]
fn a_connection_that_ends_before_an_answer_begins_is_made_anew() {
    let endpoint = Endpoint::new(vec![
        Reply::HangUp,
        fenced(HANDLER),
        Reply::HangUp,
        Reply::HangUp,
        fenced(HANDLER),
    ]);
    let project = project(&endpoint);
    generate(&project, &[]).exits(0);
    assert_eq!(endpoint.asked().len(), 5);
    let (_, endpoint) = told(vec![Reply::HangUp; 5], &["cannot reach the endpoint"]);
    assert_eq!(endpoint.asked().len(), 3, "three times, and no more");
    let (_, endpoint) = told(
        vec![Reply::Cut; 2],
        &["the connection broke in the middle of the answer"],
    );
    assert_eq!(endpoint.asked().len(), 1, "an answer had begun");
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

/// The project's own pipeline over one generated image; layers and runtime are shared by all
/// stories.
pub fn whole_project(endpoint: &Endpoint) -> Project {
    let project = project(endpoint);
    let experiment = repository().join("experiments/image-pipeline");
    for file in ["pipeline.toml", "generated/requirements.txt"] {
        project.write(
            &format!("experiments/image-pipeline/{file}"),
            fs::read(experiment.join(file)).unwrap(),
        );
    }
    let set = "description = \"for tests\"\n[generated]\nseed = 1\nformat = \"png\"\nsizes = [\"160x120\"]\n";
    project.write("experiments/image-pipeline/image-sets/photos.toml", set);
    fs::create_dir_all(project.root().join(".darkroom")).unwrap();
    for shared in ["runtimes", "packages"] {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(shared);
        fs::create_dir_all(&kept).unwrap();
        std::os::unix::fs::symlink(kept, project.root().join(".darkroom").join(shared)).unwrap();
    }
    project
}

/// A stage of one of this repository's own variants as one file.
pub fn hand_written(variant: &str, module: &str) -> String {
    let folder = repository().join("functions").join(variant);
    let own = fs::read_to_string(folder.join(format!("{module}.py"))).unwrap();
    let objects = fs::read_to_string(folder.join("objects.py")).unwrap();
    own.replace("from objects import read_input, write_output\n", &objects)
}

pub const MODULES: [&str; 5] = ["greyscale", "resize", "colour_depth", "rotate", "convert"];

pub fn right() -> Vec<Reply> {
    MODULES
        .iter()
        .map(|module| fenced(&hand_written("pillow", module)))
        .collect()
}

fn with_black_colour_depth() -> Vec<Reply> {
    let mut replies = right();
    replies[2] = fenced(&hand_written("broken-example", "colour_depth"));
    replies
}

#[test]
fn generated_variants_appear_with_model_and_sample_and_a_wrong_one_is_not_ranked() {
    let endpoint = Endpoint::new(
        right()
            .into_iter()
            .chain(with_black_colour_depth())
            .collect(),
    );
    let project = whole_project(&endpoint);
    generate(&project, &["--samples", "2", "--quiet"]).exits(0);
    let matrix = format!(
        "variants = [\"new-s1\", \"new-s2\"]\narchitectures = [\"{HOST}\"]\nimage_sets = [\"photos\"]"
    );
    let manifest = format!(
        "[experiment]\nname = \"test\"\n\n[matrix]\n{matrix}\n\n[repetitions]\ncount = 1\n"
    );
    project.write("m.toml", manifest);
    let answer = project.darkroom(&["run", "m.toml", "--json"]).exits(1);
    let summary: Json = serde_json::from_str(&answer.stdout()).unwrap();
    let cells = summary["cells"].as_array().unwrap();
    let found: Vec<_> = cells
        .iter()
        .map(|cell| (&cell["model"], &cell["sample"], &cell["outputs_ok"]))
        .collect();
    let model = json!("scripted");
    assert_eq!(
        found,
        [
            (&model, &json!(1), &json!(true)),
            (&model, &json!(2), &json!(false))
        ],
        "{summary:#}"
    );
    let reason = cells[1]["reason"].as_str().unwrap();
    assert!(
        reason.contains("colour-depth") && reason.contains("blank"),
        "{reason}"
    );
    let is_ranked = |cell: &Json| {
        cell["stages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|stage| !stage["time_ms"]["rank"].is_null())
    };
    assert!(
        !cells.iter().any(is_ranked),
        "a sample is one draw of many: {summary:#}"
    );
    let run = project.root().join("outputs/test/latest");
    let prompt = endpoint.asked()[0]
        .words()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    for secret in [KEY, &prompt] {
        assert_eq!(
            files_with(&project.root().join("outputs"), secret),
            [""; 0].map(PathBuf::from)
        );
        assert!(!answer.stderr().contains(secret));
    }
    let looks = read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let looks: Vec<_> = looks
        .filter_map(|event| {
            if let Event::CodeExamined(code) = event {
                Some(code)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(looks.len(), 10, "every stage of both");
    let resize = looks
        .iter()
        .find(|code| code.stage.as_deref() == Some("resize"))
        .unwrap();
    assert_eq!(
        (&resize.files[..], resize.functions),
        (&["resize.py".to_owned()][..], Some(4)),
        "{resize:?}"
    );
    assert!(
        resize.complexity_max == Some(1) && resize.lints.is_some() && resize.note.is_none(),
        "{resize:?}"
    );
    let checked = read(&run.join("journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let passed: Vec<bool> = checked
        .filter_map(|event| {
            if let Event::OutputChecked(check) = event {
                Some(check.verdict.pass)
            } else {
                None
            }
        })
        .collect();
    assert!(
        passed.len() >= 10 && passed.iter().any(|pass| !pass),
        "{passed:?}"
    );
}

/// Right answers for all stages but the third, whose answer is cut off.
fn with_a_gap() -> Vec<Reply> {
    let mut replies = right();
    let cut_off = [("/choices/0/finish_reason", json!("length"))];
    replies[2] = Reply::Body(completion("```python\ndef handler(ev", &cut_off));
    replies
}

/// Runs `new` once on the project's images; returns the summary, with what it says on the terminal.
fn run_of_new(project: &Project, matrix: &str) -> (Json, Answer) {
    project.write(
        "m.toml",
        format!(
            "[experiment]\nname = \"test\"\n\n[matrix]\nvariants = [\"new\"]\narchitectures = [\"{HOST}\"]\n\
             image_sets = [\"photos\"]\n{matrix}\n\n[repetitions]\ncount = 1\n"
        ),
    );
    let answer = project.darkroom(&["run", "m.toml", "--json"]).exits(1);
    (serde_json::from_str(&answer.stdout()).unwrap(), answer)
}

/// How many measured calls each stage of a cell has.
fn calls_of(cell: &Json) -> Vec<u64> {
    let stages = cell["stages"].as_array().unwrap();
    let n = |stage: &Json| stage["time_ms"]["n"].as_u64().unwrap();
    stages.iter().map(n).collect()
}

#[test]
fn a_variant_with_a_gap_is_checked_and_measured_as_far_as_it_goes_and_is_not_right() {
    let project = whole_project(&Endpoint::new(with_a_gap()));
    generate(&project, &["--quiet"]).exits(1);
    let checked = project.darkroom(&["check", "new", "--json"]).exits(1);
    let report: Json = serde_json::from_str(&checked.stdout()).unwrap();
    let gap = json!({ "outcome": "cut_off", "detail": "after 500 tokens" });
    assert_eq!(report[0]["missing"], json!({ "colour-depth": gap }));
    let outputs = report[0]["outputs"].as_array().unwrap();
    let found: Vec<_> = outputs
        .iter()
        .map(|output| (output["stage"].as_str().unwrap(), output["outcome"].clone()))
        .collect();
    let right = || json!({ "outcome": "right" });
    assert_eq!(
        found,
        ["greyscale", "resize", "rotate", "convert"].map(|stage| (stage, right()))
    );
    let shown = project.darkroom(&["check", "new"]).exits(1).stdout();
    assert!(
        shown.contains("NOT THERE  colour-depth  cut off (after 500 tokens)")
            && shown.contains("1 of 5 stages NOT THERE"),
        "{shown}"
    );

    let (summary, _) = run_of_new(&project, "input = [\"chained\", \"reference\"]");
    let cells = summary["cells"].as_array().unwrap();
    assert_eq!(calls_of(&cells[0]), [1, 1, 0, 0, 0], "up to the gap");
    assert_eq!(calls_of(&cells[1]), [1, 1, 0, 1, 1], "each that is there");
    for cell in cells {
        assert_eq!(cell["outputs_ok"], json!(false));
        let why = "colour-depth: not there: cut off (after 500 tokens)";
        assert_eq!(cell["reason"], json!(why));
        let note = cell["stages"][2]["time_ms"]["note"].as_str().unwrap();
        assert_eq!(note, "not there: cut off (after 500 tokens)");
    }
    let not_reached = cells[0]["stages"][3]["time_ms"]["note"].as_str().unwrap();
    assert_eq!(not_reached, "not reached: colour-depth is not there");
    let missing = json!([{
        "variant": "new", "stage": "colour-depth",
        "outcome": "cut_off", "detail": "after 500 tokens",
    }]);
    assert_eq!(summary["missing"], missing);
    assert_eq!(summary["failures"], json!([]), "said once, as what it is");
    let page = text(&project, "outputs/test/latest/report.html");
    assert!(page.contains("colour-depth is not there: cut off (after 500 tokens)"));
    let shown = project.darkroom(&["aggregate", "outputs/test/latest"]);
    let shown = shown.stdout();
    assert!(
        shown.contains("NOT THERE  new · colour-depth: cut off (after 500 tokens)"),
        "{shown}"
    );

    let (summary, _) = run_of_new(&project, "trigger = [\"s3\"]");
    assert_eq!(calls_of(&summary["cells"][0]), [1, 1, 0, 0, 0]);
    assert_eq!(summary["failures"], json!([]));
}

#[test]
fn a_variant_whose_model_gave_no_code_at_all_is_a_row_that_is_not_right() {
    let project = whole_project(&Endpoint::new(vec![Reply::Text("No.".into()); 5]));
    generate(&project, &["--quiet"]).exits(1);
    let shown = project.darkroom(&["check", "new"]).exits(1).stdout();
    assert!(shown.contains("5 of 5 stages NOT THERE"), "{shown}");
    for matrix in ["input = [\"chained\", \"reference\"]", "trigger = [\"s3\"]"] {
        let (summary, run) = run_of_new(&project, matrix);
        assert!(!run.stderr().contains("INCOMPLETE"), "{}", run.stderr());
        for cell in summary["cells"].as_array().unwrap() {
            assert_eq!(calls_of(cell), [0; 5]);
            assert_eq!(cell["outputs_ok"], json!(false));
        }
        assert_eq!(summary["missing"].as_array().unwrap().len(), 5);
    }
    let passes = read(&project.root().join("outputs/test/latest/journal.ndjson")).unwrap();
    let passes = passes.map(Result::unwrap);
    let ended = passes.filter(|event| matches!(event, Event::PipelineFinished(_)));
    assert!(
        ended.count() >= 1,
        "a pass is a fact also where nothing is called"
    );
}

#[test]
fn a_repair_sends_the_verdict_back_and_is_recorded_as_one() {
    let mut replies = with_black_colour_depth();
    replies.push(fenced(&hand_written("pillow", "colour_depth")));
    let endpoint = Endpoint::new(replies);
    let project = whole_project(&endpoint);
    let answer = generate(&project, &["--repair", "2"])
        .exits(0)
        .says("all outputs passed the check");
    assert_eq!(
        functions(&project),
        ["new", "pillow", "rust"],
        "{}",
        answer.stderr()
    );
    let asked = endpoint.asked();
    assert_eq!(
        asked.len(),
        6,
        "one repair was enough, and only of the stage that was wrong"
    );
    let roles: Vec<_> = asked[5].body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["role"].clone())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user"]);
    assert!(
        asked[5].words().contains("is wrong: blank"),
        "{}",
        asked[5].words()
    );
    let provenance = provenance(&project, "new");
    let asks = provenance["asks"].as_array().unwrap();
    assert_eq!(
        (asks[5]["stage"].as_str(), asks[5]["round"].as_integer()),
        (Some("colour-depth"), Some(1))
    );
    assert!(asks[5]["verdict"].as_str().unwrap().contains("blank"));
    assert_eq!(
        text(&project, "functions/new/colour_depth.py"),
        hand_written("pillow", "colour_depth")
    );
    assert!(
        text(&project, "functions/new/provenance/colour-depth.md").contains("value >> 2"),
        "the first answer is kept"
    );
    assert!(
        !project.root().join("outputs").exists(),
        "the check is no run of the project"
    );
}

#[test]
fn a_run_says_what_was_asked_what_a_repair_mended_and_which_line_failed() {
    let mut replies = with_black_colour_depth();
    // Right at the end by a repair; the last stage raises, also after it.
    let raises = "def handler(event, context):\n    return event[\"no such key\"]\n";
    replies[4] = fenced(raises);
    replies.push(fenced(&hand_written("pillow", "colour_depth")));
    replies.push(fenced(raises));
    let project = whole_project(&Endpoint::new(replies));
    generate(&project, &["--repair", "1", "--quiet"]).exits(0);
    let (summary, answer) = run_of_new(&project, "");
    let of = |stage: &str| {
        let rows = summary["correctness"].as_array().unwrap();
        rows.iter()
            .find(|row| row["stage"] == stage)
            .unwrap()
            .clone()
    };
    let mended = of("colour-depth");
    assert_eq!(
        [&mended["right"], &mended["right_first"], &mended["repairs"]],
        [&json!(1), &json!(0), &json!(1)]
    );
    let journal = read(&project.root().join("outputs/test/latest/journal.ndjson"))
        .unwrap()
        .map(Result::unwrap);
    let asked: Vec<_> = journal
        .filter_map(|event| match event {
            Event::ModelAsked(asked) => Some(asked),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 7, "five answers and two repairs");
    assert_eq!(asked[6].code.as_deref(), Some(raises));
    assert!(asked[6].sent_back.as_ref().unwrap().contains("KeyError"));
    assert_eq!(asked[0].model_asked, "scripted-model");
    let page = text(&project, "outputs/test/latest/report.html");
    for said in [
        "0 of 1 pipelines are right",
        "the handler raises KeyError, in 1 sample.",
        "<code>return event[&quot;no such key&quot;]</code>",
        "That is the line (convert.py:2) in new.",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let shown = project
        .darkroom(&["aggregate", "outputs/test/latest"])
        .stdout();
    assert!(
        shown.contains(
            "colour-depth 1 of 1 (100%, 95% CI 21% to 100%), 0 of 1 with the first answer"
        ),
        "{shown}{}",
        answer.stderr()
    );
}

#[test]
fn an_answer_without_code_is_sent_back_in_a_repair_and_both_answers_are_kept() {
    let mut replies = right();
    let half = "```python\ndef handler(ev";
    let cut_off = [("/choices/0/finish_reason", json!("length"))];
    replies[2] = Reply::Body(completion(half, &cut_off));
    // The first repair is spoilt as well.
    replies.push(Reply::Text("No.".into()));
    replies.push(fenced(&hand_written("pillow", "colour_depth")));
    let endpoint = Endpoint::new(replies);
    let project = whole_project(&endpoint);
    generate(&project, &["--repair", "2"]).exits(0);
    let asked = endpoint.asked();
    assert_eq!(asked.len(), 7);
    assert!(
        asked[5]
            .words()
            .starts_with("Your answer could not be used: cut off (after 500 tokens)."),
        "{}",
        asked[5].words()
    );
    assert_eq!(asked[6].body["messages"][1]["content"], "No.");
    let provenance = provenance(&project, "new");
    let came: Vec<_> = provenance["asks"].as_array().unwrap()[2..]
        .iter()
        .filter(|ask| ask["stage"].as_str() == Some("colour-depth"))
        .map(|ask| Some(ask.get("missing")?["outcome"].as_str()?.to_owned()))
        .collect();
    assert_eq!(
        came,
        [Some("cut_off".to_owned()), Some("no_code".to_owned()), None]
    );
    assert_eq!(
        text(&project, "functions/new/provenance/colour-depth.md"),
        half
    );
}

#[test]
fn a_server_that_closes_connections_while_the_check_runs_is_asked_over_a_new_one() {
    let mut replies = with_black_colour_depth();
    replies.push(fenced(&hand_written("pillow", "colour_depth")));
    let endpoint = Endpoint::that_closes_idle_connections(replies);
    let project = whole_project(&endpoint);
    generate(&project, &["--repair", "2"])
        .exits(0)
        .says("all outputs passed the check");
    assert_eq!(endpoint.asked().len(), 6);
}

#[test]
fn the_variant_of_the_round_before_stays_when_an_endpoint_dies_in_a_repair() {
    // Two stages are wrong; the first is mended before the endpoint dies, and does not count alone.
    let mut replies = with_black_colour_depth();
    let broken = "def handler(event, context):\n    raise ValueError(context.aws_request_id)\n";
    replies[0] = fenced(broken);
    replies.push(fenced(&hand_written("pillow", "greyscale")));
    let endpoint = Endpoint::that_dies_after(replies);
    let project = whole_project(&endpoint);
    let answer = generate(&project, &["--repair", "2"]).exits(0);
    assert_eq!(answer.stdout(), "functions/new\n");
    answer
        .says("repair round 1 was not done: stage colour-depth: cannot reach the endpoint")
        .says("The variant holds the first answers");
    assert_eq!(
        text(&project, "functions/new/greyscale.py"),
        broken,
        "the round before, whole"
    );
    let made = provenance(&project, "new");
    let stopped = made["repair_stopped"].as_table().unwrap();
    assert_eq!(stopped["round"].as_integer(), Some(1));
    assert!(
        stopped["reason"].as_str().unwrap().contains("cannot reach"),
        "{stopped}"
    );
    assert_eq!(
        stopped["answers_left_out"].as_array().unwrap()[0].as_str(),
        Some("greyscale")
    );
    assert_eq!(
        made["asks"].as_array().unwrap().len(),
        5,
        "only what is in the handlers"
    );

    // With the endpoint back, the repair goes on where it stopped: the error message differs, the
    // answer is kept.
    fs::remove_dir_all(project.root().join("functions/new")).unwrap();
    let back = Endpoint::new(vec![fenced(&hand_written("pillow", "colour_depth"))]);
    models(&project, &back, "");
    generate(&project, &["--repair", "2"])
        .exits(0)
        .says("greyscale, repair 1: answered in attempt 1, not asked again");
    assert_eq!(back.asked().len(), 1);
    assert_eq!(
        attempts(&provenance(&project, "new")),
        [1, 1, 1, 1, 1, 1, 2]
    );
    assert!(provenance(&project, "new").get("repair_stopped").is_none());
}

/// A project with a generated variant `new` of two stages, and the manifest `m.toml` that names it.
fn generated() -> Project {
    let endpoint = Endpoint::new(vec![fenced(HANDLER), fenced(HANDLER)]);
    let project = project(&endpoint);
    generate(&project, &["--quiet"]).exits(0);
    project.manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]");
    project
        .darkroom(&["validate", "m.toml", "--quiet"])
        .exits(0);
    project
}

#[test]
fn code_of_a_model_that_was_edited_is_refused_wherever_it_would_be_measured() {
    let project = generated();
    project.write(
        "functions/new/resize.py",
        HANDLER.replace("'of one stage'", "'by hand'"),
    );
    let said =
        "edited after generation: here it differs from the model's answer in provenance/resize.md";
    for command in [
        &["validate", "m.toml"][..],
        &["plan", "m.toml"],
        &["run", "m.toml"],
        &["check", "new"],
    ] {
        let answer = project
            .darkroom(command)
            .exits(2)
            .says(said)
            .says("return 'by hand'");
        answer
            .says("`git checkout functions/new/resize.py`")
            .says("copy functions/new to a new name");
    }
    assert!(!project.root().join("outputs").exists());
    project.write("functions/new/resize.py", HANDLER);
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn every_way_to_pass_other_code_off_as_a_models_is_refused_by_name() {
    let edit = |file: &str, from: &str, to: &str| {
        let project = generated();
        let text = text(&project, &format!("functions/new/{file}"));
        assert!(text.contains(from), "{text}");
        project.write(&format!("functions/new/{file}"), text.replace(from, to));
        project.darkroom(&["validate", "m.toml"]).exits(2)
    };
    edit("provenance/resize.md", "one stage", "no stage")
        .says("functions/new/provenance/resize.md was edited after");
    edit("requirements.txt", "sha256:bb", "sha256:bc")
        .says("functions/new/requirements.txt was edited after generation");
    edit("variant.toml", "sample = 1", "sample = 2")
        .says("it says `2`, but provenance.toml says `1`");
    edit("variant.toml", "\"scripted\"", "\"other\"")
        .says("it says `other`, but provenance.toml says `scripted`");
    edit("variant.toml", "model = \"scripted\"\nsample = 1\n", "")
        .says("it says nothing, but provenance.toml says `scripted`");
    edit(
        "variant.toml",
        "\"greyscale.handler\"",
        "\"resize.handler\"",
    )
    .says("provenance.toml says `greyscale.handler`");
    edit("provenance.toml", "sample = 1", "sample = one").says("functions/new/provenance.toml");
    let project = generated();
    project.write("functions/new/numpy.py", "# not the library\n");
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("functions/new/numpy.py was added after generation");
    project
        .remove("functions/new/numpy.py")
        .remove("functions/new/provenance.toml");
    let answer = project.darkroom(&["validate", "m.toml"]).exits(2);
    answer
        .says("names `scripted` as the author, but functions/new/provenance.toml is missing")
        .says("delete `model` and");
    // What the messages say: a copy that names no author is anybody's own.
    let own = text(&project, "functions/new/variant.toml")
        .replace("model = \"scripted\"\nsample = 1\n", "");
    project.write("functions/new/variant.toml", own).write(
        "functions/new/resize.py",
        "def handler(event, context): 1\n",
    );
    project.write("functions/new/README.md", "edited by hand\n");
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn a_copy_of_a_generated_variant_is_no_further_sample() {
    let project = generated();
    let copied = |sample: &str| {
        for file in [
            "greyscale.py",
            "resize.py",
            "requirements.txt",
            "provenance/greyscale.md",
            "provenance/resize.md",
        ] {
            project.write(
                &format!("functions/new-s9/{file}"),
                text(&project, &format!("functions/new/{file}")),
            );
        }
        for file in ["variant.toml", "provenance.toml"] {
            let text =
                text(&project, &format!("functions/new/{file}")).replace("sample = 1", sample);
            project.write(&format!("functions/new-s9/{file}"), text);
        }
    };
    project.manifest("variants = [\"new\", \"new-s9\"]\nimage_sets = [\"photos\"]");
    for sample in ["sample = 1", "sample = 9"] {
        copied(sample);
        let answer = project.darkroom(&["validate", "m.toml"]).exits(2);
        answer
            .says("functions/new-s9 and functions/new hold the same answers of the model")
            .says("Delete one, or remove it from the manifest");
    }
    project.manifest("variants = [\"new\"]\nimage_sets = [\"photos\"]");
    project.darkroom(&["validate", "m.toml"]).exits(0);
}

#[test]
fn a_line_that_is_missing_at_the_end_and_other_line_ends_are_edits_too() {
    for text in [
        HANDLER.lines().next().unwrap().to_owned() + "\n",
        HANDLER.replace('\n', "\r\n"),
        String::new(),
    ] {
        let project = generated();
        project.write("functions/new/greyscale.py", text);
        project
            .darkroom(&["validate", "m.toml"])
            .exits(2)
            .says("edited after generation");
    }
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
