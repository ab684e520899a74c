//! How many of a model's samples are right: from facts to the rows of `correctness`.

use std::collections::BTreeMap;

use darkroom_core::event::{Event, ModelAsked, Status};
use darkroom_core::outcome::{Kind, Outcome};

use crate::journal::{Journal, Pass, STAGES, cell};
use crate::{Run, float, integer, rows, text};

/// Six samples of one model, and a variant by hand. One is right; the second stage of the others is
/// wrong, or not there, or not reached, as the first one raises; the last one was not measured.
pub fn of_models() -> Journal {
    let names = ["m-s1", "m-s2", "m-s3", "m-s4", "m-s5", "by-hand"];
    let cells = names.map(cell);
    let mut journal = Journal::of(&cells);
    if let Some(Event::RunStarted(run)) = journal.events.first_mut() {
        for (planned, number) in run.cells.iter_mut().zip(1..=5) {
            planned.model = Some("m".to_owned());
            planned.sample = Some(number);
        }
        let gap = Outcome::new(Kind::CutOff, "after 9 tokens");
        run.cells[2].missing = BTreeMap::from([(STAGES[1].to_owned(), gap)]);
    }
    let pass = |place: usize| Pass::of(&cells[place], 1, 10.0);
    for place in [0, 5] {
        journal.pass(&pass(place)).check_all(&cells[place]);
    }
    journal.pass(&pass(1)).check(&pass(1), 0, None);
    journal.check(&pass(1), 1, Some("blank"));
    // The third one's chain ends at its gap.
    let mut to_the_gap = pass(2);
    to_the_gap.status[1] = Status::Throttled;
    journal.pass(&to_the_gap).check(&pass(2), 0, None);
    let mut raises = pass(3);
    raises.status[0] = Status::FunctionError;
    journal.pass(&raises);
    journal
}

/// What a model was asked for a stage, and answered with code; 100 + 50 tokens, 2 s, $0.01.
fn asked(variant: &str, stage: &str, round: u32) -> ModelAsked {
    ModelAsked {
        variant: variant.into(),
        stage: stage.into(),
        round,
        rounds_allowed: 2,
        attempt: 1,
        asked_at: "2026-11-24T17:00:00.250Z".into(),
        seconds: 2.0,
        model_asked: "vendor/m".into(),
        model_answered: "vendor/m-2026".into(),
        prompt_sha256: "ab".repeat(32),
        python: "3.13".into(),
        finish_reason: Some("stop".into()),
        input_tokens: Some(100),
        output_tokens: Some(50),
        cost_usd: Some(0.01),
        sent_back: (round > 0).then(|| "The output is wrong".into()),
        missing: None,
        code: Some("import cv2\nraise ValueError\n".into()),
    }
}

/// Five samples of `a`, all right, the first after a repair of its second stage; five of `b`, all
/// wrong: one has no code for the second stage, the others raise at the first, the last of them on
/// one image of two. Asked with one prompt, and a sixth of `b` with another.
pub fn of_two_models() -> Journal {
    let names: Vec<String> = (1..=5)
        .flat_map(|n| [format!("a-s{n}"), format!("b-s{n}")])
        .chain(["b-hints".to_owned()])
        .collect();
    let cells: Vec<_> = names.iter().map(|name| cell(name)).collect();
    let mut journal = Journal::of(&cells);
    if let Some(Event::RunStarted(run)) = journal.events.first_mut() {
        for planned in &mut run.cells {
            let (model, sample) = planned.cell.variant.split_once('-').unwrap();
            planned.model = Some(model.to_owned());
            planned.sample = sample.trim_start_matches('s').parse().ok().or(Some(1));
            planned.prompt = (sample == "hints").then(|| "hints".to_owned());
        }
        let gap = Outcome::new(Kind::CutOff, "after 50 tokens");
        run.cells[1].missing = BTreeMap::from([(STAGES[1].to_owned(), gap)]);
    }
    for name in &names {
        for stage in STAGES {
            let mut ask = asked(name, stage, 0);
            if (name.as_str(), stage) == ("b-s1", STAGES[1]) {
                ask.missing = Some(Outcome::new(Kind::CutOff, "after 50 tokens"));
                ask.code = None;
            }
            journal.events.push(Event::ModelAsked(ask));
        }
    }
    let repair = asked("a-s1", STAGES[1], 1);
    journal.events.push(Event::ModelAsked(repair));
    for (place, cell) in cells.iter().enumerate() {
        let pass = Pass::of(cell, 1, 10.0);
        if place % 2 == 0 {
            journal.pass(&pass).check_all(cell);
            continue;
        }
        let mut raises = pass.clone();
        raises.status[usize::from(place == 1)] = Status::FunctionError;
        if place == 1 {
            // The chain ends at the gap.
            raises.status[1] = Status::Throttled;
            journal.check(&pass, 0, None);
        }
        journal.pass(&raises);
        if place == 9 {
            let other = Pass {
                image: "chelsea.png",
                ..pass.clone()
            };
            journal
                .pass(&other)
                .check(&other, 0, None)
                .check(&other, 1, None);
        }
    }
    journal
}

