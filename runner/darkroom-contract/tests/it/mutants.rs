//! Faulty outputs, each a mistake that handlers have been seen to make or could: every one must
//! fail with the right word.

use darkroom_contract::{Picture, Turn};
use darkroom_core::image_set::ImageSet;
use darkroom_core::pipeline::{Format, Mode};
use image::imageops::FilterType;

use crate::fixture::{PHOTOGRAPHS, Work, encoded, jpeg, png8, png16, rgb};
use crate::handlers::{greyscale, luma8};

/// A faulty output of one stage, the reason its verdict must give and words its detail must hold.
struct Mutant {
    name: &'static str,
    output: Option<Vec<u8>>,
    reason: &'static str,
    words: &'static str,
}

const fn mutant(
    name: &'static str,
    output: Vec<u8>,
    reason: &'static str,
    words: &'static str,
) -> Mutant {
    Mutant {
        name,
        output: Some(output),
        reason,
        words,
    }
}

fn assert_all_fail(work: &Work, photograph: &str, mutants: &[Mutant]) {
    assert!(
        work.check(Some(&work.right())).pass,
        "the right output must pass, or the mutants prove nothing"
    );
    for Mutant {
        name,
        output,
        reason,
        words,
    } in mutants
    {
        let verdict = work.check(output.as_deref());
        assert!(
            !verdict.pass,
            "`{name}` of {photograph} passes: {verdict:?}"
        );
        assert_eq!(
            verdict.reason.as_deref(),
            Some(*reason),
            "`{name}` of {photograph}: {verdict:?}"
        );
        let detail = verdict.detail.as_deref().unwrap_or_default();
        assert!(
            detail.contains(words),
            "`{name}` of {photograph} should say {words:?}: {detail}"
        );
    }
}

const MISSING: &str = "missing";
const NOT_DECODABLE: &str = "not decodable";
const FORMAT: &str = "wrong format";
const MODE: &str = "wrong mode/bit depth";
const SIZE: &str = "wrong size";
const BLANK: &str = "blank";
const ORIENTATION: &str = "wrong orientation";
const TOLERANCE: &str = "out of tolerance";

fn resized(picture: &Picture, width: u32, height: u32, filter: FilterType) -> Picture {
    let plane = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(
        picture.width,
        picture.height,
        picture.samples.clone(),
    );
    let samples = image::imageops::resize(&plane.unwrap(), width, height, filter).into_raw();
    Picture {
        width,
        height,
        channels: 1,
        samples,
    }
    .map(|sample| sample.min(1023))
}

/// A part of `picture` from (left, top), black where it has no more.
fn window(picture: &Picture, left: i64, top: i64, width: u32, height: u32) -> Picture {
    Picture::grey(width, height, |x, y| {
        let (x, y) = (i64::from(x) + left, i64::from(y) + top);
        let inside = (0..i64::from(picture.width)).contains(&x)
            && (0..i64::from(picture.height)).contains(&y);
        if inside {
            picture.pixel(x as u32, y as u32)[0]
        } else {
            0
        }
    })
}

fn constant(picture: &Picture, level: u16) -> Picture {
    picture.map(|_| level)
}

fn half(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len() / 2].to_vec()
}

