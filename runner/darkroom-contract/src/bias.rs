//! Separates wrong code from another decoder. Decoders differ from sample to sample, and their
//! differences average out. Wrong code is off by level (offset, scale, gamma), by colour (weights),
//! or in steps (8-bit arithmetic).
//!
//! The numbers behind the limits: experiments/image-pipeline/README.md, "Differences between
//! JPEG decoders are not errors".

use crate::picture::Picture;

/// A share of the reference's close levels below which an output is in steps. Right code had at
/// least 0.77 of them, 8-bit arithmetic at most 0.09.
pub const FEWEST_CLOSE_LEVELS: f64 = 0.4;
/// As many close levels a reference needs for steps to be told.
pub const CLOSE_LEVELS_TO_TELL: u32 = 8;
/// Levels less far apart are close. Of 8 bits spread over 10, two are 3 apart or more.
const CLOSE: usize = 3;
/// Bins of levels.
const BINS: usize = 16;
/// Fewest samples of which a mean says something.
const FEWEST: f64 = 24.0;
/// Where a channel is at an end of its range, it may have been cut there: what a decoder made of it
/// is not known.
const UNCUT: std::ops::RangeInclusive<u16> = 2..=253;

/// How far an output is off on average, in levels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bias {
    /// The samples of about one level: the largest of sixteen parts of the range, less what chance
    /// makes of few samples.
    pub of_a_level: f64,
    /// Where that part begins and ends.
    pub level: (u16, u16),
    /// The colour that is off most, by the plane that fits the differences best over red, green and
    /// blue.
    pub of_a_colour: f64,
    /// Neighbours among the levels that occur which are less than three apart.
    pub close_levels: u32,
}

impl Bias {
    /// Measures `output` against `reference`; `input` holds the channels that each sample was made
    /// of, place by place.
    pub fn between(output: &Picture, reference: &Picture, input: &Picture) -> Self {
        let (of_a_level, level) = of_a_level(output, reference);
        let of_a_colour =
            if input.channels == 3 && output.channels == 1 && input.size() == output.size() {
                of_a_colour(output, reference, input)
            } else {
                0.0
            };
        Self {
            of_a_level,
            level,
            of_a_colour,
            close_levels: close_levels(output),
        }
    }
}

/// Returns how many neighbours among the levels that occur are less than three apart.
pub fn close_levels(picture: &Picture) -> u32 {
    let mut occurs = vec![false; usize::from(picture.max()) + 1];
    for &sample in &picture.samples {
        occurs[usize::from(sample)] = true;
    }
    let levels: Vec<usize> = (0..occurs.len()).filter(|&level| occurs[level]).collect();
    levels
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < CLOSE)
        .count() as u32
}

/// Sum, sum of squares and number of differences.
#[derive(Clone, Copy, Default)]
struct Sums {
    n: f64,
    sum: f64,
    squares: f64,
}

impl Sums {
    fn add(&mut self, difference: f64) {
        self.n += 1.0;
        self.sum += difference;
        self.squares += difference * difference;
    }

    fn joined(self, other: &Self) -> Self {
        Self {
            n: self.n + other.n,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
        }
    }

    /// The mean's absolute value less two of its standard errors.
    fn certain_mean(&self) -> f64 {
        let mean = self.sum / self.n;
        let variance = (self.squares / self.n - mean * mean).max(0.0);
        (mean.abs() - 2.0 * (variance / self.n).sqrt()).max(0.0)
    }
}

fn differences<'a>(
    output: &'a Picture,
    reference: &'a Picture,
) -> impl Iterator<Item = (u16, f64)> + 'a {
    let pairs = output.samples.iter().zip(&reference.samples);
    pairs.map(|(&output, &reference)| (reference, f64::from(output) - f64::from(reference)))
}

