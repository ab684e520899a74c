//! The corpus: inputs that were once judged wrongly, or nearly, each with the verdict it must get.
//!
//! `tests/corpus/cases.toml` names them. The next trouble is a file or two and a case there, no new
//! test: `file` is the stage's input, `from` says where the trouble came from, `stage` whose input
//! it is, `output` what was written for it (none: the reference's own output is judged), `made_by`
//! what wrote that, `expected` is `pass` or the reason, and `says` is what the verdict's detail
//! must hold.

use std::collections::BTreeSet;
use std::path::PathBuf;

use darkroom_contract::{
    Distance, Picture, check, decodings, distance, format_of, reference_output,
};
use darkroom_core::pipeline::{Format, Mode, Stage};
use serde::Deserialize;

use crate::fixture::{PHOTOGRAPHS, pipeline, png8, png16};
use crate::handlers::{
    greyscale, slightly_wrong_conversions, slightly_wrong_greyscales, wrong_conversions,
    wrong_greyscales,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    file: String,
    from: String,
    stage: String,
    output: Option<String>,
    made_by: Option<String>,
    expected: String,
    says: Option<String>,
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's fixtures; the crate itself reads nothing"
    )]
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn cases() -> Vec<Case> {
    toml::from_slice::<Cases>(&read("cases.toml"))
        .unwrap()
        .cases
}

fn stage(name: &str) -> Stage {
    pipeline()
        .stage(name)
        .unwrap_or_else(|| panic!("no stage {name}"))
        .1
        .clone()
}

/// What is wrong with the verdict on a case; `None` if nothing is.
fn fault(case: &Case) -> Option<String> {
    let Case {
        file,
        from,
        stage: name,
        output,
        made_by,
        expected,
        says,
    } = case;
    let (stage, input) = (stage(name), read(file));
    let written = match output {
        Some(output) => read(output),
        None => reference_output(&stage, &input).unwrap_or_default(),
    };
    let verdict = check(&stage, &input, Some(&written));
    let found = verdict.reason.as_deref().unwrap_or("pass");
    let detail = verdict.detail.as_deref().unwrap_or_default();
    let said = says.as_deref().is_none_or(|words| detail.contains(words));
    let by = made_by.as_deref().unwrap_or("the reference");
    (found != expected || !said).then(|| {
        format!("{file}, {name} by {by} ({from}): expected {expected}, found {found}: {detail}")
    })
}

