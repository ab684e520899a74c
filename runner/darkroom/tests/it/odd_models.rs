//! What models and their endpoints do beside answering as asked: odd forms of an answer, and code
//! that does more than it should. What the scripted endpoint answers is test data: no model wrote
//! it.

use serde_json::{Value as Json, json};

use crate::generate::{
    HANDLER, MODULES, fenced, generate, hand_written, models, outcome_of, project, provenance,
    right, text, told, whole_project,
};
use crate::scripted::{Endpoint, Reply, completion};

const KEY: (&str, &str) = ("SCRIPTED_KEY", "canary-key-0d1f6c");

/// An answer as an endpoint streams it: a piece every few characters.
fn streamed(answer: &str, finish_reason: Option<&str>) -> Reply {
    let letters: Vec<char> = answer.chars().collect();
    let piece = |text: &[char]| {
        json!({ "id": "s-1", "model": "scripted-model", "usage": null,
            "choices": [{ "delta": { "content": String::from_iter(text) }, "finish_reason": null }] })
    };
    let mut chunks: Vec<Json> = letters.chunks(7).map(piece).collect();
    if let Some(reason) = finish_reason {
        chunks.push(json!({ "id": "s-1", "model": "scripted-model",
            "choices": [{ "delta": {}, "finish_reason": reason }] }));
        chunks.push(
            json!({ "id": "s-1", "model": "scripted-model", "choices": [],
            "usage": { "prompt_tokens": 70, "completion_tokens": 9 } }),
        );
    }
    chunks.push(Json::String("end".to_owned()));
    let lines: Vec<String> = chunks.iter().map(|it| format!("data: {it}\n\n")).collect();
    let body = lines.concat().replace("\"end\"", "[DONE]");
    Reply::Status(200, vec![("content-type", "text/event-stream")], body)
}

fn code() -> String {
    format!("```python\n{HANDLER}```\n")
}

#[test]
fn an_endpoint_that_only_streams_is_asked_to_and_its_pieces_are_one_answer() {
    told(
        vec![streamed(&code(), Some("stop"))],
        &[
            "the endpoint sends its answer in pieces",
            "add `stream = true` to `parameters` in [models.scripted]",
        ],
    );
    let endpoint = Endpoint::new(vec![streamed(&code(), Some("stop"))]);
    let project = project(&endpoint);
    models(&project, &endpoint, "");
    let file = "experiments/image-pipeline/models.toml";
    let asks_for_pieces =
        text(&project, file).replace("temperature = 0.5", "temperature = 0.5, stream = true");
    project.write(file, asks_for_pieces);
    generate(&project, &["--stage", "greyscale"]).exits(0);
    assert_eq!(endpoint.asked()[0].body["stream"], json!(true));
    assert_eq!(text(&project, "functions/new/greyscale.py"), HANDLER);
    assert_eq!(
        text(&project, "functions/new/provenance/greyscale.md"),
        code()
    );
    let ask = provenance(&project, "new")["asks"][0].clone();
    assert_eq!(ask["output_tokens"].as_integer(), Some(9));
    assert_eq!(ask["finish_reason"].as_str(), Some("stop"));
}

#[test]
fn a_stream_that_ends_early_is_no_answer_of_the_model() {
    let endpoint = Endpoint::new(vec![streamed("```python\nimport o", None)]);
    let project = project(&endpoint);
    let file = "experiments/image-pipeline/models.toml";
    let asks_for_pieces = text(&project, file).replace("temperature = 0.5", "stream = true");
    project.write(file, asks_for_pieces);
    generate(&project, &["--stage", "greyscale"])
        .exits(1)
        .says("Darkroom does not use incomplete answers");
}

#[test]
fn a_content_of_parts_is_their_texts_and_thoughts_are_none_of_it() {
    let parts = json!([
        { "type": "thinking", "text": "```python\nx = 1\n```" },
        { "type": "text", "text": "```python\n" },
        { "type": "text", "text": format!("{HANDLER}```\n") },
    ]);
    let message = json!({ "role": "assistant", "content": parts,
        "reasoning_content": "```python\ndef handler(): pass\n```" });
    let reply = completion(
        "",
        &[("/choices/0/message", message), ("/usage", json!(null))],
    );
    let endpoint = Endpoint::new(vec![Reply::Body(reply)]);
    let project = project(&endpoint);
    generate(&project, &["--stage", "greyscale"]).exits(0);
    assert_eq!(text(&project, "functions/new/greyscale.py"), HANDLER);
    let ask = provenance(&project, "new")["asks"][0].clone();
    let unknown = ["input_tokens", "output_tokens", "cost_usd"];
    assert!(unknown.iter().all(|key| ask.get(key).is_none()), "{ask}");
}

#[test]
fn another_language_is_no_code_and_endless_repetition_is_cut_off() {
    let script = "```javascript\nexports.handler = async (event) => {};\n```\n";
    assert_eq!(
        outcome_of(Reply::Text(script.to_owned())),
        "no code (it begins \"```javascript\\nexports.handler = async (event) => {};\\n```\")"
    );
    let again = format!("```python\n{}", "x = x + 1\n".repeat(20_000));
    let reply = completion(&again, &[("/choices/0/finish_reason", json!("length"))]);
    assert_eq!(outcome_of(Reply::Body(reply)), "cut off (after 500 tokens)");
    let endless = format!(
        "```python\n{HANDLER}y = {}1{}\n```\n",
        "(".repeat(5000),
        ")".repeat(5000)
    );
    let said = outcome_of(Reply::Text(endless));
    assert!(said.starts_with("does not parse"), "{said}");
}

/// Code that acts when it is imported, beside the stage it should be.
fn acting(module: &str, act: &str) -> Reply {
    fenced(&format!("{act}\n{}", hand_written("pillow", module)))
}

#[test]
fn code_that_acts_when_imported_is_judged_and_gets_nothing() {
    let mut replies = right();
    let acts = [
        // Runs as a script only.
        "if __name__ == '__main__':\n    raise SystemExit(3)",
        // Prints what it finds.
        "import os\nprint(dict(os.environ))",
        // Asks the network for a package.
        "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'requests'], check=True)",
        // Leaves a process behind.
        "import subprocess\nsubprocess.Popen(['sleep', '600'])",
        // Ends the process.
        "import os\nos._exit(7)",
    ];
    for ((reply, module), act) in replies.iter_mut().zip(MODULES).zip(acts) {
        *reply = acting(module, act);
    }
    let endpoint = Endpoint::new(replies);
    let project = whole_project(&endpoint);
    generate(&project, &[]).exits(0);
    let checked = project.darkroom_with(&["check", "new", "--json"], &[KEY]);
    let shown = checked.exits(1).stdout();
    assert!(!shown.contains(KEY.1), "{shown}");
    let reports: Json = serde_json::from_str(&shown).unwrap();
    let outputs = reports[0]["outputs"].as_array().unwrap();
    let said = |output: &Json| {
        let of = |key: &str| {
            output["outcome"][key]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        [of("outcome"), of("detail")].join(" ").trim().to_owned()
    };
    assert_eq!(
        outputs.iter().map(said).collect::<Vec<_>>(),
        [
            "right",
            "right",
            "raises CalledProcessError",
            "right",
            "raises Runtime.ExitError"
        ]
    );
}
