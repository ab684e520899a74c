//! Bytes that a broken or malicious handler could write.

use darkroom_contract::{Picture, check, decode, decodings};
use darkroom_core::pipeline::{Format, Mode};
use proptest::prelude::*;

use crate::fixture::{Work, encoded, jpeg, pipeline, png16};

fn small() -> Picture {
    Picture::grey(40, 30, |x, y| (x * 20 + y * 7) as u16)
}

fn samples() -> Vec<Vec<u8>> {
    let colour = Picture::rgb(20, 30, |x, y| [x as u16 * 9, y as u16 * 5, 90]);
    vec![
        png16(&small()),
        jpeg(&small().map(|sample| sample / 4), 80),
        encoded(&colour, Format::Jpeg, Mode::Rgb8, Some(70)),
        encoded(&colour, Format::Png, Mode::Rgb8, None),
        include_bytes!("../corpus/tiny.pillow-q75-420.jpg").to_vec(),
        include_bytes!("../corpus/coffee.pillow-q50-420-progressive.jpg").to_vec(),
        include_bytes!("../corpus/coffee.pillow-q50-adobe-rgb.jpg").to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..200), prefix in 0usize..3) {
        let magic: &[u8] = [b"".as_slice(), b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF\xC0"][prefix];
        let bytes = [magic, &bytes].concat();
        for stage in &pipeline().stages {
            prop_assert!(!check(stage, &bytes, Some(&bytes)).pass);
        }
    }

    #[test]
    fn a_damaged_image_gets_a_verdict(which in 0usize..7, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = samples().swap_remove(which);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decodings(&bytes);
    }

    #[test]
    fn a_truncated_image_is_never_decodable(which in 0usize..7, keep in any::<prop::sample::Index>()) {
        let bytes = samples().swap_remove(which);
        let keep = keep.index(bytes.len());
        prop_assert!(decode(&bytes[..keep]).is_err());
    }
}

#[test]
fn a_small_file_that_claims_to_be_huge_is_refused_before_memory_is_taken() {
    let mut bytes = png16(&small());
    bytes[16..24].copy_from_slice(&[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]);
    assert!(
        decode(&bytes)
            .unwrap_err()
            .to_string()
            .contains("more than the")
    );
}

#[test]
fn an_input_that_the_stage_does_not_take_leaves_the_output_unjudged_and_says_so() {
    let work = Work::new("colour-depth", "chelsea");
    let wrong_input = jpeg(&small().map(|sample| sample / 4), 90);
    let verdict = check(&work.stage, &wrong_input, Some(&work.right()));
    assert_eq!(verdict.reason.as_deref(), Some("no reference"));
    assert_eq!(
        verdict.detail.unwrap(),
        "the input is grey8 JPEG, but stage `colour-depth` takes grey16 PNG"
    );
}
