//! What the page says of variants that are samples of models: of the models, and never of the
//! luckiest sample.

use darkroom_core::cell::{Architecture, Cell};

use crate::journal::{Journal, Pass, cell};
use crate::{Made, journal, started};

/// Samples as (variant, model, ms); without a model where the name is empty.
fn page(samples: &[(&str, &str, f64)]) -> String {
    let cells: Vec<(Cell, f64)> = samples
        .iter()
        .map(|(variant, _, ms)| (cell(variant), *ms))
        .collect();
    Made::of(&measured(&cells)).html()
}

/// A run of these cells; what stands before `-s` in a variant's name is its model.
fn measured(cells: &[(Cell, f64)]) -> Journal {
    let mut journal = journal(cells, 20, 1, |_| 1.0);
    for (planned, number) in started(&mut journal).cells.iter_mut().zip(1..) {
        planned.model = planned
            .cell
            .variant
            .split_once("-s")
            .map(|(model, _)| model.to_owned());
        planned.sample = planned.model.as_ref().map(|_| number);
    }
    journal
}

/// Samples of three models: what they differ by is claimed of `middle` and `slow` only, for `noisy`
/// has the lowest mean by luck.
const NOISY: [(&str, &str, f64); 9] = [
    ("noisy-s1", "noisy", 20.0),
    ("noisy-s2", "noisy", 190.0),
    ("noisy-s3", "noisy", 60.0),
    ("middle-s1", "middle", 100.0),
    ("middle-s2", "middle", 101.0),
    ("middle-s3", "middle", 102.0),
    ("slow-s1", "slow", 200.0),
    ("slow-s2", "slow", 201.0),
    ("slow-s3", "slow", 199.0),
];

#[test]
fn a_claim_between_two_models_is_told_where_a_third_has_the_lowest_mean() {
    let answer = answer(&page(&NOISY));
    assert!(!answer.contains("No model was found"), "{answer}");
    for said in [
        "middle is 1.9",
        " times faster than slow (0.1",
        " times cheaper to host than slow ($",
        "No difference in turnaround was found between noisy and middle, nor between noisy and slow. Also measured: noisy 0.",
        " s per image (mean of 3 samples, 0.0",
        " s to 0.2",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
}

#[test]
fn models_are_compared_at_equal_levels_only() {
    let on = |architecture: Architecture, variant: &str| Cell {
        architecture,
        ..cell(variant)
    };
    let samples = |architecture, model: &str, ms: f64| -> Vec<(Cell, f64)> {
        (0..3)
            .map(|n| {
                (
                    on(architecture, &format!("{model}-s{}", n + 1)),
                    ms + f64::from(n),
                )
            })
            .collect()
    };
    let cells = [
        samples(Architecture::X86_64, "gpt", 100.0),
        samples(Architecture::X86_64, "opus", 200.0),
        samples(Architecture::Arm64, "gpt", 300.0),
    ];
    let answer = answer(&Made::of(&measured(&cells.concat())).html());
    for said in [
        "With x86_64: gpt is 1.9",
        "Not compared, because no other model with right outputs ran the same way: with arm64, gpt 0.4",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    assert!(
        !answer.contains("was found between"),
        "a pair that was never compared is not a difference: {answer}"
    );
}

#[test]
fn a_model_s_only_right_sample_is_no_headline_and_wrong_samples_are_counted() {
    let cells: Vec<(Cell, f64)> = FAR
        .iter()
        .take(6)
        .map(|(variant, _, ms)| (cell(variant), *ms))
        .collect();
    let mut journal = measured(&cells);
    for wrong in [0, 1, 3, 4] {
        journal.check(&Pass::of(&cells[wrong].0, 1, 1.0), 1, Some("blank"));
    }
    let answer = answer(&Made::of(&journal).html());
    assert!(!answer.contains("owest mean"), "{answer}");
    for said in [
        "No model was found to be faster than another in turnaround: gpt 0.1",
        "(1 of 3 samples); opus 0.",
        "Left out: 4 of 6 samples (4 with wrong outputs).",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
}

fn answer(page: &str) -> String {
    let to = page
        .find("id=\"correctness\"")
        .or_else(|| page.find("id=\"matrix\""))
        .unwrap();
    page[page.find("id=\"answer\"").unwrap()..to].replace("</b>", "")
}

const FAR: [(&str, &str, f64); 7] = [
    ("gpt-s1", "gpt", 100.0),
    ("gpt-s2", "gpt", 104.0),
    ("gpt-s3", "gpt", 97.0),
    ("opus-s1", "opus", 201.0),
    ("opus-s2", "opus", 207.0),
    ("opus-s3", "opus", 195.0),
    ("pillow", "", 150.0),
];

#[test]
fn a_model_that_is_claimed_to_be_faster_is_named_with_its_samples() {
    let answer = answer(&page(&FAR));
    for said in [
        "gpt is 1.9",
        " times faster than opus (0.1",
        " s per image; 95% CI 1.",
        " times; 3 samples each).",
        " times cheaper to host than opus ($",
        "Code that no model wrote: pillow 0.2",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    assert!(
        !answer.contains("gpt-s3"),
        "the luckiest sample is no headline: {answer}"
    );
}

#[test]
fn no_model_is_called_faster_where_samples_differ_more_than_models() {
    let lucky = [
        ("gpt-s1", "gpt", 60.0),
        ("gpt-s2", "gpt", 150.0),
        ("gpt-s3", "gpt", 110.0),
        ("opus-s1", "opus", 70.0),
        ("opus-s2", "opus", 160.0),
        ("opus-s3", "opus", 112.0),
    ];
    let page = page(&lucky);
    let answer = answer(&page);
    assert!(
        answer.contains("No model was found to be faster than another in turnaround: gpt 0.1"),
        "{answer}"
    );
    assert!(
        !answer.contains("gpt-s1") && !answer.contains("Lowest mean"),
        "{answer}"
    );
    assert!(
        ranks(&page).iter().all(|rank| rank == "–"),
        "{:?}",
        ranks(&page)
    );
}

#[test]
fn a_rank_stands_only_where_a_difference_from_every_other_cell_is_claimed() {
    let page = |ms: [f64; 3]| page(&[("one", "", ms[0]), ("two", "", ms[1]), ("three", "", ms[2])]);
    let apart = ranks(&page([100.0, 200.0, 300.0]));
    assert!(
        ["1", "2", "3"]
            .iter()
            .all(|rank| apart.iter().any(|of| of == rank)),
        "{apart:?}"
    );
    let alike = ranks(&page([100.0, 100.0, 300.0]));
    assert!(
        alike.iter().all(|rank| rank == "–" || rank == "3"),
        "{alike:?}"
    );
    assert!(
        alike.iter().any(|rank| rank == "3"),
        "the slowest is told apart from both"
    );
}

/// The field `rank` of every row of the table of numbers.
fn ranks(page: &str) -> Vec<String> {
    let table = &page[page.find("id=\"numbers\"").unwrap()..];
    let table = &table[..table.find("</table>").unwrap()];
    let rank = |row: &str| {
        row.split("<td class=\"n\"")
            .last()
            .unwrap()
            .split(['>', '<'])
            .nth(1)
            .unwrap()
            .to_owned()
    };
    table.split("<tr").skip(2).map(rank).collect()
}
