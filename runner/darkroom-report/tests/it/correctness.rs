//! What the page says of models before any time: rates, who is right more often, what the answers
//! came to, failures with the line that did it, and what a right pipeline took.

use std::collections::BTreeMap;

use darkroom_core::event::{Event, ModelAsked, Status};
use darkroom_core::outcome::{Kind, Outcome};

use crate::journal::{Journal, Pass, STAGES, cell};
use crate::{Made, started};

/// A name that a page must not take for markup.
const BETA: &str = "beta<script>";
const CODE: &str = "import PIL\n</pre><img src=x onerror=alert(1)>\n";

/// Five samples of `alpha`, all right; five of [`BETA`]: one answer is cut off, the others raise in
/// their second line.
fn two_models() -> Journal {
    let names: Vec<(String, &str)> = (1..=5)
        .flat_map(|n| {
            [
                (format!("alpha-s{n}"), "alpha"),
                (format!("beta-s{n}"), BETA),
            ]
        })
        .collect();
    let cells: Vec<_> = names.iter().map(|(name, _)| cell(name)).collect();
    let mut journal = Journal::of(&cells);
    for (planned, (_, model)) in started(&mut journal).cells.iter_mut().zip(&names) {
        planned.model = Some((*model).to_owned());
        planned.sample = Some(1);
    }
    let gap = Outcome::new(Kind::CutOff, "after 50 tokens");
    started(&mut journal).cells[1].missing = BTreeMap::from([(STAGES[1].to_owned(), gap.clone())]);
    for (name, _) in &names {
        for stage in STAGES {
            let cut_off = (name.as_str(), stage) == ("beta-s1", STAGES[1]);
            journal.events.push(Event::ModelAsked(ModelAsked {
                variant: name.clone(),
                stage: stage.into(),
                seconds: 2.0,
                input_tokens: Some(100),
                output_tokens: Some(50),
                missing: cut_off.then(|| gap.clone()),
                code: (!cut_off).then(|| CODE.to_owned()),
                ..ModelAsked::default()
            }));
        }
    }
    for (place, cell) in cells.iter().enumerate() {
        let mut pass = Pass::of(cell, 1, 10.0);
        match place {
            1 => {
                pass.status[1] = Status::Throttled;
                journal.pass(&pass).check(&pass, 0, None);
            }
            _ if place % 2 == 1 => {
                pass.status[0] = Status::FunctionError;
                journal.pass(&pass);
            }
            _ => {
                journal.pass(&pass).check_all(cell);
            }
        }
    }
    journal
}

fn section(page: &str) -> &str {
    &page[page.find("id=\"correctness\"").unwrap()..page.find("id=\"believe\"").unwrap()]
}

#[test]
fn rates_come_before_any_time_with_who_is_right_more_often() {
    let page = Made::of(&two_models()).html();
    let section = section(&page);
    for said in [
        "alpha: 5 of 5 pipelines are right (95% CI 57% to 100%).",
        "beta&lt;script&gt;: 0 of 5 pipelines are right (95% CI 0% to 43%). Commonest failure: raises (ValueError).",
        "alpha is right more often than beta&lt;script&gt; with the whole pipeline: 5 of 5 against 0 of 5 samples",
        "<b>5 of 5</b><span>100% <i>[57, 100]</i></span>",
        "--shade:38%",
        "aria-label=\"beta&lt;script&gt;: right 1, raises 4, cut off 1\"",
        // 20 questions of 150 tokens for 5 right ones.
        "<td class=\"n\" data-value=\"300\">300</td>",
        "<td class=\"n\" data-value=\"0\">0</td><td class=\"n\" data-value=\"5\">5</td>",
    ] {
        assert!(section.contains(said), "{said} in {section}");
    }
}

