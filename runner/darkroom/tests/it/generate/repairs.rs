//! Verdicts that are sent back to a model.

use std::fs;

use serde_json::json;

use super::project::{
    attempts, fenced, functions, generate, hand_written, models, provenance, right, text,
    whole_project, with_black_colour_depth,
};
use crate::scripted::{Endpoint, Reply, completion};

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
