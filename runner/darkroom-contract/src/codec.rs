//! Bytes ↔ [`Picture`], within limits that hostile bytes can't exceed.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_core::pipeline::{Format, Mode, OutputSpec};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, Limits};

use crate::header::{Header, NotAnImage, inspect};
use crate::picture::Picture;

/// Most pixels that are decoded: well above the largest image the study uses (24 megapixels).
const MAX_PIXELS: u64 = 64_000_000;
/// Most memory that a decoder may ask for.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// Why bytes do not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error(transparent)]
    NotAnImage(#[from] NotAnImage),
    #[error("{0}x{1} pixels is more than the {MAX_PIXELS} that Darkroom decodes")]
    TooLarge(u32, u32),
    #[error("{0} does not decode: {1}")]
    Decoder(&'static str, String),
}

/// Returns the header and the samples of a whole PNG or JPEG.
///
/// Samples keep their container's depth, except that those of 1, 2 and 4 bits become 8; a palette
/// becomes RGB.
pub fn decode(bytes: &[u8]) -> Result<(Header, Picture), Undecodable> {
    let header = inspect(bytes)?;
    if u64::from(header.width) * u64::from(header.height) > MAX_PIXELS {
        return Err(Undecodable::TooLarge(header.width, header.height));
    }
    let name = header.format.title();
    // A decoder's own panic is a fact about the bytes, not a reason to lose the run.
    let image = catch_unwind(AssertUnwindSafe(|| decode_image(bytes, header.format)))
        .unwrap_or_else(|_| Err("the decoder failed".to_owned()))
        .map_err(|error| Undecodable::Decoder(name, error))?;
    let picture = picture_of(image)
        .ok_or_else(|| Undecodable::Decoder(name, "of an unknown sample type".into()))?;
    Ok((header, picture))
}

fn decode_image(bytes: &[u8], format: Format) -> Result<DynamicImage, String> {
    let format = match format {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.decode().map_err(|error| error.to_string())
}

fn picture_of(image: DynamicImage) -> Option<Picture> {
    let (width, height) = (image.width(), image.height());
    let channels = usize::from(image.color().channel_count());
    let widened = |samples: Vec<u8>| samples.into_iter().map(u16::from).collect();
    let samples = match image {
        DynamicImage::ImageLuma8(image) => widened(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => widened(image.into_raw()),
        DynamicImage::ImageRgb8(image) => widened(image.into_raw()),
        DynamicImage::ImageRgba8(image) => widened(image.into_raw()),
        DynamicImage::ImageLuma16(image) => image.into_raw(),
        DynamicImage::ImageLumaA16(image) => image.into_raw(),
        DynamicImage::ImageRgb16(image) => image.into_raw(),
        DynamicImage::ImageRgba16(image) => image.into_raw(),
        _ => return None,
    };
    Some(Picture {
        width,
        height,
        channels,
        samples,
    })
}

/// Returns `picture` encoded as `output` says; its channels must be those of the mode, its samples
/// fit the container.
pub fn encode(picture: &Picture, output: &OutputSpec) -> Vec<u8> {
    assert!(
        picture.has_channels_of(output.mode),
        "a validated stage's operations make the mode it promises"
    );
    let colour = match output.mode {
        Mode::Grey8 => ExtendedColorType::L8,
        Mode::Grey16 => ExtendedColorType::L16,
        Mode::Rgb8 => ExtendedColorType::Rgb8,
    };
    let bytes: Vec<u8> = match output.mode {
        // The encoder takes samples in the machine's own byte order.
        Mode::Grey16 => picture
            .samples
            .iter()
            .flat_map(|sample| sample.to_ne_bytes())
            .collect(),
        Mode::Grey8 | Mode::Rgb8 => picture
            .samples
            .iter()
            .map(|&sample| sample.min(255) as u8)
            .collect(),
    };
    let mut encoded = Vec::new();
    let written = match output.format {
        Format::Png => {
            PngEncoder::new(&mut encoded).write_image(&bytes, picture.width, picture.height, colour)
        }
        Format::Jpeg => JpegEncoder::new_with_quality(&mut encoded, output.quality.unwrap_or(90))
            .write_image(&bytes, picture.width, picture.height, colour),
    };
    written.expect("memory takes any picture whose mode the format holds");
    encoded
}