fn of_a_level(output: &Picture, reference: &Picture) -> (f64, (u16, u16)) {
    let width = usize::from(reference.max().max(output.max())) / BINS + 1;
    let mut bins = [Sums::default(); BINS];
    for (level, difference) in differences(output, reference) {
        bins[(usize::from(level) / width).min(BINS - 1)].add(difference);
    }
    let bounds = |bin: usize| ((bin * width) as u16, ((bin + 1) * width - 1) as u16);
    let told = bins.iter().enumerate().filter(|(_, sums)| sums.n >= FEWEST);
    let most = told
        .map(|(bin, sums)| (sums.certain_mean(), bounds(bin)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    most.unwrap_or_else(|| {
        let all = bins.iter().fold(Sums::default(), Sums::joined);
        (all.certain_mean(), (0, bounds(BINS - 1).1))
    })
}

/// Returns the largest value that the plane of least squares, difference = a + b R + c G + d B, has
/// on a pixel's colour.
///
/// Pixels with a channel at an end of its range are left out, unless there are too few others. A
/// weak pull to a flat plane (ridge) keeps it level in directions in which the colours of the
/// picture do not vary.
fn of_a_colour(output: &Picture, reference: &Picture, input: &Picture) -> f64 {
    let uncut = |pixel: &[u16]| pixel.iter().all(|sample| UNCUT.contains(sample));
    let pixels = || {
        input
            .samples
            .chunks_exact(3)
            .zip(differences(output, reference).map(|(_, difference)| difference))
    };
    let few = (pixels().filter(|(pixel, _)| uncut(pixel)).count() as f64) < FEWEST;
    let taken = || pixels().filter(|(pixel, _)| few || uncut(pixel));
    let n = taken().count() as f64;
    let mut means = [0.0; 4];
    for (pixel, difference) in taken() {
        for (mean, value) in means.iter_mut().zip(
            pixel
                .iter()
                .map(|&sample| f64::from(sample))
                .chain([difference]),
        ) {
            *mean += value / n;
        }
    }
    let from_mean =
        |pixel: &[u16]| [0, 1, 2].map(|channel| f64::from(pixel[channel]) - means[channel]);
    let (mut products, mut with_difference) = ([[0.0; 3]; 3], [0.0; 3]);
    for (pixel, difference) in taken() {
        let colour = from_mean(pixel);
        for row in 0..3 {
            for column in 0..3 {
                products[row][column] += colour[row] * colour[column];
            }
            with_difference[row] += colour[row] * (difference - means[3]);
        }
    }
    for (channel, row) in products.iter_mut().enumerate() {
        row[channel] += 9.0;
    }
    let slopes = solved(products, with_difference);
    let value = |pixel: &[u16]| {
        let colour = from_mean(pixel);
        (means[3]
            + (0..3)
                .map(|channel| slopes[channel] * colour[channel])
                .sum::<f64>())
        .abs()
    };
    taken().map(|(pixel, _)| value(pixel)).fold(0.0, f64::max)
}

/// Solves three linear equations whose matrix is symmetric and positive definite, by elimination.
pub fn solved(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> [f64; 3] {
    for pivot in 0..3 {
        for row in pivot + 1..3 {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            let above = matrix[pivot];
            for (value, above) in matrix[row].iter_mut().zip(above) {
                *value -= factor * above;
            }
            right[row] -= factor * right[pivot];
        }
    }
    for row in (0..3).rev() {
        let known: f64 = (row + 1..3)
            .map(|column| matrix[row][column] * right[column])
            .sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colours() -> Picture {
        Picture::rgb(64, 48, |x, y| {
            [
                (x * 3 + 20) as u16,
                (y * 4 + 30) as u16,
                (200 - x - y) as u16,
            ]
        })
    }

    fn luma(picture: &Picture, weights: [f64; 3]) -> Picture {
        Picture::grey(picture.width, picture.height, |x, y| {
            let sum: f64 = picture
                .pixel(x, y)
                .iter()
                .zip(weights)
                .map(|(&value, weight)| f64::from(value) * weight)
                .sum();
            (sum * 1023.0 / 255.0).round() as u16
        })
    }

    #[test]
    fn noise_of_a_level_either_way_is_no_bias() {
        let (input, right) = (colours(), luma(&colours(), [0.299, 0.587, 0.114]));
        let mut noisy = right.clone();
        for (index, sample) in noisy.samples.iter_mut().enumerate() {
            *sample = if index * 7919 % 13 < 6 {
                *sample + 4
            } else {
                *sample - 4
            };
        }
        let bias = Bias::between(&noisy, &right, &input);
        assert!(bias.of_a_level < 0.5 && bias.of_a_colour < 1.0, "{bias:?}");
    }

    #[test]
    fn other_weights_are_found_by_colour_to_the_level() {
        let (input, right) = (colours(), luma(&colours(), [0.299, 0.587, 0.114]));
        let weights = [0.2126, 0.7152, 0.0722];
        let bias = Bias::between(&luma(&input, weights), &right, &input);
        let off = |pixel: &[u16]| -> f64 {
            let by = [weights[0] - 0.299, weights[1] - 0.587, weights[2] - 0.114];
            pixel
                .iter()
                .zip(by)
                .map(|(&value, weight)| f64::from(value) * weight * 1023.0 / 255.0)
                .sum::<f64>()
                .abs()
        };
        let most = input.samples.chunks_exact(3).map(off).fold(0.0, f64::max);
        assert!(
            (bias.of_a_colour - most).abs() < 0.5,
            "{} where {most} was put in",
            bias.of_a_colour
        );
    }

    #[test]
    fn an_offset_and_a_scale_are_found_by_level() {
        let right = Picture::grey(64, 48, |x, y| (x * 15 + y) as u16);
        let plus = Bias::between(&right.map(|sample| sample + 2), &right, &right);
        assert!((plus.of_a_level - 2.0).abs() < 1e-9, "{plus:?}");
        let scaled = Bias::between(
            &right.map(|sample| (f64::from(sample) * 0.98).round() as u16),
            &right,
            &right,
        );
        assert!(
            scaled.of_a_level > 15.0 && scaled.level.0 > 900,
            "{scaled:?}"
        );
    }

    #[test]
    fn eight_bits_spread_over_ten_have_no_close_levels() {
        let right = luma(&colours(), [0.299, 0.587, 0.114]);
        assert!(close_levels(&right) > 300);
        for spread in [
            |level: u16| level << 2,
            |level| level << 2 | level >> 6,
            |level| (f64::from(level) * 1023.0 / 255.0) as u16,
        ] {
            assert_eq!(close_levels(&right.map(|sample| spread(sample >> 2))), 0);
        }
    }

    #[test]
    fn pictures_of_a_few_samples_are_measured_as_a_whole() {
        let one = Picture::grey(1, 1, |_, _| 400);
        let bias = Bias::between(
            &one.map(|sample| sample + 3),
            &one,
            &Picture::rgb(1, 1, |_, _| [100; 3]),
        );
        assert!(
            (bias.of_a_level - 3.0).abs() < 1e-9 && (bias.of_a_colour - 3.0).abs() < 1e-9,
            "{bias:?}"
        );
    }
}