#[test]
fn faulty_greyscales_fail_with_the_right_word() {
    for photograph in ["astronaut", "coffee", "rocket"] {
        let work = Work::new("greyscale", photograph);
        let (colour, right) = (work.picture(), work.right_picture());
        let reduced = luma8(&colour);
        let mutants = [
            Mutant {
                name: "wrong key",
                output: None,
                reason: MISSING,
                words: ".png",
            },
            mutant("empty object", Vec::new(), NOT_DECODABLE, "empty"),
            mutant(
                "JSON instead of an image",
                b"{\"ok\": true}".to_vec(),
                FORMAT,
                "JSON bytes named .png",
            ),
            mutant(
                "text",
                b"processed".to_vec(),
                NOT_DECODABLE,
                "neither PNG nor JPEG",
            ),
            mutant(
                "truncated file",
                half(&work.right()),
                NOT_DECODABLE,
                "truncated PNG",
            ),
            mutant(
                "PNG that is JPEG",
                jpeg(&reduced, 90),
                FORMAT,
                "JPEG bytes named .png",
            ),
            mutant("8-bit greyscale", png8(&reduced), MODE, "convert(\"L\")"),
            mutant(
                "left in colour",
                encoded(&colour, Format::Png, Mode::Rgb8, None),
                MODE,
                "not reduced to one channel",
            ),
            mutant(
                "scaled to 16 bits",
                png16(&right.map(|sample| sample << 6)),
                MODE,
                "scaled to the container's range",
            ),
            mutant(
                "8-bit luma shifted left",
                png16(&reduced.map(|sample| sample << 2)),
                TOLERANCE,
                "8-bit luma",
            ),
            mutant(
                "8-bit luma unscaled",
                png16(&reduced),
                TOLERANCE,
                "8-bit luma not scaled",
            ),
            mutant(
                "BT.709",
                png16(&greyscale(&colour, [0.2126, 0.7152, 0.0722])),
                TOLERANCE,
                "BT.709",
            ),
            mutant(
                "mean of channels",
                png16(&greyscale(&colour, [1.0 / 3.0; 3])),
                TOLERANCE,
                "mean of the channels",
            ),
            mutant(
                "BGR taken for RGB",
                png16(&greyscale(&colour, [0.114, 0.587, 0.299])),
                TOLERANCE,
                "red and blue swapped",
            ),
            mutant(
                "red only",
                png16(&greyscale(&colour, [1.0, 0.0, 0.0])),
                TOLERANCE,
                "red channel only",
            ),
            mutant(
                "inverted",
                png16(&right.map(|sample| 1023 - sample)),
                TOLERANCE,
                "inverted",
            ),
            mutant(
                "mirrored",
                png16(&right.turned(Turn::MIRRORED)),
                ORIENTATION,
                "mirrored",
            ),
            mutant(
                "black",
                png16(&constant(&right, 0)),
                BLANK,
                "every sample is 0",
            ),
            mutant("white", png16(&constant(&right, 1023)), BLANK, "saturated"),
            mutant(
                "cropped",
                png16(&window(&right, 0, 0, right.width - 8, right.height)),
                SIZE,
                "expected",
            ),
        ];
        assert_all_fail(&work, photograph, &mutants);
    }
}

/// On a JPEG source the tolerance is wider, because decoders differ; 8-bit arithmetic must be found
/// all the same.
#[test]
fn eight_bit_luma_of_a_jpeg_source_fails_too() {
    for photograph in ["hubble_deep_field", "rocket"] {
        let work = Work::new("greyscale", photograph);
        let reduced = luma8(&work.picture());
        let expanded = reduced.map(|sample| ((2 * u32::from(sample) * 1023 + 255) / 510) as u16);
        let mutants = [
            mutant(
                "shifted left",
                png16(&reduced.map(|sample| sample << 2)),
                TOLERANCE,
                "8-bit luma",
            ),
            mutant("expanded", png16(&expanded), TOLERANCE, "8-bit luma"),
        ];
        assert_all_fail(&work, photograph, &mutants);
    }
}

#[test]
fn faulty_resizes_fail_with_the_right_word() {
    for photograph in ["astronaut", "coffee"] {
        let work = Work::new("resize", photograph);
        let (input, right) = (work.picture(), work.right_picture());
        let (w, h) = input.size();
        let scale = (800.0 / f64::from(w)).max(600.0 / f64::from(h));
        let side = |length: u32, scale: f64| (f64::from(length) * scale).round() as u32;
        let covering = resized(&input, side(w, scale), side(h, scale), FilterType::Lanczos3);
        let cropped = {
            let (left, top) = (
                i64::from(covering.width - 800) / 2,
                i64::from(covering.height - 600) / 2,
            );
            window(&covering, left, top, 800, 600)
        };
        let scale = (800.0 / f64::from(w)).min(600.0 / f64::from(h));
        let fitting = resized(&input, side(w, scale), side(h, scale), FilterType::Lanczos3);
        let letterboxed = {
            let (left, top) = (
                (i64::from(fitting.width) - 800) / 2,
                (i64::from(fitting.height) - 600) / 2,
            );
            window(&fitting, left, top, 800, 600)
        };
        let of_another = Work::new("resize", "chelsea").right();
        let nearest = resized(&input, 800, 600, FilterType::Nearest);
        let swapped = resized(&input, 600, 800, FilterType::Lanczos3);
        let mut overshoot = right.clone();
        overshoot.samples[1000] = 1061;
        let cut_off = Picture::grey(
            800,
            600,
            |x, y| if y < 300 { right.pixel(x, y)[0] } else { 0 },
        );
        let mutants = [
            mutant("nearest", png16(&nearest), TOLERANCE, "nearest-neighbour"),
            mutant("crop", png16(&cropped), TOLERANCE, "cropped"),
            mutant("letterbox", png16(&letterboxed), TOLERANCE, "letterboxed"),
            mutant(
                "swapped dimensions",
                png16(&swapped),
                SIZE,
                "width and height swapped",
            ),
            mutant(
                "not resized",
                png16(&input),
                SIZE,
                "left at the input's size",
            ),
            mutant(
                "stale output of another image",
                of_another,
                TOLERANCE,
                "stale output of another image",
            ),
            mutant(
                "8-bit output",
                png8(&right.map(|sample| sample >> 2)),
                MODE,
                "reduced to 8 bits",
            ),
            mutant("overshoot left in", png16(&overshoot), MODE, "overshoot"),
            mutant(
                "upside down",
                png16(&right.turned(Turn::HALF)),
                ORIENTATION,
                "180",
            ),
            mutant(
                "saturated",
                png16(&right.map(|sample| (sample * 4).min(1023))),
                TOLERANCE,
                "shifted left by two",
            ),
            mutant(
                "darkened",
                png16(&right.map(|sample| sample >> 2)),
                TOLERANCE,
                "shifted right by two",
            ),
            mutant(
                "lower half lost",
                png16(&cut_off),
                TOLERANCE,
                "right down to row 300 only",
            ),
        ];
        // At these proportions nothing is cropped or padded.
        let proportional = 3 * w == 4 * h;
        let mutants: Vec<_> = mutants
            .into_iter()
            .filter(|mutant| !(proportional && matches!(mutant.name, "crop" | "letterbox")))
            .collect();
        assert_all_fail(&work, photograph, &mutants);
    }
}