#[test]
fn every_case_of_the_corpus_gets_its_verdict() {
    let faults: Vec<String> = cases().iter().filter_map(fault).collect();
    assert!(
        faults.is_empty(),
        "{} cases:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn the_corpus_holds_the_right_code_of_five_decoders_for_every_stage_that_reads_jpeg() {
    let cases = cases();
    for stage in ["greyscale", "rotate", "convert"] {
        let of_stage = cases
            .iter()
            .filter(|case| case.stage == stage && case.expected == "pass");
        let makers: BTreeSet<&str> = of_stage
            .filter_map(|case| case.made_by.as_deref())
            .flat_map(|makers| makers.split(", "))
            .collect();
        for maker in [
            "pillow", "pillow10", "pillow11", "pillow12", "numpy", "opencv", "libvips", "rust",
        ] {
            assert!(
                makers.contains(maker),
                "{stage} has no output of {maker}: {makers:?}"
            );
        }
    }
}

/// Inputs of the corpus that decode, with colour or without, once each.
fn jpegs(mode: Mode) -> Vec<String> {
    let wants = |case: &Case| case.expected == "pass" && stage(&case.stage).input.mode == mode;
    let is_jpeg = |file: &str| format_of(&read(file)) == Some(Format::Jpeg);
    let files: BTreeSet<String> = cases()
        .into_iter()
        .filter(wants)
        .map(|case| case.file)
        .filter(|file| is_jpeg(file))
        .collect();
    files.into_iter().collect()
}

/// A mistake that stays within a level of the right value everywhere is none: a grey picture has no
/// weights.
#[test]
fn every_wrong_greyscale_of_every_jpeg_and_decoder_is_caught() {
    let stage = stage("greyscale");
    let (mut missed, mut caught) = (Vec::new(), 0);
    for file in jpegs(Mode::Rgb8) {
        let input = read(&file);
        for (decoder, colour) in decodings(&input).unwrap() {
            let right = greyscale(&colour, BT601);
            for (mistake, made) in wrong_greyscales(&colour) {
                if made.size() == right.size()
                    && made
                        .samples
                        .iter()
                        .zip(&right.samples)
                        .all(|(a, b)| a.abs_diff(*b) <= 1)
                {
                    continue;
                }
                let output = png16(&made);
                let verdict = check(&stage, &input, Some(&output));
                caught += u32::from(!verdict.pass);
                // By reason, not by measure, is caught what has another size or lies otherwise.
                let measured = verdict
                    .reason
                    .as_deref()
                    .is_none_or(|reason| reason == "out of tolerance");
                let distance = if measured {
                    distance(&stage, &input, &output)
                } else {
                    None
                };
                let clear =
                    distance.is_none_or(|distance| nearness(&stage, &distance) > WRONG_IS_ABOVE);
                if verdict.pass || !clear {
                    missed.push(format!(
                        "{mistake} of {file} by {decoder}: {verdict:?}, {distance:?}"
                    ));
                }
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed, {caught} caught:\n{}",
        missed.len(),
        missed.join("\n")
    );
    assert!(caught > 1000, "only {caught} were tried");
}

#[test]
fn every_wrong_conversion_of_every_grey_jpeg_and_decoder_is_caught() {
    let stage = stage("convert");
    let (mut missed, mut caught) = (Vec::new(), 0);
    for file in jpegs(Mode::Grey8) {
        let input = read(&file);
        for (decoder, grey) in decodings(&input).unwrap() {
            for (mistake, made) in wrong_conversions(&grey) {
                let verdict = check(&stage, &input, Some(&png8(&made)));
                caught += u32::from(!verdict.pass);
                if verdict.pass {
                    missed.push(format!("{mistake} of {file} by {decoder}"));
                }
            }
        }
    }
    assert!(
        missed.is_empty() && caught > 50,
        "{caught} caught, missed:\n{}",
        missed.join("\n")
    );
}

fn colours(picture: &Picture) -> usize {
    picture
        .samples
        .chunks_exact(picture.channels)
        .collect::<BTreeSet<_>>()
        .len()
}

fn within(a: &Picture, b: &Picture, levels: u16) -> bool {
    a.samples
        .iter()
        .zip(&b.samples)
        .all(|(a, b)| a.abs_diff(*b) <= levels)
}

/// Each is named for what it is, unless another decoder's right output is within a rounding of it.
#[test]
fn slight_mistakes_on_a_jpeg_of_64_colours_are_caught_and_named() {
    let (greyscale_stage, convert) = (stage("greyscale"), stage("convert"));
    let (mut missed, mut caught) = (Vec::new(), [0, 0]);
    let mut judge =
        |of: usize, stage: &Stage, file: &str, mistake: &str, input: &[u8], output: &[u8]| {
            let verdict = check(stage, input, Some(output));
            let named = verdict
                .detail
                .as_deref()
                .is_some_and(|detail| detail.contains(mistake));
            caught[of] += u32::from(named);
            // What is also outside of the limits is told by these.
            if verdict.pass {
                missed.push(format!("{mistake} of {file}: {verdict:?}"));
            }
        };
    for file in jpegs(Mode::Rgb8) {
        let input = read(&file);
        let all = decodings(&input).unwrap();
        for (_, colour) in all.iter().filter(|(_, colour)| colours(colour) >= 64) {
            for (mistake, made) in slightly_wrong_greyscales(colour) {
                if !all
                    .iter()
                    .any(|(_, any)| within(&made, &greyscale(any, BT601), 1))
                {
                    judge(0, &greyscale_stage, &file, mistake, &input, &png16(&made));
                }
            }
        }
    }
    for file in jpegs(Mode::Grey8) {
        let input = read(&file);
        let all = decodings(&input).unwrap();
        for (_, grey) in all.iter().filter(|(_, grey)| colours(grey) >= 64 + 3) {
            for (mistake, made) in slightly_wrong_conversions(grey) {
                judge(1, &convert, &file, mistake, &input, &png8(&made));
            }
        }
    }
    assert!(
        missed.is_empty(),
        "{} missed, {caught:?} caught:\n{}",
        missed.len(),
        missed.join("\n")
    );
    assert!(
        caught[0] > 50 && caught[1] > 20,
        "only {caught:?} were named"
    );
}

#[test]
fn the_right_conversions_of_a_decoder_that_is_not_known_here_pass() {
    let stage = stage("convert");
    let mut other = 0;
    for file in jpegs(Mode::Grey8) {
        let input = read(&file);
        let Some(colour) = in_float(&input, true) else {
            continue;
        };
        let grey = Picture::grey(colour.width, colour.height, |x, y| colour.pixel(x, y)[0]);
        let verdict = check(&stage, &input, Some(&png8(&grey)));
        assert!(verdict.pass, "{file}: {verdict:?}");
        other += u32::from(
            decodings(&input)
                .unwrap()
                .iter()
                .all(|(_, known)| *known != grey),
        );
    }
    assert!(other > 0, "each output is a known decoder's");
}

/// How near an output comes to the limits of `from_jpeg`: 1 is at the limit of that which it comes
/// nearest to.
fn nearness(stage: &Stage, distance: &Distance) -> f64 {
    let allowed = stage.check.from_jpeg.unwrap();
    let (close, expected) = (
        f64::from(distance.bias.close_levels),
        f64::from(distance.close_levels_expected),
    );
    let steps = if expected >= 8.0 {
        0.4 * expected / close.max(0.1)
    } else {
        0.0
    };
    let bias = distance.bias;
    let parts = [
        f64::from(distance.outside) / allowed.max_abs,
        bias.of_a_level / allowed.max_bias,
        bias.of_a_colour / (2.0 * allowed.max_bias),
        steps,
    ];
    parts.into_iter().fold(0.0, f64::max)
}

/// Float arithmetic in place of integers, with and without smooth chroma, and luma that is cut off
/// instead of rounded.
#[test]
fn the_right_code_of_decoders_that_are_not_known_here_passes_with_a_margin() {
    let stage = stage("greyscale");
    let mut nearest = (0.0, String::new());
    for file in jpegs(Mode::Rgb8) {
        let input = read(&file);
        for smooth_chroma in [true, false] {
            let Some(colour) = in_float(&input, smooth_chroma) else {
                continue;
            };
            let cut_off = Picture::grey(colour.width, colour.height, |x, y| {
                let [r, g, b] = *colour.pixel(x, y) else {
                    unreachable!("three channels")
                };
                ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) * 1023 / 255_000)
                    as u16
            });
            for (how, made) in [("rounded", greyscale(&colour, BT601)), ("cut off", cut_off)] {
                let output = png16(&made);
                let verdict = check(&stage, &input, Some(&output));
                assert!(
                    verdict.pass,
                    "{file}, smooth chroma {smooth_chroma}, {how}: {verdict:?}"
                );
                let distance = distance(&stage, &input, &output).unwrap();
                if distance.max_abs > 1.0 && nearness(&stage, &distance) > nearest.0 {
                    nearest = (
                        nearness(&stage, &distance),
                        format!("{file}, {how}: {distance:?}"),
                    );
                }
            }
        }
    }
    assert!(
        nearest.0 > 0.1,
        "some output is not within a level of a known decoder"
    );
    assert!(nearest.0 < RIGHT_IS_BELOW, "{nearest:?}");
}

/// What right code of other decoders stayed below, and wrong code above, of the limits of
/// `from_jpeg`.
const RIGHT_IS_BELOW: f64 = 0.8;
const WRONG_IS_ABOVE: f64 = 1.1;
const BT601: [f64; 3] = [0.299, 0.587, 0.114];

fn in_float(input: &[u8], smooth_chroma: bool) -> Option<Picture> {
    let mut file = mozjpeg::Decompress::new_mem(input).ok()?;
    file.do_fancy_upsampling(smooth_chroma);
    file.dct_method(mozjpeg::DctMethod::Float);
    let mut rows = file.rgb().ok()?;
    let (width, height) = (rows.width() as u32, rows.height() as u32);
    let samples = rows
        .read_scanlines::<u8>()
        .ok()?
        .into_iter()
        .map(u16::from)
        .collect();
    Some(Picture {
        width,
        height,
        channels: 3,
        samples,
    })
}

/// The photographs of case 01, at their size, as Pillow's default writer saves them: 4:2:0 by
/// libjpeg.
#[test]
fn the_right_code_of_every_decoder_passes_on_whole_photographs_saved_as_420() {
    let stage = stage("greyscale");
    for (name, photograph) in &PHOTOGRAPHS[..3] {
        let picture = darkroom_contract::decode(photograph).unwrap().1;
        for quality in [75.0, 90.0] {
            let input = saved_420(&picture, quality);
            let all = decodings(&input).unwrap();
            assert_eq!(all.len(), 3, "three decoders read {name}");
            for (decoder, colour) in all {
                let right = png16(&greyscale(&colour, BT601));
                let verdict = check(&stage, &input, Some(&right));
                assert!(
                    verdict.pass,
                    "{name} at {quality} by {decoder}: {verdict:?}"
                );
            }
        }
    }
}

fn saved_420(picture: &Picture, quality: f32) -> Vec<u8> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    encoder.set_size(picture.width as usize, picture.height as usize);
    encoder.set_fastest_defaults();
    encoder.set_quality(quality);
    encoder.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    let mut rows = encoder.start_compress(Vec::new()).unwrap();
    let samples: Vec<u8> = picture.samples.iter().map(|&sample| sample as u8).collect();
    rows.write_scanlines(&samples).unwrap();
    rows.finish().unwrap()
}
