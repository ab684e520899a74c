//! Images made from a seed: asymmetric, with gradients, edges, texture and noise, as a photograph
//! has.

use darkroom_core::image_set::MAX_GENERATED_PIXELS;
use darkroom_core::pipeline::{Format, Mode, OutputSpec, SizeRule};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::codec::encode;
use crate::picture::Picture;

/// JPEG quality of generated images: what a camera writes.
const QUALITY: u8 = 92;

/// Returns an RGB image of `width` × `height` pixels, encoded: the same bytes for the same
/// arguments.
///
/// Panics if the sides are zero or have more than [`MAX_GENERATED_PIXELS`] pixels; a parsed image
/// set has neither.
pub fn generate(seed: u64, width: u32, height: u32, format: Format) -> Vec<u8> {
    let pixels = u64::from(width) * u64::from(height);
    assert!(
        (1..=MAX_GENERATED_PIXELS).contains(&pixels),
        "{width}x{height} is not a size of a generated image"
    );
    let quality = matches!(format, Format::Jpeg).then_some(QUALITY);
    let output = OutputSpec {
        format,
        mode: Mode::Rgb8,
        bits: None,
        size: SizeRule::Unchanged,
        quality,
        quality_within: None,
    };
    encode(&scene(seed, width, height), &output)
}

/// A soft-edged disc: the objects of the scene.
struct Blob {
    x: f64,
    y: f64,
    radius: f64,
    colour: [f64; 3],
}

/// A sky-to-ground gradient, slanted waves of texture, discs that overlap, and a grain of a few
/// levels.
///
/// Positions are shares of the size, so that one seed shows the same scene at any size. Integer
/// noise and only additions, products and comparisons of f64 otherwise: no library's sine decides a
/// byte.
fn scene(seed: u64, width: u32, height: u32) -> Picture {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let blobs: Vec<Blob> = (0..24).map(|_| blob(&mut random)).collect();
    let sky: [f64; 3] = std::array::from_fn(|_| random.random_range(120.0..235.0));
    let ground: [f64; 3] = std::array::from_fn(|_| random.random_range(15.0..110.0));
    let aspect = f64::from(width) / f64::from(height);
    Picture::rgb(width, height, |x, y| {
        let (u, v) = (
            (f64::from(x) + 0.5) / f64::from(width),
            (f64::from(y) + 0.5) / f64::from(height),
        );
        let horizon = (v * 1.3 - 0.1 + 0.15 * u).clamp(0.0, 1.0);
        let texture = 14.0 * triangle_wave(u * 23.0 + v * 7.0) * v
            + 9.0 * triangle_wave(v * 41.0 - u * 3.0) * u;
        let mut colour: [f64; 3] = std::array::from_fn(|channel| {
            sky[channel] + (ground[channel] - sky[channel]) * horizon + texture
        });
        for blob in &blobs {
            let cover = blob.cover(u, v, aspect);
            if cover > 0.0 {
                colour = std::array::from_fn(|channel| {
                    colour[channel] + (blob.colour[channel] - colour[channel]) * cover
                });
            }
        }
        let grain = grain(seed, x, y);
        colour.map(|value| (value + grain).round().clamp(0.0, 255.0) as u16)
    })
}

fn blob(random: &mut ChaCha8Rng) -> Blob {
    Blob {
        x: random.random_range(0.0..1.0),
        y: random.random_range(0.0..1.0),
        radius: random.random_range(0.02..0.22),
        colour: std::array::from_fn(|_| random.random_range(5.0..250.0)),
    }
}

impl Blob {
    /// How much of the point the disc covers, 0 to 1, fading over the last tenth of its radius.
    fn cover(&self, u: f64, v: f64, aspect: f64) -> f64 {
        let (dx, dy) = ((u - self.x) * aspect, v - self.y);
        let share = (dx * dx + dy * dy) / (self.radius * self.radius);
        ((1.0 - share) * 5.0).clamp(0.0, 0.9)
    }
}

/// A wave of period 1 between -1 and 1, made of straight lines.
fn triangle_wave(t: f64) -> f64 {
    4.0 * (t - t.floor() - 0.5).abs() - 1.0
}

/// Noise of -3 to 3 levels at a pixel, whatever the order of pixels: a hash of the place
/// (`SplitMix64`'s finaliser).
fn grain(seed: u64, x: u32, y: u32) -> f64 {
    let mut z = seed ^ (u64::from(x) << 32 | u64::from(y)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let z = z ^ (z >> 31);
    (z % 7) as f64 - 3.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode;
    use crate::orientation::{Turn, best_fit};

    #[test]
    fn one_seed_gives_one_image_and_another_seed_another() {
        let image = generate(562, 96, 64, Format::Png);
        assert_eq!(image, generate(562, 96, 64, Format::Png));
        assert_ne!(image, generate(563, 96, 64, Format::Png));
    }

    #[test]
    fn a_generated_image_is_rgb_of_its_size_and_asymmetric() {
        for format in [Format::Png, Format::Jpeg] {
            let (header, picture) = decode(&generate(7, 90, 90, format)).unwrap();
            assert_eq!(
                (header.format, header.mode.to_string().as_str()),
                (format, "rgb8")
            );
            assert_eq!(picture.size(), (90, 90));
            for turn in Turn::all() {
                assert_eq!(
                    best_fit(&picture.turned(turn), &picture).unwrap().turn,
                    turn
                );
            }
        }
    }
}
