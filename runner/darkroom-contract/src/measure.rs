//! Numbers that say how far two pictures of the same shape are apart.

use crate::orientation::Turn;
use crate::picture::Picture;

/// Points at which a turned comparison looks, at most; larger pictures are looked at on a grid.
const MAX_COMPARED_POINTS: u64 = 400_000;

/// Two pictures sample by sample. Means, deviations and differences are in levels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub mse: f64,
    pub max_abs: f64,
    pub mean_output: f64,
    pub mean_reference: f64,
    /// Population standard deviations.
    pub sd_output: f64,
    pub sd_reference: f64,
    /// Distinct sample values.
    pub levels_output: u32,
    pub levels_reference: u32,
    /// Pearson's; `None` if either picture is constant.
    pub correlation: Option<f64>,
}

impl Difference {
    /// Compares two pictures, which must have the same number of samples and at least one.
    pub fn between(output: &Picture, reference: &Picture) -> Self {
        assert_eq!(
            output.samples.len(),
            reference.samples.len(),
            "the caller compares sizes first"
        );
        let n = output.samples.len() as f64;
        let mut sums = Sums::default();
        for (&a, &b) in output.samples.iter().zip(&reference.samples) {
            sums.add(u64::from(a), u64::from(b));
        }
        let (mean_output, mean_reference) = (sums.a as f64 / n, sums.b as f64 / n);
        let variance_output = (sums.aa as f64 / n - mean_output * mean_output).max(0.0);
        let variance_reference = (sums.bb as f64 / n - mean_reference * mean_reference).max(0.0);
        let covariance = sums.ab as f64 / n - mean_output * mean_reference;
        let scale = (variance_output * variance_reference).sqrt();
        Self {
            mse: sums.squared_difference as f64 / n,
            max_abs: sums.max_abs as f64,
            mean_output,
            mean_reference,
            sd_output: variance_output.sqrt(),
            sd_reference: variance_reference.sqrt(),
            levels_output: distinct_levels(output),
            levels_reference: distinct_levels(reference),
            correlation: (scale > 1e-9).then(|| covariance / scale),
        }
    }

    /// Returns the peak signal-to-noise ratio in dB, `None` for equal pictures.
    pub fn psnr_db(&self, peak: u32) -> Option<f64> {
        psnr_db(self.mse, peak)
    }
}

/// Exact integer sums: 64 megapixels of 16-bit squares stay below 2^60.
#[derive(Default)]
struct Sums {
    a: u64,
    b: u64,
    aa: u64,
    bb: u64,
    ab: u64,
    squared_difference: u64,
    max_abs: u64,
}

impl Sums {
    fn add(&mut self, a: u64, b: u64) {
        let difference = a.abs_diff(b);
        self.a += a;
        self.b += b;
        self.aa += a * a;
        self.bb += b * b;
        self.ab += a * b;
        self.squared_difference += difference * difference;
        self.max_abs = self.max_abs.max(difference);
    }
}

/// Returns 10 log10(peak² / mse) in dB; `None` if `mse` is 0.
pub fn psnr_db(mse: f64, peak: u32) -> Option<f64> {
    (mse > 0.0).then(|| 10.0 * (f64::from(peak).powi(2) / mse).log10())
}

fn distinct_levels(picture: &Picture) -> u32 {
    let mut seen = vec![false; usize::from(u16::MAX) + 1];
    for &sample in &picture.samples {
        seen[usize::from(sample)] = true;
    }
    seen.into_iter().filter(|&seen| seen).count() as u32
}

/// Returns the mean squared difference between `output` and `reference` turned, whose sizes must
/// match.
pub fn mse_under(output: &Picture, reference: &Picture, turn: Turn) -> f64 {
    let pixels = u64::from(output.width) * u64::from(output.height);
    let step = (pixels as f64 / MAX_COMPARED_POINTS as f64)
        .sqrt()
        .ceil()
        .max(1.0) as usize;
    let (mut sum, mut n) = (0u64, 0u64);
    for y in (0..output.height).step_by(step) {
        for x in (0..output.width).step_by(step) {
            let (from_x, from_y) = turn.source((x, y), reference.size());
            for (&a, &b) in output
                .pixel(x, y)
                .iter()
                .zip(reference.pixel(from_x, from_y))
            {
                sum += u64::from(a.abs_diff(b)).pow(2);
                n += 1;
            }
        }
    }
    sum as f64 / n.max(1) as f64
}

/// Side of SSIM's window, pixels.
const WINDOW: usize = 11;
/// Windows that SSIM looks at, about and at most; larger pictures are looked at on a grid.
const MAX_WINDOWS: f64 = 150_000.0;