#[test]
fn what_is_right_at_first_partly_and_at_what_cost_is_said_of_each_model_and_prompt() {
    let run = Run::of(&of_two_models());
    let table = run.table("correctness");
    assert_eq!(table.height(), 9, "a, b, and b with hints");
    let of = |model: &str, prompt: &str, stage: &str| {
        rows(
            &table,
            &[("model", model), ("prompt", prompt), ("stage", stage)],
        )
    };
    let counts = |row: &_| {
        [
            "n",
            "right",
            "right_first",
            "right_partly",
            "images",
            "images_right",
            "asks",
            "repairs",
        ]
        .map(|column| integer(row, column).unwrap())
    };
    let (a, b) = (of("a", "plain", "pipeline"), of("b", "plain", "pipeline"));
    assert_eq!(counts(&a), [5, 5, 4, 0, 5, 5, 11, 1]);
    assert_eq!(counts(&b), [5, 0, 0, 1, 6, 1, 10, 0]);
    assert_eq!(
        counts(&of("b", "hints", "pipeline")),
        [1, 1, 1, 0, 1, 1, 2, 0]
    );
    assert_eq!(
        counts(&of("a", "plain", STAGES[0])),
        [5, 5, 5, 0, 5, 5, 5, 0]
    );
    // Of the second stage of b one sample is known to be without code, one made one image.
    assert_eq!(
        counts(&of("b", "plain", STAGES[1])),
        [2, 1, 1, 0, 1, 1, 2, 0]
    );
    // scipy 1.18.1: binomtest(4, 5).proportion_ci(0.95, "wilson").
    let first = ["rate_first", "rate_first_ci_low", "rate_first_ci_high"];
    let expected = [0.8, 0.375_534_629_762_525_3, 0.963_775_891_367_569_8];
    for (column, expected) in first.into_iter().zip(expected) {
        let found = float(&a, column).unwrap();
        assert!((found - expected).abs() < 1e-9, "{column}: {found}");
    }
    let per_right = |row: &_| {
        ["tokens_per_right", "cost_usd_per_right", "answer_s"].map(|column| float(row, column))
    };
    let [tokens, usd, seconds] = per_right(&a);
    assert_eq!((tokens, seconds), (Some(330.0), Some(22.0)));
    assert!((usd.unwrap() - 0.11 / 5.0).abs() < 1e-15, "{usd:?}");
    assert_eq!(per_right(&b), [None, None, Some(20.0)], "none is right");
}

