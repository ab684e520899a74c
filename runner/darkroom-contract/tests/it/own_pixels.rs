//! Images with pixels of their own: other pixels, the same work.

use std::collections::HashSet;

use darkroom_contract::{check, decode, generate, pattern, reference_output, with_own_pixels};
use darkroom_core::image_set::Pattern;
use darkroom_core::pipeline::Format;

use crate::fixture::{PHOTOGRAPHS, pipeline};

#[expect(
    clippy::disallowed_methods,
    reason = "a test reads the images of the repository"
)]
fn edge(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../experiments/image-pipeline/image-sets/edge/"
    );
    std::fs::read(format!("{folder}{name}")).unwrap()
}

/// Every image that has enough bytes for a few per cent of them to mean anything.
fn images() -> Vec<(String, Vec<u8>, u16)> {
    let photographs = PHOTOGRAPHS
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let sizes = [(640, 480), (1024, 683), (97, 61)];
    let generated = sizes.into_iter().flat_map(|(width, height)| {
        [Format::Png, Format::Jpeg].map(|format| {
            (
                format!("generated {width}x{height} {format:?}"),
                generate(5, width, height, format),
            )
        })
    });
    let files = [
        "rgb.png",
        "grey.png",
        "rgba.png",
        "palette.png",
        "exif-rotated.jpg",
        "progressive.jpg",
        "subsampled.jpg",
    ];
    let files = files.into_iter().map(|name| (name.to_owned(), edge(name)));
    let all = photographs.chain(generated).chain(files);
    all.map(|(name, bytes)| {
        let apart = if decode(&bytes).unwrap().0.format == Format::Png {
            3
        } else {
            20
        };
        (name, bytes, apart)
    })
    .collect()
}

#[test]
fn an_image_with_own_pixels_looks_the_same_and_is_another_for_every_seed() {
    let mut faults = Vec::new();
    for (name, bytes, levels) in images() {
        let (header, picture) = decode(&bytes).unwrap();
        let mut seen = HashSet::from([picture.samples.clone()]);
        for seed in 0..4 {
            let own =
                with_own_pixels(&bytes, seed).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(
                own,
                with_own_pixels(&bytes, seed).unwrap(),
                "{name}: one seed gives one image"
            );
            let (own_header, own_picture) = decode(&own).unwrap();
            assert_eq!(own_header, header, "{name}");
            let furthest = picture
                .samples
                .iter()
                .zip(&own_picture.samples)
                .map(|(a, b)| a.abs_diff(*b))
                .max()
                .unwrap();
            let changed = picture
                .samples
                .iter()
                .zip(&own_picture.samples)
                .filter(|(a, b)| a != b)
                .count();
            let longer = own.len() as f64 / bytes.len() as f64 - 1.0;
            if !seen.insert(own_picture.samples) || furthest > levels {
                faults.push(format!(
                    "{name}: seed {seed} changes {changed} samples by up to {furthest}"
                ));
            }
            // A small file can't keep its length to a few per cent.
            if bytes.len() > 10_000 && longer.abs() > 0.05 {
                faults.push(format!(
                    "{name}: {} bytes become {}",
                    bytes.len(),
                    own.len()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_contract_follows_the_own_pixels() {
    let pipeline = pipeline();
    for (name, bytes) in PHOTOGRAPHS {
        let mut input = with_own_pixels(bytes, 7).unwrap();
        for stage in &pipeline.stages {
            let output = reference_output(stage, &input).unwrap();
            let verdict = check(stage, &input, Some(&output));
            assert!(verdict.pass, "{name}, {}: {verdict:?}", stage.name);
            input = output;
        }
    }
}

#[test]
fn ten_bit_samples_in_sixteen_bits_stay_ten_bit_ones() {
    let input = pattern(Pattern::Bright, 64, 48);
    let (header, picture) = decode(&input).unwrap();
    assert_eq!(header.mode.bits, 16);
    let (_, own) = decode(&with_own_pixels(&input, 3).unwrap()).unwrap();
    assert!(own.samples.iter().max() <= picture.samples.iter().max());
    assert_ne!(own.samples, picture.samples);
}

#[test]
fn orientation_and_comments_stay() {
    let bytes = edge("exif-rotated.jpg");
    let own = with_own_pixels(&bytes, 1).unwrap();
    let at = bytes.windows(4).position(|four| four == b"Exif").unwrap();
    let exif = &bytes[at - 2..at + 30];
    assert!(own.windows(exif.len()).any(|part| part == exif));
}

#[test]
fn what_is_no_image_or_too_coarse_says_so() {
    for (bytes, words) in [
        (edge("truncated.jpg"), "truncated"),
        (edge("no-image.png"), "PNG"),
        (edge("cmyk.jpg"), "CMYK"),
    ] {
        let error = with_own_pixels(&bytes, 1).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
