//! Changes a few pixels of an image invisibly, so that code which stores outputs has not seen this
//! image.
//!
//! Bytes and a seed → bytes of the same format and size, and of nearly the same length. Used for
//! probes ([`darkroom_core::schedule`]) and for `repetitions.vary_inputs`. Metadata stays
//! unchanged.

use std::io::{Cursor, Read as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_core::pipeline::Format;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use mozjpeg::{ColorSpace, Compress, DctMethod, Decompress};
use png::{BitDepth, ColorType, Transformations};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::codec::Undecodable;
use crate::codec::decode;
use crate::header::Colour;
use crate::jpeg_quality;

/// Tiles that an image is divided into, about: each moves up or down by a step, all its samples
/// alike, so that flat places stay flat, edges stay sharp and the file stays as long as it was.
/// Fewer are tried where it does not.
const TILES: [f64; 3] = [100.0, 36.0, 16.0];
/// Levels of 8 bits that a tile moves by: code that cuts off instead of rounding may lose one, and
/// nobody sees three.
const STEP: u16 = 3;
/// Ways of compressing a PNG that are tried, levels of zlib; 0 stores, `None` is what `image`
/// writes with.
const LEVELS: [Option<u32>; 7] = [Some(6), None, Some(9), Some(0), Some(4), Some(2), Some(1)];
/// Share by which a length may differ before another way of encoding is tried.
const NEAR: f64 = 0.02;
/// Samples of a side of a block that JPEG transforms as one.
const BLOCK: usize = 8;

/// Why an image can't be had with pixels of its own.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOwnPixels {
    #[error(transparent)]
    Undecodable(#[from] Undecodable),
    #[error("{0} cannot be changed unnoticeably")]
    Coarse(&'static str),
    #[error("it cannot be encoded again: {0}")]
    Encoding(String),
}

/// Returns `bytes` with tiles a few levels brighter or darker (in a JPEG, as many as its quality
/// needs): the same for the same seed.
pub fn with_own_pixels(bytes: &[u8], seed: u64) -> Result<Vec<u8>, NoOwnPixels> {
    let (header, _) = decode(bytes)?;
    // A coder's own panic is a fact about the bytes, not a reason to lose the run.
    catch_unwind(AssertUnwindSafe(|| {
        match (header.format, header.mode.colour) {
            (Format::Png, _) => png_with_own_pixels(bytes, seed),
            (Format::Jpeg, Colour::Cmyk) => Err(NoOwnPixels::Coarse("a CMYK JPEG")),
            (Format::Jpeg, colour) => jpeg_with_own_pixels(bytes, seed, colour == Colour::Grey),
        }
    }))
    .unwrap_or_else(|_| Err(NoOwnPixels::Encoding("the encoder failed".into())))
}

/// Returns the first candidate whose length is near enough, or else the nearest, and how it was
/// made.
fn nearest<T>(
    length: usize,
    candidates: impl Iterator<Item = (T, Option<Vec<u8>>)>,
) -> Option<(T, Vec<u8>)> {
    let apart = |bytes: &Vec<u8>| (bytes.len() as f64 / length as f64 - 1.0).abs();
    let mut best: Option<(T, Vec<u8>)> = None;
    for (how, candidate) in candidates.filter_map(|(how, candidate)| Some((how, candidate?))) {
        if best
            .as_ref()
            .is_none_or(|(_, best)| apart(&candidate) < apart(best))
        {
            best = Some((how, candidate));
        }
        if best.as_ref().is_some_and(|(_, best)| apart(best) <= NEAR) {
            break;
        }
    }
    best
}

/// The tiles of an image, row by row.
struct Tiles {
    side: usize,
    width: usize,
    height: usize,
}

impl Tiles {
    /// Tiles whose sides are whole blocks where there are enough blocks, and at least `least`.
    fn of(width: usize, height: usize, tiles: f64, least: usize) -> Self {
        let side = ((width * height) as f64 / tiles).sqrt() as usize;
        let side = if side < BLOCK {
            side
        } else {
            side / BLOCK * BLOCK
        };
        Self {
            side: side.max(least),
            width,
            height,
        }
    }

    /// Returns the places of each tile's pixels.
    fn each(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        let Self {
            side,
            width,
            height,
        } = *self;
        let corners = (0..height)
            .step_by(side)
            .flat_map(move |top| (0..width).step_by(side).map(move |left| (left, top)));
        corners.map(move |(left, top)| {
            let rows = top..(top + side).min(height);
            rows.flat_map(|y| (left..(left + side).min(width)).map(move |x| y * width + x))
                .collect()
        })
    }
}

/// Returns how a tile of this mean moves: up or down; from an end of the range, where most samples
/// could not, inwards or not at all.
fn movement(mean: f64, step: u16, brightest: u16, random: &mut ChaCha8Rng) -> i32 {
    let (one, other) = (random.random::<bool>(), random.random::<bool>());
    let step = i32::from(step);
    if mean < f64::from(step) {
        step * i32::from(one)
    } else if mean > f64::from(brightest) - f64::from(step) {
        -step * i32::from(one)
    } else if other {
        step
    } else {
        -step
    }
}

fn moved(sample: u16, by: i32, brightest: u16) -> u16 {
    (i32::from(sample) + by).clamp(0, i32::from(brightest).max(i32::from(sample))) as u16
}

/// A PNG's samples as they are in the file.
#[derive(Clone)]
struct Raw {
    size: (u32, u32),
    colours: ColorType,
    depth: BitDepth,
    samples: Vec<u8>,
    palette: Option<Vec<u8>>,
    /// How each row was filtered; `None` of interlaced files, whose rows are of seven images. Own
    /// rows are filtered alike: some filters take longer to undo, and a probe must not be slower
    /// for that.
    filters: Option<Vec<u8>>,
}

fn png_with_own_pixels(bytes: &[u8], seed: u64) -> Result<Vec<u8>, NoOwnPixels> {
    let failed = |error: png::DecodingError| NoOwnPixels::Encoding(error.to_string());
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(failed)?;
    let length = reader
        .output_buffer_size()
        .ok_or_else(|| NoOwnPixels::Encoding("it is too large".into()))?;
    let mut samples = vec![0; length];
    let info = reader.next_frame(&mut samples).map_err(failed)?;
    samples.truncate(info.buffer_size());
    let palette = reader
        .info()
        .palette
        .as_ref()
        .map(|palette| palette.to_vec());
    let is_palette = info.color_type == ColorType::Indexed;
    if !is_palette && !matches!(info.bit_depth, BitDepth::Eight | BitDepth::Sixteen) {
        return Err(NoOwnPixels::Coarse("a PNG of fewer than 8 bits a sample"));
    }
    let filters = if reader.info().interlaced {
        None
    } else {
        filters(bytes, info.line_size)
    };
    let size = (info.width, info.height);
    let raw = Raw {
        size,
        colours: info.color_type,
        depth: info.bit_depth,
        samples,
        palette,
        filters,
    };
    let whole = |raw: &Raw, level| Some(spliced(bytes, &raw.encoded(level).ok()?, is_palette));
    let as_it_is = nearest(
        bytes.len(),
        LEVELS.into_iter().map(|level| (level, whole(&raw, level))),
    );
    let (level, _) =
        as_it_is.ok_or_else(|| NoOwnPixels::Encoding("encoding gave no PNG".into()))?;
    let own = nearest(
        bytes.len(),
        TILES
            .into_iter()
            .map(|tiles| ((), whole(&raw.changed(seed, tiles), level))),
    );
    own.map(|((), own)| own)
        .ok_or_else(|| NoOwnPixels::Encoding("encoding gave no PNG".into()))
}

/// Returns the filter of every row, the first byte of it. Source: PNG (Third Edition), W3C, 7.3 and
/// 9.
fn filters(bytes: &[u8], line_size: usize) -> Option<Vec<u8>> {
    let data: Vec<u8> = chunks(bytes)
        .filter(|(kind, _)| kind == b"IDAT")
        .flat_map(|(_, chunk)| chunk[8..chunk.len() - 4].iter().copied())
        .collect();
    let mut rows = Vec::new();
    ZlibDecoder::new(&data[..]).read_to_end(&mut rows).ok()?;
    Some(rows.iter().step_by(line_size + 1).copied().collect())
}

impl Raw {
    fn changed(&self, seed: u64, tiles: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let Self {
            colours,
            depth,
            ref samples,
            ..
        } = *self;
        let mut own = self.clone();
        if let (ColorType::Indexed, Some(palette)) = (colours, &mut own.palette) {
            // An index is no level: the colours that it names change instead, all by chance.
            for level in palette {
                let by = movement(f64::from(*level), STEP, 255, &mut random);
                *level = moved(u16::from(*level), by, 255) as u8;
            }
            return own;
        }
        let channels = colours.samples();
        let opaque = match colours {
            ColorType::GrayscaleAlpha | ColorType::Rgba => channels - 1,
            _ => channels,
        };
        let wide = depth == BitDepth::Sixteen;
        let sample = |samples: &[u8], at: usize| {
            if wide {
                u16::from_be_bytes([samples[2 * at], samples[2 * at + 1]])
            } else {
                u16::from(samples[at])
            }
        };
        let all = samples.len() / if wide { 2 } else { 1 };
        // A stage may take fewer bits than the container has: no sample becomes brighter than the
        // brightest.
        let brightest = (0..all).map(|at| sample(samples, at)).max().unwrap_or(0);
        // Of 8 bits, whatever the container: the stages after this one keep no less.
        let step = STEP * (brightest / 255).max(1);
        for tile in Tiles::of(self.size.0 as usize, self.size.1 as usize, tiles, 1).each() {
            let places = || {
                tile.iter()
                    .flat_map(|pixel| (0..opaque).map(move |channel| pixel * channels + channel))
            };
            let sum: u64 = places().map(|at| u64::from(sample(samples, at))).sum();
            let by = movement(
                sum as f64 / (tile.len() * opaque) as f64,
                step,
                brightest,
                &mut random,
            );
            for at in places() {
                let level = moved(sample(samples, at), by, brightest);
                if wide {
                    own.samples[2 * at..2 * at + 2].copy_from_slice(&level.to_be_bytes());
                } else {
                    own.samples[at] = level as u8;
                }
            }
        }
        own
    }

    fn encoded(&self, level: Option<u32>) -> Result<Vec<u8>, png::EncodingError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.size.0, self.size.1);
        encoder.set_color(self.colours);
        encoder.set_depth(self.depth);
        if let Some(palette) = &self.palette {
            encoder.set_palette(palette.clone());
        }
        let mut writer = encoder.write_header()?;
        match &self.filters {
            Some(filters) => {
                let rows = self.filtered(filters);
                let data = match level {
                    Some(level) => {
                        let mut data = ZlibEncoder::new(Vec::new(), Compression::new(level));
                        data.write_all(&rows)?;
                        data.finish()?
                    }
                    None => fdeflate::compress_to_vec(&rows),
                };
                writer.write_chunk(png::chunk::IDAT, &data)?;
            }
            None => writer.write_image_data(&self.samples)?,
        }
        drop(writer);
        Ok(file)
    }

    /// Returns the rows as the file holds them: each its filter, then what differs from what the
    /// filter expects.
    fn filtered(&self, filters: &[u8]) -> Vec<u8> {
        let bits = self.depth as usize * self.colours.samples();
        let (pixel, line) = (bits.div_ceil(8), (bits * self.size.0 as usize).div_ceil(8));
        let mut rows = Vec::with_capacity((line + 1) * filters.len());
        let nothing = vec![0; line];
        let mut above = &nothing[..];
        for (row, &filter) in self.samples.chunks(line).zip(filters) {
            rows.push(filter);
            for (at, sample) in row.iter().enumerate() {
                let before = |of: &[u8]| at.checked_sub(pixel).map_or(0, |at| of[at]);
                let (left, up, corner) = (before(row), above[at], before(above));
                let expected = match filter {
                    0 => 0,
                    1 => left,
                    2 => up,
                    3 => left.midpoint(up),
                    _ => paeth(left, up, corner),
                };
                rows.push(sample.wrapping_sub(expected));
            }
            above = row;
        }
        rows
    }
}

