//! A decoded image: samples and their shape. Knows no file format.

use darkroom_core::pipeline::Mode;

use crate::orientation::Turn;

/// Samples row by row, channels interleaved, each widened to 16 bits but not rescaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    /// 1 (grey) or 3 (RGB) for what the contract knows; 2 and 4 carry alpha.
    pub channels: usize,
    /// `width * height * channels` of them.
    pub samples: Vec<u16>,
}

impl Picture {
    /// Returns a grey picture whose sample at (x, y) is `sample(x, y)`.
    pub fn grey(width: u32, height: u32, mut sample: impl FnMut(u32, u32) -> u16) -> Self {
        let mut samples = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height {
            samples.extend((0..width).map(|x| sample(x, y)));
        }
        Self {
            width,
            height,
            channels: 1,
            samples,
        }
    }

    /// Returns an RGB picture whose pixel at (x, y) is `pixel(x, y)`.
    pub fn rgb(width: u32, height: u32, mut pixel: impl FnMut(u32, u32) -> [u16; 3]) -> Self {
        let mut samples = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            for x in 0..width {
                samples.extend(pixel(x, y));
            }
        }
        Self {
            width,
            height,
            channels: 3,
            samples,
        }
    }

    pub const fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Returns the samples of the pixel at (x, y), which must lie inside.
    pub fn pixel(&self, x: u32, y: u32) -> &[u16] {
        let start = (y as usize * self.width as usize + x as usize) * self.channels;
        &self.samples[start..start + self.channels]
    }

    pub fn max(&self) -> u16 {
        self.samples.iter().copied().max().unwrap_or(0)
    }

    /// Returns the same shape with every sample replaced.
    #[must_use]
    pub fn map(&self, sample: impl Fn(u16) -> u16) -> Self {
        Self {
            samples: self.samples.iter().map(|&value| sample(value)).collect(),
            ..*self
        }
    }

    /// Returns the picture turned, without loss.
    #[must_use]
    pub fn turned(&self, turn: Turn) -> Self {
        let (width, height) = turn.size(self.size());
        let mut samples = Vec::with_capacity(self.samples.len());
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = turn.source((x, y), self.size());
                samples.extend_from_slice(self.pixel(from_x, from_y));
            }
        }
        Self {
            width,
            height,
            channels: self.channels,
            samples,
        }
    }

    /// Returns whether the picture's channels are those of `mode`.
    pub const fn has_channels_of(&self, mode: Mode) -> bool {
        self.channels
            == match mode {
                Mode::Grey8 | Mode::Grey16 => 1,
                Mode::Rgb8 => 3,
            }
    }
}
