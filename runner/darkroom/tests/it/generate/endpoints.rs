//! What endpoints do instead of answering: no outcome of a model, and told with what to do.

use serde_json::{Value as Json, json};

use super::project::{HANDLER, KEY, error, fenced, generate, project, provenance, text, told};
use crate::scripted::{Endpoint, Reply, completion};

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