/// On photographs a JPEG hides what shifting loses; the set `ten-bit` has patterns, and a
/// tolerance, that show it.
#[test]
fn a_shift_instead_of_rounding_is_found_on_ten_bit_patterns() {
    let set = include_str!("../../../../experiments/image-pipeline/image-sets/ten-bit.toml");
    let set = ImageSet::parse("ten-bit.toml", set).unwrap();
    for (name, first) in [("dark", 0), ("bright", 960)] {
        let ramp = Picture::grey(256, 64, |x, _| first + (x / 4) as u16);
        let mut work = Work::new("colour-depth", "astronaut");
        work.input = png16(&ramp);
        work.stage.check = set.tolerances["colour-depth"].clone();
        let output = jpeg(&ramp.map(|sample| sample >> 2), 90);
        let words = "samples shifted right instead of rounded";
        assert_all_fail(&work, name, &[mutant("shifted", output, TOLERANCE, words)]);
    }
}

#[test]
fn faulty_colour_depths_fail_with_the_right_word() {
    for photograph in ["astronaut", "chelsea"] {
        let work = Work::new("colour-depth", photograph);
        let (input, right) = (work.picture(), work.right_picture());
        let speckled = {
            let mut picture = right.clone();
            picture
                .samples
                .iter_mut()
                .step_by(7)
                .for_each(|sample| *sample = 255);
            picture
        };
        let mutants = [
            mutant(
                "8-bit data shifted right",
                jpeg(&right.map(|sample| sample >> 2), 90),
                TOLERANCE,
                "8-bit data shifted right by two",
            ),
            mutant(
                "high byte, then shifted",
                jpeg(&constant(&right, 0), 90),
                BLANK,
                "8-bit data shifted right by two?",
            ),
            mutant(
                "clipped at 255",
                jpeg(&input.map(|sample| sample.min(255)), 90),
                TOLERANCE,
                "clipped",
            ),
            mutant(
                "clipped, then shifted",
                jpeg(&input.map(|sample| sample.min(255) >> 2), 90),
                TOLERANCE,
                "clipped at 255, then shifted",
            ),
            mutant(
                "low byte only",
                jpeg(&input.map(|sample| sample & 255), 95),
                TOLERANCE,
                "low byte",
            ),
            mutant(
                "constant image",
                jpeg(&constant(&right, 90), 90),
                BLANK,
                "every sample is 90",
            ),
            mutant(
                "white",
                jpeg(&constant(&right, 255), 90),
                BLANK,
                "saturated",
            ),
            mutant(
                "three channels",
                rgb(&right, Format::Jpeg),
                MODE,
                "not reduced to one channel",
            ),
            mutant(
                "PNG named .jpg",
                png8(&right),
                FORMAT,
                "PNG bytes named .jpg",
            ),
            mutant(
                "truncated file",
                half(&work.right()),
                NOT_DECODABLE,
                "truncated JPEG",
            ),
            mutant(
                "last byte lost",
                work.right()[..work.right().len() - 1].to_vec(),
                NOT_DECODABLE,
                "truncated JPEG",
            ),
            mutant(
                "brightened",
                jpeg(&right.map(|sample| (sample + 4).min(255)), 95),
                TOLERANCE,
                "the mean is off by",
            ),
            mutant("speckled", jpeg(&speckled, 95), TOLERANCE, "PSNR"),
            mutant("quality 1", jpeg(&right, 1), TOLERANCE, "PSNR"),
            mutant(
                "halved size",
                jpeg(&resized(&right, 400, 300, FilterType::Lanczos3), 90),
                SIZE,
                "expected 800x600, found 400x300",
            ),
        ];
        assert_all_fail(&work, photograph, &mutants);
    }
}