#[test]
fn models_and_prompts_are_compared_in_families_of_their_own() {
    let run = Run::of(&of_two_models());
    let table = run.table("correctness_comparisons");
    let of = |factor: &str, stage: &str| rows(&table, &[("factor", factor), ("stage", stage)]);
    assert_eq!(
        table.height(),
        6,
        "two stages and the pipeline, by model and by prompt"
    );
    let whole = of("model", "pipeline");
    assert_eq!(text(&whole, "verdict").unwrap(), "right less often");
    // scipy 1.18.1: fisher_exact([[5, 0], [0, 5]]); Newcombe of Wilson's intervals.
    for (column, expected) in [
        ("difference", -1.0),
        ("difference_ci_low", -1.0),
        ("difference_ci_high", -0.385_549_005_690_343_56),
        ("p", 2.0 / 252.0),
        ("p_adj", 2.0 / 252.0),
        ("least_p_adj", 2.0 / 252.0),
    ] {
        let found = float(&whole, column).unwrap();
        assert!((found - expected).abs() < 1e-12, "{column}: {found}");
    }
    assert_eq!(integer(&whole, "tests"), Some(1));
    let first = of("model", STAGES[0]);
    assert_eq!(integer(&first, "tests"), Some(2), "the stages are a family");
    let p = ["p", "p_adj"].map(|column| float(&first, column).unwrap());
    assert!((p[1] - 2.0 * p[0]).abs() < 1e-12, "{p:?}");
    // One sample with the other prompt.
    let prompts = of("prompt", "pipeline");
    assert_eq!(text(&prompts, "verdict").unwrap(), "too few samples");
    assert_eq!(
        (text(&prompts, "prompt_a"), text(&prompts, "prompt_b")),
        (Some("plain".to_owned()), Some("hints".to_owned()))
    );
    assert_eq!(
        darkroom_tables::rates_in_words(&run.summary.correctness_comparisons)[0],
        "a (prompt plain) is right more often than b (prompt plain) with the whole pipeline: 5 of \
         5 against 0 of 5 samples (100 points more, 95% CI 39 to 100; Fisher's exact test, p 0.008)."
    );
}

#[test]
fn every_answer_is_a_row_with_what_became_of_it_and_the_line_that_did_it() {
    let run = Run::of(&of_two_models());
    let table = run.table("generation");
    assert_eq!(table.height(), 23);
    let of = |variant: &str, stage: &str, round: i64| {
        let rows = rows(&table, &[("variant", variant), ("stage", stage)]);
        let rounds = rows.column("round").unwrap().i64().unwrap().clone();
        let place = rounds
            .iter()
            .position(|found| found == Some(round))
            .unwrap();
        rows.slice(place as i64, 1)
    };
    let came = |row: &_| ["outcome", "detail", "said", "error_at", "line"].map(|of| text(row, of));
    let said = |text: &str| Some(text.to_owned());
    let raised = of("b-s2", STAGES[0], 0);
    assert_eq!(
        came(&raised),
        [
            said("raises"),
            said("ValueError"),
            said("no such image"),
            said("greyscale.py:2"),
            said("raise ValueError")
        ]
    );
    let gap = of("b-s1", STAGES[1], 0);
    assert_eq!(came(&gap)[..2], [said("cut_off"), said("after 50 tokens")]);
    assert_eq!((text(&gap, "code"), text(&gap, "line")), (None, None));
    let replaced = of("a-s1", STAGES[1], 0);
    assert_eq!(came(&replaced)[0], None, "a repair took its place");
    let repair = of("a-s1", STAGES[1], 1);
    assert_eq!(came(&repair)[0], said("right"));
    assert_eq!(text(&repair, "sent_back"), said("The output is wrong"));
    assert_eq!(integer(&repair, "input_tokens"), Some(100));
}

#[test]
fn samples_with_other_rounds_of_repair_are_not_pooled() {
    let mut journal = of_two_models();
    for event in &mut journal.events {
        if let Event::ModelAsked(asked) = event
            && ["a-s4", "a-s5"].contains(&asked.variant.as_str())
        {
            asked.rounds_allowed = 0;
        }
    }
    let run = Run::of(&journal);
    let whole = rows(
        &run.table("correctness"),
        &[("stage", "pipeline"), ("prompt", "plain")],
    );
    let of = |model: &str| integer(&rows(&whole, &[("model", model)]), "n");
    assert_eq!((of("a, repair 2"), of("a, no repair")), (Some(3), Some(2)));
    let sides = rows(
        &run.table("comparisons"),
        &[("factor", "model"), ("metric", "cost_usd")],
    );
    // Only answers with as many rounds of repair are compared: the two prompts, and who had no repair.
    let level = |side: &str, at: usize| {
        let column = sides.column(side).unwrap().str().unwrap();
        column.get(at).unwrap().to_owned()
    };
    let pairs: Vec<_> = (0..sides.height())
        .map(|at| (level("level_a", at), level("level_b", at)))
        .collect();
    let rounds = |name: &str| {
        let (_, rounds) = name.split_once(", ").unwrap();
        rounds.split(" (").next().unwrap().to_owned()
    };
    assert!(!pairs.is_empty());
    assert!(
        pairs.iter().all(|(a, b)| rounds(a) == rounds(b)),
        "{pairs:?}"
    );
    assert!(
        pairs
            .iter()
            .any(|(a, b)| [a, b].contains(&&"a, repair 2 (prompt plain)".to_owned())),
        "{pairs:?}"
    );
}

