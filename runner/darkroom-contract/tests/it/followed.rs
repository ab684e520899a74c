//! Outputs of an image with pixels of its own: what is made of it, and what was kept of others.

use darkroom_contract::{
    Followed, Picture, check, decode, decodings, encode, generate, reference_inputs,
    reference_output, reference_picture, with_own_pixels,
};
use darkroom_core::pipeline::{Format, Pipeline, Stage};

use crate::fixture::{PHOTOGRAPHS, pipeline};

/// A change of a level, and what it is called.
type Way = (&'static str, fn(u16) -> u16);

fn images() -> Vec<(String, Vec<u8>)> {
    let photographs = PHOTOGRAPHS
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
    let generated = [Format::Png, Format::Jpeg].map(|format| {
        (
            format!("generated {format:?}"),
            generate(5, 900, 640, format),
        )
    });
    photographs.chain(generated).collect()
}

/// What a stage is fed of one image: with own pixels by two seeds, and without.
struct Fed {
    own: Vec<Vec<u8>>,
    other: Vec<Vec<u8>>,
    plain: Vec<Vec<u8>>,
}

impl Fed {
    fn of(pipeline: &Pipeline, bytes: &[u8]) -> Self {
        let with =
            |seed| reference_inputs(pipeline, &with_own_pixels(bytes, seed).unwrap()).unwrap();
        Self {
            own: with(1),
            other: with(2),
            plain: reference_inputs(pipeline, bytes).unwrap(),
        }
    }

    fn followed(&self, stage: &Stage, index: usize, output: &[u8]) -> Followed {
        Followed::of(
            stage,
            &self.own[index],
            &self.own[index],
            &self.plain[index],
            output,
        )
        .unwrap()
    }
}

/// Moves every 97th sample by a level, as code does that hides that it kept an output.
fn disguised(stage: &Stage, output: &[u8]) -> Vec<u8> {
    let (_, mut picture) = decode(output).unwrap();
    for sample in picture.samples.iter_mut().step_by(97) {
        *sample ^= 1;
    }
    encode(&picture, &stage.output)
}

#[test]
fn what_was_kept_of_another_input_does_not_follow_and_what_was_made_does() {
    let pipeline = pipeline();
    for (name, bytes) in images() {
        let fed = Fed::of(&pipeline, &bytes);
        for (index, stage) in pipeline.stages.iter().enumerate() {
            let place = format!("{name}, {}", stage.name);
            let right = fed.followed(
                stage,
                index,
                &reference_output(stage, &fed.own[index]).unwrap(),
            );
            assert!(
                right.is_possible() && (0.8..1.2).contains(&right.share),
                "{place}: {right:?}"
            );
            for (what, input) in [("plain", &fed.plain), ("other", &fed.other)] {
                let kept = reference_output(stage, &input[index]).unwrap();
                for output in [kept.clone(), disguised(stage, &kept)] {
                    let wrong = fed.followed(stage, index, &output);
                    assert!(
                        !wrong.is_possible() && wrong.share < 0.6,
                        "{place}, kept of the {what} image: {wrong:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn other_decoders_and_code_within_the_tolerances_follow() {
    let pipeline = pipeline();
    for (name, bytes) in images() {
        let fed = Fed::of(&pipeline, &bytes);
        for (index, stage) in pipeline.stages.iter().enumerate() {
            let input = &fed.own[index];
            let ways: [Way; 3] = [
                ("as it is", |it| it),
                ("brighter", |it| it.saturating_add(1)),
                ("coarser", |it| it / 2 * 2),
            ];
            for (decoder, decoding) in decodings(input).unwrap() {
                for (way, change) in ways {
                    let made = reference_picture(stage, &decoding);
                    let peak = stage.output.peak() as u16;
                    let samples = made
                        .samples
                        .iter()
                        .map(|sample| change(*sample).min(peak))
                        .collect();
                    let output = encode(&Picture { samples, ..made }, &stage.output);
                    if check(stage, input, Some(&output)).pass {
                        let right = fed.followed(stage, index, &output);
                        assert!(
                            right.is_possible(),
                            "{name}, {}, {decoder}, {way}: {right:?}",
                            stage.name
                        );
                    }
                }
            }
        }
    }
}

/// Brighter and darker areas that the tolerances allow, as code makes them that hides what it kept.
fn shaded(stage: &Stage, output: &[u8]) -> Vec<u8> {
    let (_, mut picture) = decode(output).unwrap();
    let (width, peak) = (
        picture.width as usize,
        i32::from(stage.output.peak() as u16),
    );
    for (at, sample) in picture.samples.iter_mut().enumerate() {
        let area = at % width / 50 * 31 + at / width / 50 * 17;
        let by = if area % 5 % 2 == 0 { 5 } else { -5 };
        *sample = (i32::from(*sample) + by).clamp(0, peak) as u16;
    }
    encode(&picture, &stage.output)
}

#[test]
fn what_was_kept_can_not_hide_under_brighter_and_darker_areas() {
    let pipeline = pipeline();
    let index = pipeline
        .stages
        .iter()
        .position(|stage| stage.name == "colour-depth")
        .unwrap();
    let stage = &pipeline.stages[index];
    for (name, bytes) in images() {
        let plain = reference_inputs(&pipeline, &bytes).unwrap();
        let output = shaded(stage, &reference_output(stage, &plain[index]).unwrap());
        let found = (1..=6).filter(|seed| {
            let own =
                reference_inputs(&pipeline, &with_own_pixels(&bytes, *seed).unwrap()).unwrap();
            !Followed::of(stage, &own[index], &own[index], &plain[index], &output)
                .unwrap()
                .is_possible()
        });
        assert!(found.count() >= 4, "{name}");
    }
}

#[test]
fn code_that_cuts_off_follows_on_images_of_few_levels() {
    let pipeline = pipeline();
    let greys: [[u16; 2]; 4] = [[85, 170], [0, 255], [0, 2], [127, 128]];
    for levels in greys {
        let picture = Picture::rgb(400, 300, |x, y| {
            [levels[usize::from((x / 40 + y / 30) % 2 == 0)]; 3]
        });
        let bytes = png(&picture);
        let plain = reference_inputs(&pipeline, &bytes).unwrap();
        for seed in 0..4 {
            let own = reference_inputs(&pipeline, &with_own_pixels(&bytes, seed).unwrap()).unwrap();
            let depth = pipeline
                .stages
                .iter()
                .position(|stage| stage.name == "colour-depth")
                .unwrap();
            let stage = &pipeline.stages[depth];
            let (_, input) = decode(&own[depth]).unwrap();
            let cut = |sample: &u16| (u32::from(*sample) * 255 / 1023) as u16;
            let samples = input.samples.iter().map(cut).collect();
            let output = encode(&Picture { samples, ..input }, &stage.output);
            assert!(check(stage, &own[depth], Some(&output)).pass, "{levels:?}");
            let right =
                Followed::of(stage, &own[depth], &own[depth], &plain[depth], &output).unwrap();
            assert!(right.is_possible(), "{levels:?}, seed {seed}: {right:?}");
        }
    }
}

/// An 8-bit PNG of an RGB picture.
fn png(picture: &Picture) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let samples: Vec<u8> = picture.samples.iter().map(|sample| *sample as u8).collect();
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&samples)
        .unwrap();
    file
}

#[test]
fn nothing_is_told_of_outputs_that_can_not_be_compared() {
    let pipeline = pipeline();
    let (_, bytes) = images().swap_remove(0);
    let fed = Fed::of(&pipeline, &bytes);
    let stage = &pipeline.stages[0];
    let output = reference_output(stage, &fed.own[0]).unwrap();
    let followed =
        |plain: &[u8], output: &[u8]| Followed::of(stage, &fed.own[0], &fed.own[0], plain, output);
    assert_eq!(
        followed(&fed.own[0], &output),
        None,
        "inputs that do not differ"
    );
    assert_eq!(followed(&fed.plain[0], b"no image"), None);
    assert_eq!(followed(&fed.plain[0], &fed.own[2]), None, "another size");
}