#[test]
fn faulty_rotations_fail_with_the_right_word() {
    for photograph in ["astronaut", "hubble_deep_field", "rocket"] {
        let work = Work::new("rotate", photograph);
        let input = work.picture();
        let anticlockwise = input.turned(Turn::ANTICLOCKWISE);
        let transposed = input.turned(Turn::MIRRORED.then(Turn::ANTICLOCKWISE));
        // What Pillow's rotate(-90) without expand=True gives: the middle, turned, on a canvas of
        // the old size.
        let unexpanded = window(&input.turned(Turn::CLOCKWISE), -100, 100, 800, 600);
        let mutants = [
            mutant(
                "anticlockwise",
                jpeg(&anticlockwise, 90),
                ORIENTATION,
                "rotated anticlockwise",
            ),
            mutant(
                "transposed",
                jpeg(&transposed, 90),
                ORIENTATION,
                "mirrored, then 90 anticlockwise",
            ),
            mutant("not rotated", jpeg(&input, 90), SIZE, "not rotated"),
            mutant(
                "half turn",
                jpeg(&input.turned(Turn::HALF), 90),
                SIZE,
                "not rotated",
            ),
            mutant(
                "no expand",
                jpeg(&unexpanded, 90),
                SIZE,
                "rotated without expanding the canvas",
            ),
            mutant(
                "JPEG that is PNG",
                png8(&input.turned(Turn::CLOCKWISE)),
                FORMAT,
                "PNG bytes named .jpg",
            ),
        ];
        assert_all_fail(&work, photograph, &mutants);
    }
}

#[test]
fn faulty_conversions_fail_with_the_right_word() {
    let work = Work::new("convert", "astronaut");
    let right = work.right_picture();
    let mutants = [
        mutant(
            "renamed, not converted",
            work.input.clone(),
            FORMAT,
            "JPEG bytes named .png",
        ),
        mutant(
            "three channels",
            rgb(&right, Format::Png),
            MODE,
            "not reduced to one channel",
        ),
        mutant("16 bits", png16(&right), MODE, "left at 16 bits"),
        mutant(
            "brightened",
            png8(&right.map(|sample| (sample + 3).min(255))),
            TOLERANCE,
            "off by 3.0 on average",
        ),
        mutant(
            "turned",
            png8(&right.turned(Turn::HALF)),
            ORIENTATION,
            "180",
        ),
        mutant(
            "thresholded",
            png8(&right.map(|sample| if sample > 127 { 255 } else { 0 })),
            BLANK,
            "2 levels",
        ),
        mutant(
            "one bad sample",
            png8(&{
                let mut bad = right.clone();
                bad.samples[77] ^= 0x40;
                bad
            }),
            TOLERANCE,
            "levels outside what JPEG decoders give",
        ),
    ];
    assert_all_fail(&work, "astronaut", &mutants);
}

#[test]
fn a_handler_that_is_right_for_the_first_image_only_fails_on_every_other() {
    let first = Work::new("resize", "astronaut").right();
    for (photograph, _) in &PHOTOGRAPHS[1..] {
        let verdict = Work::new("resize", photograph).check(Some(&first));
        assert!(!verdict.pass, "{photograph}: {verdict:?}");
    }
}

#[test]
fn a_generated_image_judges_as_a_photograph_does() {
    let source = darkroom_contract::generate(562, 816, 612, Format::Jpeg);
    let work = Work::of("rotate", &source);
    let mutants = [mutant(
        "anticlockwise",
        jpeg(&work.picture().turned(Turn::ANTICLOCKWISE), 90),
        ORIENTATION,
        "rotated anticlockwise",
    )];
    assert_all_fail(&work, "generated", &mutants);
}