#[test]
fn the_commonest_failure_is_told_with_its_line_and_nothing_of_a_model_is_markup() {
    let page = Made::of(&two_models()).html();
    let section = section(&page);
    let failures = &section[section.find("Commonest failures").unwrap()..];
    let place = |words: &str| failures.find(words).unwrap_or_else(|| panic!("{words}"));
    assert!(
        place("the handler raises ValueError, in 4 samples.")
            < place("was cut off at the limit of tokens (after 50 tokens), in 1 sample."),
    );
    assert!(failures.contains("<q>no such image</q>"));
    assert!(failures.contains(
        "<pre class=\"line\"><code>&lt;/pre&gt;&lt;img src=x onerror=alert(1)&gt;</code></pre>"
    ));
    assert!(failures.contains("That is the line (greyscale.py:2) in beta-s2."));
    for markup in ["<img src=x", "<script>:", "beta<script>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    let beside = &section[section.find("Code side by side").unwrap()..];
    assert!(beside.contains("<b>alpha-s1</b>: right") && beside.contains("<b>beta-s1</b>: right"));
}

/// What a sample answered at the first stage, round by round: code, or what came instead.
fn answered(variant: &str, allowed: u32, rounds: &[Option<&Outcome>]) -> Vec<Event> {
    let round = |(round, missing): (u32, Option<&Outcome>)| {
        Event::ModelAsked(ModelAsked {
            variant: variant.into(),
            stage: STAGES[0].into(),
            round,
            rounds_allowed: allowed,
            missing: missing.cloned(),
            code: missing.is_none().then(|| CODE.to_owned()),
            ..ModelAsked::default()
        })
    };
    (0..).zip(rounds.iter().copied()).map(round).collect()
}

#[test]
fn first_answers_and_repaired_ones_are_counted_apart_and_the_last_of_each_sample_is_judged() {
    let (no_code, no_handler) = (
        Outcome::from(Kind::NoAnswer),
        Outcome::from(Kind::NoHandler),
    );
    let samples = [
        ("m-s1", answered("m-s1", 0, &[Some(&no_code)])),
        ("m-s2", answered("m-s2", 0, &[Some(&no_code)])),
        // The same failure after repairs, which another failure came before.
        (
            "m-repair2-s1",
            answered(
                "m-repair2-s1",
                2,
                &[Some(&no_handler), None, Some(&no_code)],
            ),
        ),
        (
            "m-repair2-s2",
            answered(
                "m-repair2-s2",
                2,
                &[Some(&no_handler), Some(&no_handler), Some(&no_code)],
            ),
        ),
        (
            "m-repair2-s3",
            answered("m-repair2-s3", 2, &[Some(&no_code)]),
        ),
    ];
    let cells: Vec<_> = samples.iter().map(|(name, _)| cell(name)).collect();
    let mut journal = Journal::of(&cells);
    for planned in &mut started(&mut journal).cells {
        planned.model = Some("m".to_owned());
        planned.sample = Some(1);
        // One of them has code, of its second answer.
        if planned.cell.variant != "m-repair2-s1" {
            planned.missing = BTreeMap::from([(STAGES[0].to_owned(), no_code.clone())]);
        }
    }
    journal
        .events
        .extend(samples.into_iter().flat_map(|(_, asked)| asked));
    for cell in &cells {
        let mut pass = Pass::of(cell, 1, 10.0);
        pass.status[0] = match cell.variant.as_str() {
            "m-repair2-s1" => Status::FunctionError,
            _ => Status::Throttled,
        };
        journal.pass(&pass);
    }
    let page = Made::of(&journal).html();
    let section = section(&page);
    let failures = &section[section.find("Commonest failures").unwrap()..];
    let failures = &failures[..failures.find("</ol>").unwrap()];
    let told: Vec<String> = failures.split("<li>").skip(1).map(in_words).collect();
    assert_eq!(
        told,
        [
            "m, no repair · greyscale: the answer is empty, in 2 samples.",
            "m, repair 2 · greyscale: the handler raises ValueError, in 1 sample, after 2 rounds of repair.",
            "m, repair 2 · greyscale: the answer is empty, in 1 sample, after 2 rounds of repair.",
            "m, repair 2 · greyscale: the answer is empty, in 1 sample, with the first answer.",
        ]
    );
}

/// The first sentence of an item, without its markup.
fn in_words(item: &str) -> String {
    let mut words = String::new();
    for part in item.split('<') {
        words += part.split_once('>').map_or(part, |(_, text)| text);
    }
    words.split_inclusive('.').next().unwrap().trim().to_owned()
}

#[test]
fn a_run_of_an_older_journal_has_the_rates_alone() {
    let mut journal = two_models();
    journal
        .events
        .retain(|event| !matches!(event, Event::ModelAsked(_)));
    let page = Made::of(&journal).html();
    let section = section(&page);
    assert!(section.contains("alpha: 5 of 5 pipelines are right"));
    for part in [
        "Commonest failures",
        "What a right pipeline took",
        "Code side by side",
    ] {
        assert!(!section.contains(part), "{part}");
    }
}

#[test]
fn the_methods_say_how_models_were_compared() {
    let page = Made::of(&two_models()).html();
    let methods = &page[page.find("id=\"methods\"").unwrap()..];
    for said in [
        "Rates of right samples have Wilson's 95% intervals. They were compared by Fisher's exact test, two-sided (1 of whole pipelines, 2 of stages)",
        "Times and costs of models are of right samples only.",
    ] {
        assert!(methods.contains(said), "{said} in {methods}");
    }
}
