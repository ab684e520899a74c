//! What an image's bytes say: format, mode, size, and whether the file is whole. Never uses the
//! file name.
//!
//! Decoders are lenient (a truncated JPEG opens, grey at the bottom) and convert what they read (a
//! palette becomes RGB); the contract must know what is really in the file.

use std::fmt;

use darkroom_core::pipeline::{Format, Mode};

/// Colour model of a file's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// Of a PNG's tRNS chunk: one grey that is transparent.
    GreyWithTransparent,
    /// Of a PNG's tRNS chunk: one colour that is transparent.
    RgbWithTransparent,
    Palette,
    Cmyk,
}

/// Channels and container depth as found in a file; any that the formats can spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundMode {
    pub colour: Colour,
    /// Bits of a sample's container.
    pub bits: u8,
}

impl FoundMode {
    pub fn is(self, mode: Mode) -> bool {
        let colour = match mode {
            Mode::Grey8 | Mode::Grey16 => Colour::Grey,
            Mode::Rgb8 => Colour::Rgb,
        };
        self.colour == colour && u32::from(self.bits) == mode.container_bits()
    }
}

impl fmt::Display for FoundMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colour = match self.colour {
            Colour::Grey | Colour::GreyWithTransparent => "grey",
            Colour::GreyAlpha => "greyalpha",
            Colour::Rgb | Colour::RgbWithTransparent => "rgb",
            Colour::Rgba => "rgba",
            Colour::Palette => "palette",
            Colour::Cmyk => "cmyk",
        };
        write!(f, "{colour}{}", self.bits)?;
        match self.colour {
            Colour::GreyWithTransparent | Colour::RgbWithTransparent => {
                write!(f, " (one colour transparent: tRNS)")
            }
            _ => Ok(()),
        }
    }
}

/// A PNG's or JPEG's own account of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub format: Format,
    pub mode: FoundMode,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Why bytes are not a whole PNG or JPEG.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    #[error("the object is empty")]
    Empty,
    #[error("{0} bytes")]
    OtherFormat(&'static str),
    #[error("neither PNG nor JPEG: the bytes begin with {0}")]
    Unknown(String),
    #[error("truncated {0}: {1}")]
    Truncated(&'static str, &'static str),
    #[error("damaged {0}: {1}")]
    Damaged(&'static str, &'static str),
    /// A kind of PNG or JPEG that common decoders do not read, or read in different ways.
    #[error("{0}")]
    RareKind(&'static str),
}

const ANIMATED: &str = "an animated PNG (acTL): readers show different frames of it";

/// Returns what `bytes` are, having walked them to their end.
pub fn inspect(bytes: &[u8]) -> Result<Header, NotAnImage> {
    if bytes.is_empty() {
        return Err(NotAnImage::Empty);
    }
    match format_of(bytes) {
        Some(Format::Png) => png_header(bytes),
        Some(Format::Jpeg) => jpeg_header(bytes),
        None => Err(other_format(bytes)),
    }
}

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Returns the format that the first bytes prove, whole or not.
pub fn format_of(bytes: &[u8]) -> Option<Format> {
    if bytes.starts_with(PNG_SIGNATURE) {
        Some(Format::Png)
    } else if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Some(Format::Jpeg)
    } else {
        None
    }
}

/// What stands in a checkout in the place of a file that Git LFS keeps elsewhere.
pub const GIT_LFS_POINTER: &str = "Git LFS pointer";

fn other_format(bytes: &[u8]) -> NotAnImage {
    let known: [(&[u8], &str); 13] = [
        (b"version https://git-lfs", GIT_LFS_POINTER),
        (b"<!DOCTYPE", "HTML"),
        (b"<html", "HTML"),
        (b"%PDF", "PDF"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
        (b"RIFF", "WebP"),
        (b"P5", "PGM"),
        (b"P6", "PPM"),
        (b"{", "JSON"),
        (b"\x93NUMPY", "NumPy"),
    ];
    if let Some((_, name)) = known.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return NotAnImage::OtherFormat(name);
    }
    // ISO base media files: a length, then the kind of file. Source: ISO/IEC 14496-12, 4.3.
    match bytes.get(4..12) {
        Some(b"ftypavif" | b"ftypavis") => return NotAnImage::OtherFormat("AVIF"),
        Some(b"ftypheic" | b"ftypheix" | b"ftypmif1" | b"ftypmsf1") => {
            return NotAnImage::OtherFormat("HEIC");
        }
        _ => {}
    }
    let first: String = bytes
        .iter()
        .take(8)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    NotAnImage::Unknown(format!("\"{first}\""))
}

/// Walks the chunks to IEND. Source: PNG (Third Edition), W3C, 5.3 and 11.2.1.
fn png_header(bytes: &[u8]) -> Result<Header, NotAnImage> {
    const ENDS: NotAnImage = NotAnImage::Truncated("PNG", "it ends before its IEND chunk");
    let mut rest = &bytes[PNG_SIGNATURE.len()..];
    let mut header = None;
    let mut transparent = false;
    let (mut pixels, mut animated) = (false, false);
    loop {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(ENDS)?;
        let (kind, after) = after.split_first_chunk::<4>().ok_or(ENDS)?;
        let length = u32::from_be_bytes(*length) as usize;
        let data = after.get(..length).ok_or(ENDS)?;
        rest = after.get(length + 4..).ok_or(ENDS)?;
        match (kind, &header) {
            (b"IHDR", None) => header = Some(png_ihdr(data)?),
            (b"IHDR", Some(_)) => return Err(NotAnImage::Damaged("PNG", "it has two IHDR chunks")),
            (_, None) => return Err(NotAnImage::Damaged("PNG", "it does not begin with IHDR")),
            (b"tRNS", _) => transparent = true,
            (b"acTL", _) => animated = true,
            (b"IDAT", _) => pixels = true,
            (b"IEND", _) if pixels && animated => return Err(NotAnImage::RareKind(ANIMATED)),
            (b"IEND", Some(header)) if pixels => {
                return Ok(with_transparency(*header, transparent));
            }
            (b"IEND", _) => return Err(NotAnImage::Damaged("PNG", "it has no IDAT chunk")),
            _ => {}
        }
    }
}

