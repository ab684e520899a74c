//! The real pipeline and the real photographs.

use darkroom_contract::{Picture, decode, reference_inputs, reference_output};
use darkroom_core::event::Verdict;
use darkroom_core::pipeline::{Format, Mode, OutputSpec, Pipeline, SizeRule, Stage};

pub const PHOTOGRAPHS: [(&str, &[u8]); 6] = [
    (
        "astronaut",
        include_bytes!("../../../../experiments/image-pipeline/image-sets/photos/astronaut.png"),
    ),
    (
        "chelsea",
        include_bytes!("../../../../experiments/image-pipeline/image-sets/photos/chelsea.png"),
    ),
    (
        "coffee",
        include_bytes!("../../../../experiments/image-pipeline/image-sets/photos/coffee.png"),
    ),
    (
        "hubble_deep_field",
        include_bytes!(
            "../../../../experiments/image-pipeline/image-sets/photos/hubble_deep_field.jpg"
        ),
    ),
    (
        "retina",
        include_bytes!("../../../../experiments/image-pipeline/image-sets/photos/retina.jpg"),
    ),
    (
        "rocket",
        include_bytes!("../../../../experiments/image-pipeline/image-sets/photos/rocket.jpg"),
    ),
];

pub fn photograph(name: &str) -> &'static [u8] {
    PHOTOGRAPHS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("a photograph of the set")
        .1
}

pub fn pipeline() -> Pipeline {
    let text = include_str!("../../../../experiments/image-pipeline/pipeline.toml");
    Pipeline::parse("pipeline.toml", text).unwrap()
}

/// One stage and what the reference feeds it for one photograph.
pub struct Work {
    pub stage: Stage,
    pub input: Vec<u8>,
}

impl Work {
    pub fn new(stage: &str, photograph_name: &str) -> Self {
        Self::of(stage, photograph(photograph_name))
    }

    pub fn of(stage: &str, source: &[u8]) -> Self {
        let pipeline = pipeline();
        let (index, stage) = pipeline.stage(stage).unwrap();
        Self {
            stage: stage.clone(),
            input: reference_inputs(&pipeline, source)
                .unwrap()
                .swap_remove(index),
        }
    }

    /// The decoded input.
    pub fn picture(&self) -> Picture {
        decode(&self.input).unwrap().1
    }

    /// What the reference writes.
    pub fn right(&self) -> Vec<u8> {
        reference_output(&self.stage, &self.input).unwrap()
    }

    /// What the reference makes, before encoding.
    pub fn right_picture(&self) -> Picture {
        darkroom_contract::reference_picture(&self.stage, &self.picture())
    }

    pub fn check(&self, output: Option<&[u8]>) -> Verdict {
        darkroom_contract::check(&self.stage, &self.input, output)
    }
}

pub fn png8(picture: &Picture) -> Vec<u8> {
    encoded(picture, Format::Png, Mode::Grey8, None)
}

pub fn png16(picture: &Picture) -> Vec<u8> {
    encoded(picture, Format::Png, Mode::Grey16, None)
}

pub fn jpeg(picture: &Picture, quality: u8) -> Vec<u8> {
    encoded(picture, Format::Jpeg, Mode::Grey8, Some(quality))
}

/// The grey picture as three equal channels of 8 bits.
pub fn rgb(picture: &Picture, format: Format) -> Vec<u8> {
    let tripled = Picture::rgb(picture.width, picture.height, |x, y| {
        [picture.pixel(x, y)[0].min(255); 3]
    });
    let quality = matches!(format, Format::Jpeg).then_some(90);
    encoded(&tripled, format, Mode::Rgb8, quality)
}

pub fn encoded(picture: &Picture, format: Format, mode: Mode, quality: Option<u8>) -> Vec<u8> {
    let output = OutputSpec {
        format,
        mode,
        bits: None,
        size: SizeRule::Unchanged,
        quality,
        quality_within: None,
    };
    darkroom_contract::encode(picture, &output)
}