/// Of the neighbours the one nearest to left + above - corner. Source: PNG (Third Edition), W3C,
/// 9.4.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let near = |of: i16| (a + b - c - of).abs();
    match (near(a) <= near(b) && near(a) <= near(c), near(b) <= near(c)) {
        (true, _) => left,
        (_, true) => up,
        _ => corner,
    }
}

/// Returns the chunks of `bytes` with the header, the pixels and (of a palette) the colours of
/// `own` in their places.
fn spliced(bytes: &[u8], own: &[u8], with_palette: bool) -> Vec<u8> {
    let taken =
        |kind: &[u8]| kind == b"IHDR" || kind == b"IDAT" || (with_palette && kind == b"PLTE");
    let mut whole = own[..8].to_vec();
    let mut done: Vec<[u8; 4]> = Vec::new();
    for (kind, chunk) in chunks(bytes) {
        if !taken(&kind) {
            whole.extend_from_slice(chunk);
        } else if !done.contains(&kind) {
            done.push(kind);
            chunks(own)
                .filter(|(of, _)| *of == kind)
                .for_each(|(_, chunk)| whole.extend_from_slice(chunk));
        }
    }
    whole
}

/// The chunks of a PNG, each whole, as far as they go. Source: PNG (Third Edition), W3C, 5.3.
pub fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = &bytes[8..];
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let kind = *rest.get(4..)?.first_chunk()?;
        let (chunk, after) = rest.split_at_checked(length + 12)?;
        rest = after;
        Some((kind, chunk))
    })
}