fn png_ihdr(data: &[u8]) -> Result<Header, NotAnImage> {
    let &[w0, w1, w2, w3, h0, h1, h2, h3, bits, colour, _, _, _] = data else {
        return Err(NotAnImage::Damaged(
            "PNG",
            "its IHDR chunk has the wrong length",
        ));
    };
    let colour = match colour {
        0 => Colour::Grey,
        2 => Colour::Rgb,
        3 => Colour::Palette,
        4 => Colour::GreyAlpha,
        6 => Colour::Rgba,
        _ => return Err(NotAnImage::Damaged("PNG", "its colour type does not exist")),
    };
    let (width, height) = (
        u32::from_be_bytes([w0, w1, w2, w3]),
        u32::from_be_bytes([h0, h1, h2, h3]),
    );
    if width == 0 || height == 0 || !matches!(bits, 1 | 2 | 4 | 8 | 16) {
        return Err(NotAnImage::Damaged(
            "PNG",
            "its size or bit depth does not exist",
        ));
    }
    Ok(Header {
        format: Format::Png,
        mode: FoundMode { colour, bits },
        width,
        height,
    })
}

/// A colour named transparent is an alpha channel once decoded: it is said, and is none of the
/// modes that a stage takes.
fn with_transparency(mut header: Header, transparent: bool) -> Header {
    if transparent {
        header.mode.colour = match header.mode.colour {
            Colour::Grey => Colour::GreyWithTransparent,
            Colour::Rgb => Colour::RgbWithTransparent,
            other => other,
        };
    }
    header
}

/// Walks the segments and the entropy-coded data to EOI. Source: ITU-T T.81, annex B.
fn jpeg_header(bytes: &[u8]) -> Result<Header, NotAnImage> {
    const ENDS: NotAnImage =
        NotAnImage::Truncated("JPEG", "it ends before its end-of-image marker");
    let mut rest = &bytes[2..];
    let mut header = None;
    let mut scans = 0u32;
    let mut rare = None;
    loop {
        let (marker, after) = next_marker(rest).ok_or(ENDS)?;
        rest = after;
        match marker {
            0xD9 if scans == 0 => return Err(NotAnImage::Damaged("JPEG", "it has no scan")),
            0xD9 => {
                let header = header.ok_or(NotAnImage::Damaged("JPEG", "it has no frame header"))?;
                return rare.map_or(Ok(header), |kind| Err(NotAnImage::RareKind(kind)));
            }
            // Markers that stand alone: TEM, restarts, a second start of image.
            0x01 | 0xD0..=0xD8 => continue,
            _ => {}
        }
        let length = rest
            .first_chunk::<2>()
            .map(|length| usize::from(u16::from_be_bytes(*length)))
            .ok_or(ENDS)?;
        if length < 2 {
            return Err(NotAnImage::Damaged(
                "JPEG",
                "a segment is shorter than its own length field",
            ));
        }
        let data = rest.get(2..length).ok_or(ENDS)?;
        rest = &rest[length..];
        match marker {
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let frame = jpeg_frame(data)?;
                rare = rare.or_else(|| rare_jpeg(marker, frame.mode.bits));
                header = Some(frame);
            }
            0xDA => scans += 1,
            _ => {}
        }
    }
}

/// Returns the next marker and what follows it, past entropy-coded data, stuffed zeros and fill
/// bytes.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut position = 0;
    loop {
        position += bytes
            .get(position..)?
            .iter()
            .position(|&byte| byte == 0xFF)?;
        match bytes.get(position + 1)? {
            0x00 => position += 2,
            0xFF => position += 1,
            &marker => return Some((marker, &bytes[position + 2..])),
        }
    }
}

/// Returns what keeps common decoders from reading a frame. Source: ITU-T T.81, table B.1.
const fn rare_jpeg(marker: u8, bits: u8) -> Option<&'static str> {
    match (marker, bits) {
        (0xC9..=0xCF, _) => Some("an arithmetic-coded JPEG: many decoders do not read it"),
        (0xC3, _) => Some("a lossless JPEG: most decoders do not read it"),
        (0xC5..=0xC7, _) => Some("a hierarchical JPEG: decoders do not read it"),
        (_, 8) => None,
        (_, 12) => Some("a JPEG of 12-bit samples: most decoders do not read it"),
        _ => Some("a JPEG whose samples have neither 8 nor 12 bits: decoders do not read it"),
    }
}

fn jpeg_frame(data: &[u8]) -> Result<Header, NotAnImage> {
    let &[bits, h0, h1, w0, w1, components, ..] = data else {
        return Err(NotAnImage::Damaged("JPEG", "its frame header is too short"));
    };
    let colour = match components {
        1 => Colour::Grey,
        3 => Colour::Rgb,
        4 => Colour::Cmyk,
        _ => {
            return Err(NotAnImage::Damaged(
                "JPEG",
                "its number of components is not 1, 3 or 4",
            ));
        }
    };
    let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
    if width == 0 || height == 0 {
        return Err(NotAnImage::Damaged("JPEG", "its size is zero"));
    }
    let mode = FoundMode { colour, bits };
    Ok(Header {
        format: Format::Jpeg,
        mode,
        width: width.into(),
        height: height.into(),
    })
}
