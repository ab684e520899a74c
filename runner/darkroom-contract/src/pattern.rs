//! Ten-bit patterns: greyscale images that show a lost bit, a shift or a clipped range clearly.

use darkroom_core::image_set::{MAX_GENERATED_PIXELS, PATTERN_BITS, Pattern};
use darkroom_core::pipeline::{Format, Mode, OutputSpec, SizeRule};

use crate::codec::encode;
use crate::picture::Picture;

const PEAK: u64 = (1 << PATTERN_BITS) - 1;
/// Levels that `dark` and `bright` hold.
const FEW: u64 = 63;

/// Returns a 16-bit grey PNG of `width` × `height` pixels whose samples hold 10 bits: the same
/// bytes for the same arguments.
///
/// Panics if the sides are zero or have more than [`MAX_GENERATED_PIXELS`] pixels; a parsed image
/// set has neither.
pub fn pattern(pattern: Pattern, width: u32, height: u32) -> Vec<u8> {
    let pixels = u64::from(width) * u64::from(height);
    assert!(
        (1..=MAX_GENERATED_PIXELS).contains(&pixels),
        "{width}x{height} is not a size of a pattern"
    );
    let picture = Picture::grey(width, height, |x, y| {
        level(pattern, &Place::of(x, y, width, height))
    });
    let output = OutputSpec {
        format: Format::Png,
        mode: Mode::Grey16,
        bits: Some(PATTERN_BITS),
        size: SizeRule::Unchanged,
        quality: None,
        quality_within: None,
    };
    encode(&picture, &output)
}

/// A pixel, and the last one of the picture.
struct Place {
    x: u64,
    y: u64,
    last_x: u64,
    last_y: u64,
}

impl Place {
    fn of(x: u32, y: u32, width: u32, height: u32) -> Self {
        let last = |side: u32| u64::from(side.max(2) - 1);
        Self {
            x: x.into(),
            y: y.into(),
            last_x: last(width),
            last_y: last(height),
        }
    }

    /// From 0 to `most`, left to right, three quarters of it; the rest of the way from top to
    /// bottom.
    fn slope(&self, most: u64) -> u64 {
        (3 * most * self.x * self.last_y + most * self.y * self.last_x)
            / (4 * self.last_x * self.last_y)
    }
}

fn level(pattern: Pattern, at: &Place) -> u16 {
    let level = match pattern {
        // Darker towards the bottom by an eighth, so that it is not symmetric.
        Pattern::Ramp => {
            let across = PEAK * at.x / at.last_x;
            across - across * at.y / (8 * at.last_y)
        }
        Pattern::Diagonal => at.slope(PEAK),
        Pattern::Dark => at.slope(FEW),
        Pattern::Bright => PEAK - FEW + at.slope(FEW),
        // Sixteen fields across, six down, of levels 512 to 515: all alike to whoever drops two
        // bits.
        Pattern::LowBits => {
            let (column, row) = (16 * at.x / (at.last_x + 1), 6 * at.y / (at.last_y + 1));
            512 + (column + 2 * row + column * row) % 4
        }
    };
    level as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode;
    use crate::measure::Difference;
    use crate::orientation::{Turn, best_fit};

    const ALL: [Pattern; 5] = [
        Pattern::Ramp,
        Pattern::Diagonal,
        Pattern::Dark,
        Pattern::Bright,
        Pattern::LowBits,
    ];

    fn decoded(of: Pattern) -> Picture {
        decode(&pattern(of, 1200, 900)).unwrap().1
    }

    fn levels(picture: &Picture) -> u32 {
        Difference::between(picture, picture).levels_output
    }

    #[test]
    fn patterns_hold_the_levels_that_they_are_for_and_lose_them_in_eight_bits() {
        let found = ALL.map(|pattern| {
            (
                levels(&decoded(pattern)),
                levels(&decoded(pattern).map(|level| level >> 2)),
            )
        });
        assert_eq!(
            found,
            [(1024, 256), (1024, 256), (64, 16), (64, 16), (4, 1)]
        );
        assert!(
            ALL.iter()
                .all(|pattern| u64::from(decoded(*pattern).max()) <= PEAK)
        );
    }

    #[test]
    fn the_orientation_of_every_pattern_can_be_told() {
        for pattern in ALL {
            let picture = decoded(pattern);
            let square = Picture::grey(300, 300, |x, y| picture.pixel(x * 4, y * 3)[0]);
            for turn in Turn::all() {
                assert_eq!(
                    best_fit(&square.turned(turn), &square).unwrap().turn,
                    turn,
                    "{pattern:?}"
                );
            }
        }
    }
}