/// A JPEG's samples, luma and chroma, with what makes the same file of them.
struct Planes {
    width: usize,
    height: usize,
    channels: usize,
    samples: Vec<u8>,
    sampling: Vec<(u8, u8)>,
    tables: Vec<mozjpeg::qtable::QTable>,
    /// How many levels all of a block must move for its mean to be stored as another.
    step: u8,
    progressive: bool,
}

fn jpeg_with_own_pixels(bytes: &[u8], seed: u64, grey: bool) -> Result<Vec<u8>, NoOwnPixels> {
    let planes =
        Planes::of(bytes, grey).map_err(|error| NoOwnPixels::Encoding(error.to_string()))?;
    let candidates = TILES
        .into_iter()
        .flat_map(|tiles| [true, false].map(|optimised| (tiles, optimised)));
    let candidate = |(tiles, optimised)| {
        let own = planes.encoded(&planes.changed(seed, tiles), optimised).ok();
        ((), own.map(|own| with_metadata(bytes, &own)))
    };
    nearest(bytes.len(), candidates.map(candidate))
        .map(|((), own)| own)
        .ok_or_else(|| NoOwnPixels::Encoding("encoding gave no JPEG".into()))
}

impl Planes {
    /// Chroma is repeated, not smoothed, so that taking its mean gives back what was stored.
    fn of(bytes: &[u8], grey: bool) -> std::io::Result<Self> {
        use mozjpeg::CompInfoExt;
        let mut file = Decompress::new_mem(bytes)?;
        file.do_fancy_upsampling(false);
        file.dct_method(DctMethod::IntegerSlow);
        let mut rows = if grey {
            file.grayscale()?
        } else {
            file.to_colorspace(ColorSpace::JCS_YCbCr)?
        };
        let samples = rows.read_scanlines::<u8>()?;
        let parts = rows.components();
        let (sampling, tables) = (
            parts.iter().map(CompInfoExt::sampling),
            parts.iter().take(2),
        );
        let dc = jpeg_quality::first_step(bytes).unwrap_or(1);
        Ok(Self {
            width: rows.width(),
            height: rows.height(),
            channels: if grey { 1 } else { 3 },
            samples,
            sampling: sampling.collect(),
            tables: tables.filter_map(CompInfoExt::qtable).collect(),
            // The stored mean of a block is 8 times its samples' mean. Source: ITU-T T.81, A.3.3.
            step: dc.div_ceil(8).clamp(STEP, 32) as u8,
            progressive: is_progressive(bytes),
        })
    }

