//! What a reader must learn from the first screen: what won, by how much, how sure that is, what is
//! wrong and what it costs.

use darkroom_core::cell::{Cell, Start};

use crate::journal::{Pass, cell};
use crate::{Made, journal};

/// The page from its beginning to the matrix: what stands on the first screen.
fn first_screen(page: &str) -> &str {
    &page[page.find("<header>").unwrap()..page.find("id=\"matrix\"").unwrap()]
}

fn study() -> Made {
    let cells = [
        (cell("pillow"), 100.0),
        (cell("rust"), 10.0),
        (cell("broken"), 50.0),
    ];
    let mut journal = journal(&cells, 20, 2, |_| 1.0);
    journal.check(&Pass::of(&cells[2].0, 1, 1.0), 1, Some("blank"));
    Made::of(&journal)
}

#[test]
fn five_questions_are_answered_before_anything_else() {
    let page = study().html();
    let screen = first_screen(&page);
    for (question, said) in [
        (
            "what was compared",
            "pillow, rust and broken: 3 cells, 2 stages, 2 images",
        ),
        (
            "where and when",
            "Measured on this machine&#39;s local cloud",
        ),
        ("when", "2026-11-24"),
        ("what won, by how much", "<b>rust is 8."),
        ("against whom", " times faster than pillow</b> ("),
        ("how sure", "95% CI"),
        (
            "what is wrong",
            "<p class=\"caution\">WRONG, so not ranked: broken (resize: blank",
        ),
        (
            "what it costs",
            "At AWS's prices and this machine's times, 100,000 images would cost: rust $",
        ),
        ("what the other costs", ", pillow $"),
        ("n", "<a href=\"#believe-n\">n = 80</a>"),
        (
            "deployments",
            "<a href=\"#believe-deployments\">2 deployments</a>",
        ),
        ("noise", "<a href=\"#believe-noise\">noise floor "),
        (
            "place",
            "<a href=\"#believe-machine\">one machine, not AWS</a>",
        ),
    ] {
        let said = said.replace("&#39;", "'");
        assert!(
            screen.replace("&#39;", "'").contains(&said),
            "{question}: {said} in {screen}"
        );
    }
    let cost = screen.split("100,000 images would cost").nth(1).unwrap();
    assert!(
        !cost.split("</p>").next().unwrap().contains("broken"),
        "{cost}"
    );
}

#[test]
fn the_bold_part_is_the_whole_claim_whatever_the_names_are() {
    let cells = [(cell("pillow (old)"), 100.0), (cell("rust (new)"), 10.0)];
    let page = Made::of(&journal(&cells, 20, 1, |_| 1.0)).html();
    let screen = first_screen(&page);
    assert!(
        screen.contains("<b>rust (new) is 8.")
            && screen.contains(" times faster than pillow (old)</b> ("),
        "{screen}"
    );
}

#[test]
fn costs_stand_in_the_plans_order_unless_they_are_ranked_and_say_whose_times_they_are() {
    let alike = [(cell("pillow"), 100.0), (cell("rust"), 99.0)];
    let page = Made::of(&journal(&alike, 3, 1, |_| 1.0)).html();
    assert!(
        first_screen(&page).contains("100,000 images would cost: pillow $"),
        "nothing is claimed of the two: {}",
        first_screen(&page)
    );
    for (target, said, not_said) in [
        ("aws", "<p>100,000 images cost: pillow $", "would cost"),
        (
            "imported",
            "the imported times, 100,000 images would cost: pillow $",
            "S3 requests",
        ),
        (
            "endpoint",
            "(not AWS's), 100,000 images would cost: pillow $",
            "this machine",
        ),
    ] {
        let mut journal = journal(&alike, 3, 1, |_| 1.0);
        crate::started(&mut journal).target = target.into();
        let page = Made::of(&journal).html();
        let screen = first_screen(&page);
        let cost = screen
            .split("</p>")
            .find(|part| part.contains("100,000 images c") || part.contains("100,000 images would"))
            .unwrap();
        let cost = &cost[cost.rfind("<p>").unwrap()..];
        assert!(
            cost.contains(said) && !cost.contains(not_said),
            "{target}: {cost}"
        );
    }
}

#[test]
fn every_link_on_belief_leads_to_its_explanation() {
    let page = study().html();
    let line = page
        .split("class=\"grounds\"")
        .nth(1)
        .unwrap()
        .split("</p>")
        .next()
        .unwrap();
    let links: Vec<&str> = line
        .split("href=\"#")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(links.len() >= 5, "{links:?}");
    for id in links {
        assert_eq!(
            page.matches(&format!("<dt id=\"{id}\">")).count(),
            1,
            "{id}"
        );
    }
}

#[test]
fn a_claim_says_deployed_once_in_the_line_on_belief_and_not_in_every_sentence() {
    let two = [(cell("pillow"), 100.0), (cell("rust"), 10.0)];
    let once = Made::of(&journal(&two, 20, 1, |_| 1.0)).html();
    let screen = first_screen(&once);
    assert!(!screen.contains("Deployed once, so"), "{screen}");
    for said in [">deployed once</a>", ">noise floor unknown</a>"] {
        assert!(screen.contains(said), "{said} in {screen}");
    }
}

#[test]
fn at_most_four_sentences_compare_and_the_others_are_linked() {
    let of = |variant: &str, image_set: &str, start| Cell {
        image_set: image_set.into(),
        start,
        ..cell(variant)
    };
    let sets = ["a", "b", "c"];
    let cells: Vec<(Cell, f64)> = sets
        .iter()
        .flat_map(|set| {
            [
                (of("pillow", set, Start::Warm), 100.0),
                (of("rust", set, Start::Warm), 10.0),
            ]
        })
        .collect();
    let page = Made::of(&journal(&cells, 20, 1, |_| 1.0)).html();
    let screen = first_screen(&page);
    assert_eq!(screen.matches("class=\"answer\"").count(), 4, "{screen}");
    assert!(
        screen.contains("<a href=\"#more\">2 further sentences on other kinds of work</a>"),
        "{screen}"
    );
    let more = page.split("id=\"more\"").nth(1).unwrap();
    assert!(
        more.contains("With c: rust is 8.") || more.contains("With c: rust is 9."),
        "{more:.600}"
    );
    let order = |said: &str| {
        screen
            .find(said)
            .unwrap_or_else(|| panic!("{said} in {screen}"))
    };
    assert!(
        order("With a: rust is") < order("cheaper to host"),
        "cost of a kind beside its time"
    );
}

#[test]
fn of_many_wrong_cells_the_first_are_named_and_the_others_counted() {
    let cells: Vec<(Cell, f64)> = (0..7).map(|n| (cell(&format!("v{n}")), 10.0)).collect();
    let mut journal = journal(&cells, 3, 1, |_| 1.0);
    for (of, _) in &cells[1..] {
        journal.check(&Pass::of(of, 1, 1.0), 1, Some("blank"));
    }
    let page = Made::of(&journal).html();
    let screen = first_screen(&page);
    assert!(
        screen.contains("; v4 (resize: blank (1 of 2)); 2 more below."),
        "{screen}"
    );
    let below = page.split("id=\"wrong\"").nth(1).unwrap();
    assert!(below.contains("<b>v6.x86_64"), "each stands below");
}
