//! Differences that competent implementations have: none may fail.

use darkroom_contract::{Picture, ssim};
use darkroom_core::pipeline::{Format, Mode};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::fixture::{PHOTOGRAPHS, Work, encoded, jpeg, png16};

fn assert_passes(work: &Work, output: &[u8], what: &str) {
    let verdict = work.check(Some(output));
    assert!(verdict.pass, "{what} at {}: {verdict:?}", work.stage.name);
}

#[test]
fn jpegs_near_the_quality_that_is_asked_for_pass_and_others_do_not() {
    for name in ["astronaut", "coffee", "hubble_deep_field"] {
        for stage in ["colour-depth", "rotate"] {
            let work = Work::new(stage, name);
            for quality in [85, 90, 95] {
                assert_passes(
                    &work,
                    &jpeg(&work.right_picture(), quality),
                    &format!("{name} q{quality}"),
                );
            }
            for quality in [75, 84, 96, 100] {
                let verdict = work.check(Some(&jpeg(&work.right_picture(), quality)));
                assert_eq!(
                    verdict.reason.as_deref(),
                    Some("wrong quality"),
                    "{name} q{quality}"
                );
                assert_eq!(verdict.quality, Some(quality));
            }
        }
    }
}

#[test]
fn jpegs_of_libjpeg_turbo_pass() {
    // Made with Pillow 13 (libjpeg-turbo 3.2) from the input of functions/pillow's colour-depth
    // stage, chelsea.
    let input = include_bytes!("fixtures/chelsea.depth-input.png");
    let stage = Work::new("colour-depth", "chelsea").stage;
    let work = Work {
        stage,
        input: input.to_vec(),
    };
    assert_passes(
        &work,
        include_bytes!("fixtures/chelsea.q90-progressive.jpg"),
        "progressive",
    );
    let verdict = work.check(Some(include_bytes!("fixtures/chelsea.q75.jpg")));
    assert_eq!(
        (verdict.reason.as_deref(), verdict.quality),
        (Some("wrong quality"), Some(75))
    );
}

#[test]
fn truncating_or_shifting_ten_bits_to_eight_is_within_a_level_and_passes() {
    let work = Work::new("colour-depth", "coffee");
    assert_passes(
        &work,
        &jpeg(&work.picture().map(|sample| sample >> 2), 90),
        "10-bit data shifted right by two",
    );
}

#[test]
fn a_greyscale_that_truncates_instead_of_rounding_passes() {
    let work = Work::new("greyscale", "astronaut");
    let rgb = work.picture();
    let grey = Picture::grey(rgb.width, rgb.height, |x, y| {
        let [r, g, b] = *rgb.pixel(x, y) else {
            unreachable!("RGB has three channels")
        };
        ((299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b)) * 1023 / 255_000) as u16
    });
    assert_passes(&work, &png16(&grey), "truncated luma");
}

#[test]
fn any_png_compression_passes() {
    for stage in ["greyscale", "convert"] {
        let work = Work::new(stage, "rocket");
        let picture = work.right_picture();
        let wide = stage == "greyscale";
        let colour = if wide {
            ExtendedColorType::L16
        } else {
            ExtendedColorType::L8
        };
        let bytes: Vec<u8> = if wide {
            picture
                .samples
                .iter()
                .flat_map(|sample| sample.to_ne_bytes())
                .collect()
        } else {
            picture.samples.iter().map(|&sample| sample as u8).collect()
        };
        for compression in [CompressionType::Fast, CompressionType::Best] {
            for filter in [
                FilterType::NoFilter,
                FilterType::Paeth,
                FilterType::Adaptive,
            ] {
                let mut encoded = Vec::new();
                PngEncoder::new_with_quality(&mut encoded, compression, filter)
                    .write_image(&bytes, picture.width, picture.height, colour)
                    .unwrap();
                assert_passes(&work, &encoded, "other compression");
            }
        }
    }
}

#[test]
fn lanczos_of_two_to_four_lobes_passes_where_photographs_are_enlarged_or_reduced() {
    for (name, _) in PHOTOGRAPHS {
        let work = Work::new("resize", name);
        for lobes in [2.0, 3.0, 4.0] {
            assert_passes(
                &work,
                &png16(&lanczos(&work.picture(), 800, 600, lobes)),
                &format!("{name}, {lobes} lobes"),
            );
        }
    }
}

