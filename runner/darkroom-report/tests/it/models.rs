//! What the page says of variants that are samples of models: of the models, and never of the luckiest sample.

use darkroom_core::cell::Cell;

use crate::journal::cell;
use crate::{Made, journal, started};

/// Samples as (variant, model, ms); without a model where the name is empty.
fn page(samples: &[(&str, &str, f64)]) -> String {
    let cells: Vec<(Cell, f64)> = samples.iter().map(|(variant, _, ms)| (cell(variant), *ms)).collect();
    let mut journal = journal(&cells, 20, 1, |_| 1.0);
    for (planned, (number, (_, model, _))) in started(&mut journal).cells.iter_mut().zip((1..).zip(samples)) {
        planned.model = (!model.is_empty()).then(|| (*model).into());
        planned.sample = planned.model.as_ref().map(|_| number);
    }
    Made::of(&journal).html()
}

fn answer(page: &str) -> String {
    let to = page.find("Before believing").or_else(|| page.find("id=\"numbers\"")).unwrap();
    page[page.find("id=\"answer\"").unwrap()..to].to_owned()
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
fn a_model_that_is_claimed_to_be_faster_is_named_with_its_samples_and_its_spread() {
    let answer = answer(&page(&FAR));
    for said in [
        "Model faster in turnaround: gpt 0.15",
        "s per image (mean of 3 samples, 0.1",
        ", than opus (ratio 0.",
        "; 3 samples against 3 samples)",
        "Model cheaper in hosting cost: gpt $",
        "Code that no model wrote: pillow 0.2",
    ] {
        assert!(answer.contains(said), "{said} in {answer}");
    }
    assert!(!answer.contains("gpt-s3"), "the luckiest sample is no headline: {answer}");
}

#[test]
fn where_samples_differ_more_than_models_no_model_is_called_faster_and_no_sample_is_ranked() {
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
    assert!(answer.contains("No model is claimed to be faster than another in turnaround: gpt 0.1"), "{answer}");
    assert!(!answer.contains("gpt-s1") && !answer.contains("Lowest mean"), "{answer}");
    assert!(ranks(&page).iter().all(|rank| rank == "–"), "{:?}", ranks(&page));
}

#[test]
fn a_rank_stands_only_where_a_difference_from_every_other_cell_is_claimed() {
    let page = |ms: [f64; 3]| page(&[("one", "", ms[0]), ("two", "", ms[1]), ("three", "", ms[2])]);
    let apart = ranks(&page([100.0, 200.0, 300.0]));
    assert!(["1", "2", "3"].iter().all(|rank| apart.iter().any(|of| of == rank)), "{apart:?}");
    let alike = ranks(&page([100.0, 100.0, 300.0]));
    assert!(alike.iter().all(|rank| rank == "–" || rank == "3"), "{alike:?}");
    assert!(alike.iter().any(|rank| rank == "3"), "the slowest is told apart from both");
}

/// The field `rank` of every row of the table of numbers.
fn ranks(page: &str) -> Vec<String> {
    let table = &page[page.find("id=\"numbers\"").unwrap()..];
    let table = &table[..table.find("</table>").unwrap()];
    let rank = |row: &str| row.split("<td class=\"n\"").last().unwrap().split(['>', '<']).nth(1).unwrap().to_owned();
    table.split("<tr").skip(2).map(rank).collect()
}
