use darkroom_contract::{Turn, check, decode, reference_inputs, reference_output};
use darkroom_core::image_set::{ImageSet, Source};

use crate::fixture::{PHOTOGRAPHS, pipeline};

#[test]
fn the_declared_photographs_are_the_committed_ones() {
    let text = include_str!("../../../../experiments/image-pipeline/image-sets/photos.toml");
    let set = ImageSet::parse("photos.toml", text).unwrap();
    let declared: Vec<_> = set.images.iter().map(|image| image.name.as_str()).collect();
    assert_eq!(declared, PHOTOGRAPHS.map(|(name, _)| name));
    for (image, (_, bytes)) in set.images.iter().zip(PHOTOGRAPHS) {
        assert_eq!(image.mismatch(bytes), None);
        assert_eq!(
            decode(bytes).unwrap().0.mode.to_string(),
            "rgb8",
            "{}",
            image.name
        );
    }
}

#[test]
fn the_sizes_are_read_and_reach_24_megapixels() {
    let text = include_str!("../../../../experiments/image-pipeline/image-sets/sizes.toml");
    let set = ImageSet::parse("sizes.toml", text).unwrap();
    let pixels = set.images.iter().map(|image| match image.source {
        Source::Generated { width, height, .. } => u64::from(width) * u64::from(height),
        Source::File { .. } | Source::Pattern { .. } => 0,
    });
    assert_eq!(pixels.max(), Some(24_000_000));
}

/// Without this, the gate could not tell how an output lies.
#[test]
fn every_photograph_is_asymmetric_even_when_turned_once_at_every_stage() {
    let pipeline = pipeline();
    for (name, source) in PHOTOGRAPHS {
        let inputs = reference_inputs(&pipeline, source).unwrap();
        for (stage, input) in pipeline.stages.iter().zip(&inputs) {
            let right = decode(&reference_output(stage, input).unwrap()).unwrap().1;
            for turn in Turn::all()
                .filter(|turn| *turn != Turn::NONE && turn.size(right.size()) == right.size())
            {
                let turned = darkroom_contract::encode(&right.turned(turn), &stage.output);
                let verdict = check(stage, input, Some(&turned));
                assert_eq!(
                    verdict.reason.as_deref(),
                    Some("wrong orientation"),
                    "{name} {} {turn}: {verdict:?}",
                    stage.name
                );
            }
        }
    }
}

#[test]
fn the_reference_passes_its_own_gate_on_every_photograph() {
    let pipeline = pipeline();
    for (name, source) in PHOTOGRAPHS {
        let inputs = reference_inputs(&pipeline, source).unwrap();
        for (stage, input) in pipeline.stages.iter().zip(&inputs) {
            let output = reference_output(stage, input).unwrap();
            let verdict = check(stage, input, Some(&output));
            assert!(verdict.pass, "{name} {}: {verdict:?}", stage.name);
            assert_eq!(
                verdict.orientation.as_deref(),
                Some(if stage.name == "rotate" {
                    "90 clockwise"
                } else {
                    "unrotated"
                })
            );
        }
    }
}