/// Separable Lanczos in f64 with weights normalised, rounded and cut at 1023 once at the end.
fn lanczos(picture: &Picture, width: u32, height: u32, lobes: f64) -> Picture {
    let (w, h) = (picture.width as usize, picture.height as usize);
    let columns = weights(w, width as usize, lobes);
    let rows = weights(h, height as usize, lobes);
    let samples: Vec<f64> = picture
        .samples
        .iter()
        .map(|&sample| f64::from(sample))
        .collect();
    let across: Vec<Vec<f64>> = samples
        .chunks(w)
        .map(|row| columns.iter().map(|taps| dot(taps, |i| row[i])).collect())
        .collect();
    Picture::grey(width, height, |x, y| {
        dot(&rows[y as usize], |i| across[i][x as usize])
            .round()
            .clamp(0.0, 1023.0) as u16
    })
}

fn dot(taps: &[(usize, f64)], value: impl Fn(usize) -> f64) -> f64 {
    taps.iter()
        .map(|&(index, weight)| weight * value(index))
        .sum()
}

fn weights(from: usize, to: usize, lobes: f64) -> Vec<Vec<(usize, f64)>> {
    let sinc = |x: f64| {
        if x == 0.0 {
            1.0
        } else {
            (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x)
        }
    };
    let ratio = from as f64 / to as f64;
    let scale = ratio.max(1.0);
    (0..to)
        .map(|index| {
            let centre = (index as f64 + 0.5) * ratio - 0.5;
            let tap = |i: usize| (i, (i as f64 - centre) / scale);
            let taps: Vec<(usize, f64)> = (0..from)
                .map(tap)
                .filter(|(_, x)| x.abs() < lobes)
                .map(|(i, x)| (i, sinc(x) * sinc(x / lobes)))
                .collect();
            let total: f64 = taps.iter().map(|(_, weight)| weight).sum();
            taps.into_iter()
                .map(|(index, weight)| (index, weight / total))
                .collect()
        })
        .collect()
}

/// The value was worked out with `NumPy` 2.5 from the definition, window by window, for the same
/// two pictures.
#[test]
fn ssim_has_the_value_that_an_independent_implementation_gives() {
    let a = Picture::grey(32, 24, |x, y| ((x * 13 + y * 29) % 256) as u16);
    let b = Picture::grey(32, 24, |x, y| {
        ((x * 13 + y * 29 + (x * y) % 11) % 256) as u16
    });
    let found = ssim(&a, &b, 255).unwrap();
    assert!((found - SSIM_BY_NUMPY).abs() < 1e-9, "{found}");
    assert_eq!(ssim(&a, &a, 255), Some(1.0));
}

const SSIM_BY_NUMPY: f64 = 0.868_238_608_683_641_7;

/// Every stage's right output of `source`, JPEGs at the lowest quality that passes.
fn assert_right_chain_passes(source: &[u8], what: &str) {
    for stage in ["greyscale", "resize", "colour-depth", "rotate", "convert"] {
        let work = Work::of(stage, source);
        assert_passes(&work, &work.right(), what);
        if matches!(stage, "colour-depth" | "rotate") {
            assert_passes(&work, &jpeg(&work.right_picture(), 85), what);
        }
    }
}

#[test]
fn a_night_photograph_is_dark_and_not_blank() {
    let day = Work::new("greyscale", "coffee").picture();
    let night = day.map(|sample| sample / 24);
    assert_right_chain_passes(&encoded(&night, Format::Png, Mode::Rgb8, None), "night");
}

#[test]
fn flat_tiny_and_narrow_pictures_pass_when_they_are_right() {
    let picture = |width, height, level| {
        Picture::rgb(width, height, |x, y| {
            [level, (x * 3 + y) as u16 % 9 + level, level]
        })
    };
    for (width, height, level) in [(64, 64, 0), (1, 1, 200), (300, 2, 90), (3, 500, 240)] {
        let source = encoded(
            &picture(width, height, level),
            Format::Png,
            Mode::Rgb8,
            None,
        );
        assert_right_chain_passes(&source, &format!("{width}x{height} at {level}"));
    }
    let black = encoded(
        &Picture::rgb(40, 30, |_, _| [0; 3]),
        Format::Png,
        Mode::Rgb8,
        None,
    );
    assert_right_chain_passes(&black, "black");
}