/// Returns the mean structural similarity of two grey pictures of one size; `None` below 11 pixels
/// a side.
///
/// Gaussian window of 11 × 11 with sigma 1.5, K1 = 0.01, K2 = 0.03, population covariance, whole
/// windows only; every window up to 0.15 megapixels, a regular grid of them above. Source: Wang,
/// Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural
/// Similarity", IEEE TIP 13(4), 2004.
pub fn ssim(output: &Picture, reference: &Picture, peak: u32) -> Option<f64> {
    let (width, height) = (output.width as usize, output.height as usize);
    let comparable =
        output.size() == reference.size() && output.channels == 1 && reference.channels == 1;
    if !comparable || width < WINDOW || height < WINDOW {
        return None;
    }
    let step = ((width * height) as f64 / MAX_WINDOWS)
        .sqrt()
        .ceil()
        .max(1.0) as usize;
    let weights = gaussian_weights();
    let columns: Vec<usize> = (0..=width - WINDOW).step_by(step).collect();
    let row = |y: usize| {
        let span = y * width..(y + 1) * width;
        filtered_row(
            &output.samples[span.clone()],
            &reference.samples[span],
            &columns,
            &weights,
        )
    };
    let mut rows: Vec<Vec<[f64; 5]>> = (0..WINDOW).map(row).collect();
    let (c1, c2) = (
        (0.01 * f64::from(peak)).powi(2),
        (0.03 * f64::from(peak)).powi(2),
    );
    let (mut sum, mut n) = (0.0, 0u64);
    for top in 0..=height - WINDOW {
        if top > 0 {
            rows[(top - 1) % WINDOW] = row(top + WINDOW - 1);
        }
        if top % step != 0 {
            continue;
        }
        for column in 0..columns.len() {
            sum += window_similarity(weighted_moments(&rows, top, column, &weights), c1, c2);
            n += 1;
        }
    }
    Some(sum / n as f64)
}

/// Returns the weighted sums of a, b, a², b², ab over the window whose first row is `top`; rows are
/// kept in a ring.
fn weighted_moments(
    rows: &[Vec<[f64; 5]>],
    top: usize,
    column: usize,
    weights: &[f64; WINDOW],
) -> [f64; 5] {
    let mut moments = [0.0; 5];
    for (offset, weight) in weights.iter().enumerate() {
        for (moment, value) in moments
            .iter_mut()
            .zip(&rows[(top + offset) % WINDOW][column])
        {
            *moment += weight * value;
        }
    }
    moments
}

/// Returns the weighted sums of a, b, a², b², ab over each window of one row.
fn filtered_row(a: &[u16], b: &[u16], columns: &[usize], weights: &[f64; WINDOW]) -> Vec<[f64; 5]> {
    let window = |&left: &usize| {
        let mut sums = [0.0; 5];
        for ((&a, &b), weight) in a[left..left + WINDOW]
            .iter()
            .zip(&b[left..left + WINDOW])
            .zip(weights)
        {
            let (a, b) = (f64::from(a), f64::from(b));
            for (sum, value) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += weight * value;
            }
        }
        sums
    };
    columns.iter().map(window).collect()
}

fn window_similarity([a, b, aa, bb, ab]: [f64; 5], c1: f64, c2: f64) -> f64 {
    let (variance_a, variance_b, covariance) = (aa - a * a, bb - b * b, ab - a * b);
    ((2.0 * a * b + c1) * (2.0 * covariance + c2))
        / ((a * a + b * b + c1) * (variance_a + variance_b + c2))
}

fn gaussian_weights() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let mut weights =
        std::array::from_fn(|index| (-(index as f64 - middle).powi(2) / (2.0 * 1.5 * 1.5)).exp());
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_has_the_values_worked_out_by_hand() {
        let output = Picture::grey(4, 1, |x, _| [10, 20, 30, 40][x as usize]);
        let reference = Picture::grey(4, 1, |x, _| [10, 22, 30, 44][x as usize]);
        let difference = Difference::between(&output, &reference);
        // Squared differences 0, 4, 0, 16; 10 log10(255² / 5) = 41.1411.
        assert!((difference.mse - 5.0).abs() < 1e-12);
        assert!((difference.psnr_db(255).unwrap() - 41.141_1).abs() < 1e-4);
        assert!((difference.max_abs - 4.0).abs() < 1e-12);
        assert!((difference.mean_output - 25.0).abs() < 1e-12);
        assert!((difference.mean_reference - 26.5).abs() < 1e-12);
        assert!((difference.sd_output - 125f64.sqrt()).abs() < 1e-9);
        assert_eq!(
            (difference.levels_output, difference.levels_reference),
            (4, 4)
        );
    }

    #[test]
    fn equal_pictures_have_no_psnr_and_constant_ones_no_correlation() {
        let flat = Picture::grey(3, 3, |_, _| 7);
        let difference = Difference::between(&flat, &flat);
        assert_eq!(
            (difference.psnr_db(255), difference.correlation),
            (None, None)
        );
        assert!(difference.mse.abs() < f64::EPSILON);
    }
}
