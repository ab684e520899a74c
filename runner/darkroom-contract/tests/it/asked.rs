//! What is asked of an author and what is checked come from the same data: a number changed there
//! changes both.

use darkroom_contract::{check, encode};
use darkroom_core::pipeline::{Pipeline, Stage};
use darkroom_core::prompt;

use crate::fixture::Work;

const TEXT: &str = include_str!("../../../../experiments/image-pipeline/pipeline.toml");

fn stage(name: &str, from: &str, to: &str) -> Stage {
    assert!(TEXT.contains(from), "the test replaces nothing");
    let pipeline = Pipeline::parse("pipeline.toml", &TEXT.replacen(from, to, 1)).unwrap();
    pipeline.stage(name).unwrap().1.clone()
}

#[test]
fn a_tolerance_that_changes_is_asked_and_checked_anew() {
    let work = Work::new("greyscale", "chelsea");
    let two_off = work.right_picture().map(|sample| {
        if sample < 1000 {
            sample + 2
        } else {
            sample - 2
        }
    });
    for (max_abs, passes) in [(1, false), (3, true)] {
        let stage = stage(
            "greyscale",
            "check = { max_abs = 1,",
            &format!("check = {{ max_abs = {max_abs},"),
        );
        let asked = prompt::checks(&stage).join(" ");
        assert!(
            asked.contains(&format!("by more than {max_abs} of 1023")),
            "{asked}"
        );
        let verdict = check(&stage, &work.input, Some(&encode(&two_off, &stage.output)));
        assert_eq!(verdict.pass, passes, "{max_abs}: {verdict:?}");
    }
}

#[test]
fn a_size_that_changes_is_asked_and_checked_anew() {
    let work = Work::new("resize", "chelsea");
    for (size, passes) in [("800x600", true), ("400x300", false)] {
        let (width, height) = size.split_once('x').unwrap();
        let whole = TEXT
            .replace("size = \"800x600\"", &format!("size = \"{size}\""))
            .replace(
                "width = 800, height = 600",
                &format!("width = {width}, height = {height}"),
            );
        let pipeline = Pipeline::parse("pipeline.toml", &whole).unwrap();
        let stage = pipeline.stage("resize").unwrap().1;
        let asked = prompt::checks(stage).join(" ");
        assert!(
            asked.contains(&format!(
                "It is {width} pixels wide and {height} pixels high."
            )),
            "{asked}"
        );
        assert!(
            stage
                .rendered_prompt()
                .unwrap()
                .contains(&format!("exactly {size} pixels"))
        );
        assert_eq!(
            check(stage, &work.input, Some(&work.right())).pass,
            passes,
            "{size}"
        );
    }
}
