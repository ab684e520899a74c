//! Several runs on one page: nothing changed in a run against itself, a slowed variant is found,
//! what can't be compared is said.

use darkroom_core::cell::Cell;
use darkroom_core::event::Event;
use darkroom_report::several;
use darkroom_tables::between;

use crate::journal::{Journal, cell};
use crate::{Made, journal, started};

fn two(rust: f64) -> [(Cell, f64); 2] {
    [(cell("pillow"), 100.0), (cell("rust"), rust)]
}

fn page(runs: Vec<Made>) -> String {
    let changes: Vec<_> = runs[1..]
        .iter()
        .map(|run| between(runs[0].dir.path(), run.dir.path()).unwrap())
        .collect();
    let findings = vec![Vec::new(); runs.len()];
    let runs: Vec<darkroom_report::Run> = runs.into_iter().map(|made| made.run).collect();
    several(&runs, &changes, &findings)
}

fn named(mut journal: Journal, id: &str) -> Journal {
    started(&mut journal).run_id = id.into();
    journal
}

#[test]
fn a_run_beside_itself_has_not_changed_and_nothing_stands_in_the_way() {
    let made = || Made::of(&journal(&two(50.0), 30, 2, |_| 1.0));
    let page = page(vec![made(), made()]);
    assert!(
        page.contains("B against A: no change was found in 8 comparisons; 8 equivalent within 5%")
    );
    assert!(
        page.contains("Unknown whether A and B measured the same images: that was not recorded."),
        "the fixture has no image hashes"
    );
    for cried in [
        "slower by",
        "different prices",
        "different targets",
        "code differs between",
        "pipeline",
    ] {
        let warned = page
            .find("id=\"unlike\"")
            .map_or("", |at| &page[at..page.find("id=\"answer\"").unwrap()]);
        assert!(!warned.contains(cried), "{cried}: {warned}");
    }
}

#[test]
fn a_slowed_variant_is_found_with_its_size_and_the_other_is_left_alone() {
    let before = Made::of(&named(journal(&two(50.0), 30, 2, |_| 1.0), "before"));
    let after = Made::of(&named(journal(&two(60.0), 30, 2, |_| 1.0), "after"));
    let page = page(vec![before, after]);
    assert!(
        page.contains("B against A: of 8 comparisons 4 changes are claimed, 3 slower, 1 dearer."),
        "{page:.3000}"
    );
    let row = page
        .split("<tr")
        .find(|row| row.contains("data-cell=\"rust.") && row.contains("data-stage=\"greyscale\""))
        .unwrap();
    assert!(row.contains("slower by 20% (noise floor 0."), "{row}");
    assert!(
        row.contains("data-value=\"1\""),
        "Cliff's delta: every value is larger"
    );
    let pillow: Vec<&str> = page
        .split("<tr")
        .filter(|row| row.contains("data-cell=\"pillow."))
        .collect();
    assert!(
        pillow.len() == 4 && pillow.iter().all(|row| row.contains("equivalent")),
        "{pillow:?}"
    );
    for figure in ["runtime-greyscale", "runtime-resize", "turnaround", "cost"] {
        assert!(
            page.contains(&format!("<section id=\"{figure}\"")),
            "{figure}"
        );
    }
    assert!(page.contains("download=\"differences-B.csv\""));
}

#[test]
fn what_makes_runs_incomparable_is_named() {
    let first = Made::of(&named(journal(&two(50.0), 5, 1, |_| 1.0), "before"));
    let mut other = named(journal(&two(50.0), 5, 1, |_| 1.0), "after");
    let run = started(&mut other);
    run.target = "aws".into();
    run.darkroom_version = "9.9.9".into();
    run.order = "sequential".into();
    run.pipeline_sha256 = Some("ee".repeat(32));
    run.machine.insert("cpu_model".into(), "Another CPU".into());
    for event in &mut other.events {
        if let Event::PackageBuilt(built) = event {
            built.code_sha256 = "b3RoZXI=".into();
        }
    }
    let mut second = Made::of(&other);
    second
        .run
        .about
        .insert("price_date".into(), "2020-01-01".into());
    let mut first = first;
    for (made, hash) in [(&mut first, "aa"), (&mut second, "bb")] {
        made.run.images.insert("chelsea.png".into(), hash.into());
    }
    second.run.images.insert("rocket.png".into(), "cc".into());
    let page = page(vec![first, second]);
    for said in [
        "A and B have different targets",
        "different machines (Test CPU; Another CPU)",
        "Costs of A and B use different prices",
        "ran in different orders (interleaved; sequential)",
        "different versions of Darkroom (0.1.0; 9.9.9)",
        "The pipeline image-pipeline changed between A and B",
        "Only B measured rocket.png",
        "Not the same files under the same names in A and B: chelsea.png",
        "The code differs between A and B: pillow (x86_64)",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[test]
fn runs_without_a_cell_in_common_are_shown_and_nothing_is_compared() {
    let a = Made::of(&journal(&[(cell("pillow"), 100.0)], 5, 1, |_| 1.0));
    let b = Made::of(&journal(&[(cell("rust"), 50.0)], 5, 1, |_| 1.0));
    let page = page(vec![a, b]);
    assert!(page.contains("B and A have no measured cell in common, so they are not compared."));
    assert!(page.contains("pillow · A") && page.contains("rust · B"));
}