    /// Moves whole blocks: their stored means change, and nothing else.
    fn changed(&self, seed: u64, tiles: f64) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut samples = self.samples.clone();
        for tile in Tiles::of(self.width, self.height, tiles, BLOCK).each() {
            let sum: usize = tile
                .iter()
                .map(|pixel| usize::from(self.samples[pixel * self.channels]))
                .sum();
            let by = movement(
                sum as f64 / tile.len() as f64,
                self.step.into(),
                255,
                &mut random,
            );
            for at in tile.iter().map(|pixel| pixel * self.channels) {
                samples[at] = moved(u16::from(self.samples[at]), by, 255) as u8;
            }
        }
        samples
    }

    fn encoded(&self, samples: &[u8], optimised: bool) -> std::io::Result<Vec<u8>> {
        let colours = if self.channels == 1 {
            ColorSpace::JCS_GRAYSCALE
        } else {
            ColorSpace::JCS_YCbCr
        };
        let mut file = Compress::new(colours);
        file.set_size(self.width, self.height);
        file.set_fastest_defaults();
        file.set_color_space(colours);
        if let Some(luma) = self.tables.first() {
            file.set_luma_qtable(luma);
        }
        if let Some(chroma) = self.tables.get(1) {
            file.set_chroma_qtable(chroma);
        }
        for (part, (across, down)) in file.components_mut().iter_mut().zip(&self.sampling) {
            (part.h_samp_factor, part.v_samp_factor) = ((*across).into(), (*down).into());
        }
        if self.channels == 1 {
            file.components_mut()
                .iter_mut()
                .for_each(|part| (part.h_samp_factor, part.v_samp_factor) = (1, 1));
        }
        if self.progressive {
            file.set_progressive_mode();
        }
        file.set_optimize_coding(optimised);
        let mut file = file.start_compress(Vec::new())?;
        file.write_scanlines(samples)?;
        file.finish()
    }
}

