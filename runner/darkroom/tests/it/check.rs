//! The gate alone, on real handlers: right ones pass, and each of the faulty ones in
//! `tests/mutants` is named for its fault.

use std::path::Path;

use serde_json::Value;

use crate::story::Project;

/// A project with Pillow's right handlers and the faulty ones beside them, over three small scenes.
fn project() -> Project {
    let project = Project::study("image-pipeline", &["pillow"]);
    let mutants = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants");
    project.copy_to(&mutants, "functions/pillow");
    project.scenes(&[(160, 120), (90, 120), (120, 200)]);
    project
}

/// Lets these modules handle these stages, all others Pillow's own.
fn handlers(project: &Project, faulty: &[(&str, &str)]) {
    let path = project.root().join("functions/pillow/variant.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (stage, module) in faulty {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{stage} = ")))
            .unwrap()
            .to_owned();
        text = text.replace(&line, &format!("{stage} = \"{module}.handler\""));
    }
    std::fs::write(path, text).unwrap();
}

/// Checks the variant and returns what was found of each output: stage, image, repetition, reason.
fn found(
    project: &Project,
    code: i32,
    more: &[&str],
) -> Vec<(String, String, u64, Option<String>)> {
    let arguments: Vec<&str> = ["check", "pillow", "--json"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    let reports: Value =
        serde_json::from_str(&project.darkroom(&arguments).exits(code).stdout()).unwrap();
    let outputs = reports[0]["outputs"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let one = |output: &Value| {
        assert_eq!(output["pass"].as_bool(), Some(output["reason"].is_null()));
        if let Some(picture) = text(&output["picture"]) {
            let picture = image::open(project.root().join(picture)).unwrap();
            assert!(picture.width() > picture.height());
        }
        (
            text(&output["stage"]).unwrap(),
            text(&output["image"]).unwrap(),
            output["repetition"].as_u64().unwrap(),
            text(&output["reason"]),
        )
    };
    outputs.iter().map(one).collect()
}

#[track_caller]
fn assert_reasons(
    found: &[(String, String, u64, Option<String>)],
    stage: &str,
    expected: [Option<&str>; 3],
) {
    let of_stage: Vec<_> = found.iter().filter(|(of, ..)| of == stage).collect();
    assert_eq!(of_stage.len(), 3, "{found:?}");
    for ((_, image, _, reason), expected) in of_stage.iter().zip(expected) {
        match (reason, expected) {
            (None, None) => {}
            (Some(reason), Some(words)) if reason.contains(words) => {}
            _ => panic!("{stage} on {image}: expected {expected:?}, found {reason:?}"),
        }
    }
}

#[test]
fn right_handlers_pass_on_every_image_and_leave_a_picture_only_when_asked() {
    let project = project();
    let outputs = found(&project, 0, &[]);
    assert_eq!(outputs.len(), 15);
    assert!(!project.root().join("outputs/check").exists());
    let rotate = found(&project, 0, &["--stage", "rotate", "--pictures"]);
    assert_eq!(rotate.len(), 3);
    assert!(
        project
            .root()
            .join("outputs/check/pillow/photos/rotate-scene-1.png")
            .is_file()
    );
    let said = project
        .darkroom(&["check", "pillow", "--stage", "greyscale"])
        .exits(0)
        .stdout();
    let asked = "not checked, although the prompts ask for it:\n  greyscale: that a sample is rounded and not cut off";
    assert!(
        said.contains(asked) && !said.contains("resize:"),
        "of what was checked: {said}"
    );
    let said = project
        .darkroom(&["check", "pillow", "--stage", "rotat"])
        .exits(2)
        .stderr();
    assert!(
        said.contains("has no stage `rotat`") && said.contains("colour-depth"),
        "{said}"
    );
}

#[test]
fn each_faulty_handler_is_named_for_its_fault_and_its_neighbours_pass() {
    let project = project();
    handlers(
        &project,
        &[
            ("greyscale", "eight_bit"),
            ("resize", "stale"),
            ("colour-depth", "shifted"),
            ("rotate", "anticlockwise"),
            ("convert", "renamed"),
        ],
    );
    let outputs = found(&project, 1, &[]);
    assert_reasons(&outputs, "greyscale", [Some("8-bit luma"); 3]);
    assert_reasons(
        &outputs,
        "resize",
        [
            None,
            Some("stale output of another image"),
            Some("stale output of another"),
        ],
    );
    assert_reasons(
        &outputs,
        "colour-depth",
        [Some("blank: 8-bit data shifted right by two?"); 3],
    );
    assert_reasons(&outputs, "rotate", [Some("rotated anticlockwise"); 3]);
    assert_reasons(&outputs, "convert", [Some("JPEG bytes named .png"); 3]);
    assert!(
        project
            .root()
            .join("outputs/check/pillow/photos/colour-depth-scene-2.png")
            .is_file()
    );
    let shown = project
        .darkroom(&["check", "pillow", "--stage", "rotate"])
        .exits(1)
        .stdout();
    assert!(
        shown.contains("WRONG  rotate  scene-1") && shown.contains("pictures"),
        "{shown}"
    );

    handlers(
        &project,
        &[
            ("greyscale", "first_only"),
            ("resize", "swapped"),
            ("colour-depth", "truncated"),
            ("rotate", "wrong_key"),
            ("convert", "raises"),
        ],
    );
    let outputs = found(&project, 1, &[]);
    assert_reasons(
        &outputs,
        "greyscale",
        [None, Some("wrong size"), Some("wrong size")],
    );
    assert_reasons(&outputs, "resize", [Some("width and height swapped"); 3]);
    assert_reasons(&outputs, "colour-depth", [Some("truncated JPEG"); 3]);
    assert_reasons(
        &outputs,
        "rotate",
        [Some("missing: no object at the output's key"); 3],
    );
    assert!(outputs.iter().any(|(.., reason)| {
        reason
            .as_ref()
            .is_some_and(|it| it.contains("{\"success\": true}"))
    }));
    assert_reasons(&outputs, "convert", [Some("Runtime.ImportModuleError"); 3]);
    assert!(
        !project
            .root()
            .join("outputs/check/pillow/photos/convert-scene-1.png")
            .exists(),
        "of an earlier check"
    );
}

#[test]
fn what_goes_wrong_once_in_a_hundred_calls_is_found_by_repetition() {
    let project = project();
    project.scenes(&[(160, 120), (90, 120)]);
    handlers(&project, &[("colour-depth", "sometimes")]);
    let stage = ["--stage", "colour-depth"];
    assert!(
        found(&project, 0, &stage)
            .iter()
            .all(|(.., reason)| reason.is_none())
    );
    let outputs = found(&project, 1, &[stage[0], stage[1], "--repetitions", "20"]);
    let wrong: Vec<_> = outputs
        .iter()
        .filter(|(.., reason)| reason.is_some())
        .collect();
    // The 27th call of the seeded chance: the first image's 14th repetition.
    assert_eq!((outputs.len(), wrong.len()), (40, 1), "{wrong:?}");
    let (_, image, repetition, reason) = wrong[0];
    assert_eq!((image.as_str(), *repetition), ("scene-1", 14));
    assert!(reason.as_ref().unwrap().contains("blank"), "{reason:?}");
}

#[test]
fn sets_for_checking_are_checked_and_never_timed() {
    let project = project();
    let sets =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/image-pipeline/image-sets");
    let copied = |name: &str| std::fs::read(sets.join(name)).unwrap();
    for set in ["ten-bit.toml", "edge.toml"] {
        project.write(
            &format!("experiments/image-pipeline/image-sets/{set}"),
            copied(set),
        );
    }
    project.copy_to(
        &sets.join("edge"),
        "experiments/image-pipeline/image-sets/edge",
    );
    // Smaller than the repository's, because tests are not optimised.
    let smaller = String::from_utf8(copied("ten-bit.toml"))
        .unwrap()
        .replace("1200x900", "1000x600");
    project.write(
        "experiments/image-pipeline/image-sets/ten-bit.toml",
        smaller,
    );
    let without_huge = String::from_utf8(copied("edge.toml")).unwrap();
    let (before, rest) = without_huge
        .split_once("[[files]]\npath = \"edge/huge.png\"")
        .unwrap();
    let without_huge = format!(
        "{before}[[files]]{}",
        rest.split_once("[[files]]").unwrap().1
    );
    project.write(
        "experiments/image-pipeline/image-sets/edge.toml",
        without_huge,
    );

    assert_eq!(found(&project, 0, &["--image-set", "ten-bit"]).len(), 10);
    assert_eq!(found(&project, 0, &["--image-set", "edge"]).len(), 13);
    project.manifest("variants = [\"pillow\"]\nimage_sets = [\"edge\"]");
    project
        .darkroom(&["validate", "m.toml"])
        .exits(2)
        .says("image set `edge` is for checking only");

    // Handlers that work in 8 bits pass on photographs; on these patterns they do not.
    project.write(
        "functions/pillow/eight_bits.py",
        "import resize\nright = resize.resize\n\n\ndef reduced(image):\n    \
         eight = image.convert('F').point(lambda v: v * 0.25 + 0.0).convert('L').convert('F')\n    \
         return right(eight.point(lambda v: v * 4 + 0.0).convert('I').convert('I;16'))\n\n\n\
         resize.resize = reduced\nhandler = resize.handler\n",
    );
    handlers(&project, &[("resize", "eight_bits")]);
    assert!(
        found(&project, 0, &["--stage", "resize"])
            .iter()
            .all(|(.., reason)| reason.is_none())
    );
    let banded = found(
        &project,
        1,
        &["--stage", "resize", "--image-set", "ten-bit"],
    );
    assert!(
        banded.iter().all(|(.., reason)| reason.is_some()),
        "{banded:?}"
    );
}

#[test]
fn code_that_is_wrong_on_purpose_ends_well_and_without_its_fault_does_not() {
    let project = project();
    project.scenes(&[(160, 120)]);
    let path = "functions/pillow/variant.toml";
    let text = std::fs::read_to_string(project.root().join(path)).unwrap();
    let on_purpose = text.replacen("\n\n", "\nwrong_on_purpose = true\n\n", 1);
    let levels = format!(
        "variants = [\"pillow\"]\nimage_sets = [\"photos\"]\narchitectures = [\"{}\"]",
        crate::story::HOST
    );
    project.manifest(&levels);
    let run = [
        "run",
        "m.toml",
        "--set",
        "repetitions.count=1",
        "--set",
        "repetitions.warm_up=1",
    ];

    project.write(path, &on_purpose);
    handlers(&project, &[("colour-depth", "shifted")]);
    let shown = project.darkroom(&run).exits(0).stdout();
    let wrong: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("WRONG"))
        .collect();
    assert_eq!(wrong.len(), 1, "{shown}");
    assert!(
        wrong[0].contains("(wrong on purpose) · colour-depth: blank")
            && wrong[0].contains("never ranked")
    );
    let summary: Value = serde_json::from_str(
        &project
            .darkroom(&["aggregate", "outputs/test/latest", "--json"])
            .exits(0)
            .stdout(),
    )
    .unwrap();
    let stages = summary["cells"][0]["stages"].as_array().unwrap();
    assert!(
        stages
            .iter()
            .all(|stage| stage["time_ms"]["rank"].is_null()),
        "no stage of it is ranked"
    );

    project.write(path, &on_purpose);
    let shown = project.darkroom(&run).exits(1).stdout();
    assert!(
        shown.contains("PASSED pillow.") && shown.contains("wrong_on_purpose"),
        "{shown}"
    );
}