#[test]
fn an_older_journal_says_nothing_of_answers_and_has_its_rates() {
    let mut journal = of_two_models();
    journal
        .events
        .retain(|event| !matches!(event, Event::ModelAsked(_)));
    let run = Run::of(&journal);
    assert_eq!(run.table("generation").height(), 0);
    let whole = rows(
        &run.table("correctness"),
        &[("model", "a"), ("stage", "pipeline")],
    );
    assert_eq!(integer(&whole, "right"), Some(5));
    for column in ["right_first", "asks", "repairs", "input_tokens"] {
        assert_eq!(integer(&whole, column), None, "{column}");
    }
}

#[test]
fn every_sample_counts_and_a_stage_without_code_is_not_right() {
    let run = Run::of(&of_models());
    let table = run.table("correctness");
    assert_eq!(table.height(), 3, "one model, two stages and the pipeline");
    let of = |stage: &str| rows(&table, &[("model", "m"), ("stage", stage)]);
    let counts = |stage: &str| {
        ["right", "n", "n_unknown"].map(|column| integer(&of(stage), column).unwrap())
    };
    assert_eq!(counts(STAGES[0]), [3, 4, 1]);
    assert_eq!(counts(STAGES[1]), [1, 3, 2], "the fourth never reached it");
    assert_eq!(counts("pipeline"), [1, 4, 1]);
    let kinds = |stage: &str| {
        ["n_cut_off", "n_raises", "n_wrong_output"]
            .map(|column| integer(&of(stage), column).unwrap())
    };
    assert_eq!(kinds(STAGES[0]), [0, 1, 0]);
    assert_eq!(kinds(STAGES[1]), [1, 0, 1]);
    assert_eq!(kinds("pipeline"), [1, 1, 1]);
    assert_eq!(
        text(&of(STAGES[1]), "commonest_failure").unwrap(),
        "cut off (after 9 tokens)",
        "of two alike the first on the way"
    );
    assert_eq!(
        text(&of(STAGES[0]), "commonest_failure").unwrap(),
        "raises (ValueError)"
    );
    // scipy 1.18.1: binomtest(1, 4).proportion_ci(0.95, "wilson").
    let pipeline = of("pipeline");
    for (column, expected) in [
        ("rate", 0.25),
        ("rate_ci_low", 0.045_587_260_809_700_55),
        ("rate_ci_high", 0.699_358_157_417_598_1),
        ("pass_at_1", 0.25),
        ("pass_at_3", 0.75),
    ] {
        let found = float(&pipeline, column).unwrap();
        assert!((found - expected).abs() < 1e-12, "{column}: {found}");
    }
    assert_eq!(float(&pipeline, "pass_at_5"), None, "null beyond n");
}

#[test]
fn a_stage_without_code_is_a_row_of_code_and_of_summary() {
    let run = Run::of(&of_models());
    let code = rows(&run.table("code"), &[("variant", "m-s3")]);
    assert_eq!(text(&code, "missing").unwrap(), "cut_off");
    assert_eq!(
        text(&code, "note").unwrap(),
        "not there: cut off (after 9 tokens)"
    );
    let summary = rows(
        &run.table("summary"),
        &[
            ("variant", "m-s3"),
            ("stage", STAGES[1]),
            ("metric", "duration_ms"),
        ],
    );
    assert!(
        text(&summary, "note")
            .unwrap()
            .starts_with("not there: cut off")
    );
    assert_eq!(
        text(&summary, "reason").unwrap(),
        format!("{}: not there: cut off (after 9 tokens)", STAGES[1])
    );
}

#[test]
fn a_run_without_models_has_no_rows() {
    let mut journal = Journal::of(&[cell("pillow")]);
    journal.pass(&Pass::of(&cell("pillow"), 1, 10.0));
    journal.check_all(&cell("pillow"));
    assert_eq!(Run::of(&journal).table("correctness").height(), 0);
}
