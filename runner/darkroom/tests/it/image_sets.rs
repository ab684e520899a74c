//! Image sets whose files are called what people call files: measured, checked and reported like
//! any other.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use darkroom_core::event::Event;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::story::{HOST, Project};

/// The file as the set names it, its name on the disk, and what results call it.
const NAMES: [(&str, &str, &str); 10] = [
    ("UPPER.JPG", "UPPER.JPG", "UPPER"),
    ("photo (1) + b.jpeg", "photo (1) + b.jpeg", "photo (1) + b"),
    ("Ünï 日本.png", "Ünï 日本.png", "Ünï 日本"),
    ("100%.png", "100%.png", "100%"),
    ("no_extension", "no_extension", "no_extension"),
    ("two.dots.v2.png", "two.dots.v2.png", "two.dots.v2"),
    ("a=b&c#d?.PNG", "a=b&c#d?.PNG", "a=b&c#d?"),
    ("<b>'\".png", "<b>'\".png", "<b>'\""),
    ("-dash_$&.png", "-dash_$&.png", "-dash_$&"),
    // Named with one letter, on a disk that spells it with two.
    ("caf\u{e9}.png", "cafe\u{301}.png", "caf\u{e9}"),
];

/// A grey ramp in RGB: whatever a JPEG decoder does with chroma, there is none.
fn picture(format: ImageFormat) -> Vec<u8> {
    let ramp = RgbImage::from_fn(64, 48, |x, y| Rgb([(x * 3 + y) as u8; 3]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    ramp.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn project() -> Project {
    let project = Project::study("image-pipeline", &["pillow"]);
    let mut set = "description = \"named by people\"\n".to_owned();
    for (named, on_disk, _) in NAMES {
        let is_jpeg = named.to_lowercase().contains(".jp");
        let bytes = picture(if is_jpeg {
            ImageFormat::Jpeg
        } else {
            ImageFormat::Png
        });
        project.write(
            &format!("experiments/image-pipeline/image-sets/odd/{on_disk}"),
            &bytes,
        );
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let path = toml::Value::from(format!("odd/{named}"));
        let _ = writeln!(set, "[[files]]\npath = {path}\nsha256 = \"{sha256}\"");
    }
    project.write("experiments/image-pipeline/image-sets/names.toml", set);
    project
}

#[test]
fn files_of_any_name_are_measured_by_both_triggers_and_reported() {
    let project = project();
    let levels = format!(
        "variants = [\"pillow\"]\nimage_sets = [\"names\"]\narchitectures = [\"{HOST}\"]\ntrigger = [\"direct\", \"s3\"]"
    );
    project
        .manifest(&levels)
        .darkroom(&["validate", "m.toml"])
        .exits(0);
    let once = [
        "run",
        "m.toml",
        "--set",
        "repetitions.count=1",
        "--set",
        "repetitions.warm_up=0",
    ];
    project.darkroom(&once).exits(0);
    let run = project.root().join("outputs/test/latest");
    let journal = std::fs::read_to_string(run.join("journal.ndjson")).unwrap();
    let mut passed = BTreeSet::new();
    for line in journal.lines() {
        if let Event::OutputChecked(check) = serde_json::from_str(line).unwrap() {
            assert!(check.verdict.pass, "{check:?}");
            passed.insert((
                check.pass.image.clone(),
                check.pass.cell_id.to_string(),
                check.stage.clone(),
            ));
        }
    }
    assert_eq!(
        passed.len(),
        NAMES.len() * 2 * 5,
        "every image, trigger and stage"
    );
    let images: BTreeSet<&str> = passed.iter().map(|(image, _, _)| image.as_str()).collect();
    assert_eq!(images, NAMES.iter().map(|(_, _, name)| *name).collect());
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(!page.contains("<b>'\""), "a file name is never markup");
    project
        .darkroom(&["verify", "outputs/test/latest"])
        .exits(0);
}

#[test]
fn files_of_any_name_are_checked_with_a_picture_each() {
    let project = project();
    let answer = project
        .darkroom(&[
            "check",
            "pillow",
            "--image-set",
            "names",
            "--pictures",
            "--json",
        ])
        .exits(0);
    let reports: Json = serde_json::from_str(&answer.stdout()).unwrap();
    let outputs = reports[0]["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), NAMES.len() * 5);
    let pictures: BTreeSet<&str> = outputs
        .iter()
        .map(|output| output["picture"].as_str().unwrap())
        .collect();
    assert_eq!(pictures.len(), outputs.len(), "no picture replaces another");
    assert!(
        pictures
            .iter()
            .all(|picture| project.root().join(picture).is_file())
    );
}