/// Segments before the first scan: the marker and the segment whole. Source: ITU-T T.81, B.1.1.4.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = &bytes[2..];
    std::iter::from_fn(move || {
        while rest.starts_with(&[0xFF, 0xFF]) {
            rest = &rest[1..];
        }
        let marker = *rest
            .get(1)
            .filter(|marker| rest[0] == 0xFF && **marker != 0xDA)?;
        let length = u16::from_be_bytes(*rest.get(2..)?.first_chunk()?);
        let (segment, after) = rest.split_at_checked(usize::from(length) + 2)?;
        rest = after;
        Some((marker, segment))
    })
}

fn is_progressive(bytes: &[u8]) -> bool {
    segments(bytes).any(|(marker, _)| marker == 0xC2)
}

/// Returns `own` with the metadata of `bytes`: orientation, colour profile, comments, in their
/// order.
///
/// The first application segment (JFIF) is the encoder's, and so is what says how colours are
/// stored (Adobe's).
fn with_metadata(bytes: &[u8], own: &[u8]) -> Vec<u8> {
    let kept = segments(bytes)
        .filter(|(marker, _)| matches!(marker, 0xE1..=0xED | 0xEF | 0xFE))
        .map(|(_, segment)| segment);
    let first = segments(own)
        .next()
        .filter(|(marker, _)| *marker == 0xE0)
        .map_or(0, |(_, segment)| segment.len());
    let (before, after) = own.split_at(2 + first);
    let mut whole = before.to_vec();
    kept.for_each(|segment| whole.extend_from_slice(segment));
    whole.extend_from_slice(after);
    whole
}
