//! The five stages: encoded bytes in, encoded bytes out.

mod colour_depth;
mod convert;
mod greyscale;
mod resize;
mod rotate;

use std::io::Cursor;

use image::{
    DynamicImage, EncodableLayout, GrayImage, ImageBuffer as Pixels, ImageFormat, ImageReader,
    Luma, PixelWithColorType,
};
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType};

/// Any failure, in the words of whoever failed.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Largest value of a 10-bit sample.
const PEAK: u16 = 1023;
const JPEG_QUALITY: u8 = 90;

type Grey16 = Pixels<Luma<u16>, Vec<u16>>;

/// One stage: what it does and the extension of what it writes.
pub struct Stage {
    pub run: fn(&[u8]) -> Result<Vec<u8>, Error>,
    pub extension: &'static str,
}

impl Stage {
    /// Returns the stage that a function's handler setting names, or an error that says there is
    /// none.
    pub fn named(handler: &str) -> Result<Self, Error> {
        Ok(match handler {
            "greyscale" => Self {
                run: greyscale::run,
                extension: "png",
            },
            "resize" => Self {
                run: resize::run,
                extension: "png",
            },
            "colour-depth" => Self {
                run: colour_depth::run,
                extension: "jpg",
            },
            "rotate" => Self {
                run: rotate::run,
                extension: "jpg",
            },
            "convert" => Self {
                run: convert::run,
                extension: "png",
            },
            other => return Err(format!("no stage is called `{other}`").into()),
        })
    }
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, Error> {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // The decoder forgives a file that was cut off, and leaves the rest of the picture grey.
    if reader.format() == Some(ImageFormat::Jpeg) && !jpeg_is_whole(bytes) {
        return Err("truncated JPEG: it ends before its end-of-image marker".into());
    }
    Ok(reader.decode()?)
}

/// Says whether the last scan of a JPEG is ended by EOI.
///
/// Within a scan 0xFF is never followed by the code of a marker that isn't one (ITU-T T.81,
/// B.1.1.5). An EXIF thumbnail has an EOI of its own, but stands before the picture's first scan.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    const SOS: [u8; 2] = [0xFF, 0xDA];
    const EOI: [u8; 2] = [0xFF, 0xD9];
    let has_eoi = |scan: &[u8]| scan.windows(2).any(|marker| marker == EOI);
    bytes.ends_with(&EOI)
        || bytes
            .windows(2)
            .rposition(|marker| marker == SOS)
            .is_some_and(|scan| has_eoi(&bytes[scan..]))
}

/// Decodes a 16-bit greyscale image, keeping its samples as they are.
fn decode_grey16(bytes: &[u8]) -> Result<Grey16, Error> {
    match decode(bytes)? {
        DynamicImage::ImageLuma16(image) => Ok(image),
        other => Err(format!("expected 16-bit greyscale, got {:?}", other.color()).into()),
    }
}

fn png<P>(image: &Pixels<P, Vec<P::Subpixel>>) -> Result<Vec<u8>, Error>
where
    P: PixelWithColorType,
    [P::Subpixel]: EncodableLayout,
{
    let mut encoded = Cursor::new(Vec::new());
    image.write_to(&mut encoded, ImageFormat::Png)?;
    Ok(encoded.into_inner())
}

fn jpeg(image: &GrayImage) -> Result<Vec<u8>, Error> {
    let (width, height) = (
        u16::try_from(image.width())?,
        u16::try_from(image.height())?,
    );
    let mut encoded = Vec::with_capacity(image.as_raw().len() / 4);
    Encoder::new(&mut encoded, JPEG_QUALITY).encode_image(Rows {
        samples: image.as_raw(),
        width,
        height,
    })?;
    Ok(encoded)
}

/// Hands the encoder whole rows; its own greyscale source copies sample by sample, a twelfth of the
/// time of a JPEG.
struct Rows<'a> {
    samples: &'a [u8],
    width: u16,
    height: u16,
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Luma
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let width = usize::from(self.width);
        buffers[0].extend_from_slice(&self.samples[usize::from(y) * width..][..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_that_was_cut_off_is_refused_and_one_with_bytes_behind_it_is_not() {
        let whole = jpeg(&GrayImage::from_fn(64, 64, |x, y| {
            Luma([(x * 3 ^ y * 5) as u8])
        }))
        .unwrap();
        let behind = [whole.as_slice(), b"padding"].concat();
        assert_eq!(decode(&behind).unwrap(), decode(&whole).unwrap());

        for cut in [whole.len() / 2, whole.len() - 1] {
            let error = decode(&whole[..cut]).unwrap_err().to_string();
            assert!(
                error.starts_with("truncated JPEG"),
                "{cut} of {} bytes: {error}",
                whole.len()
            );
        }

        let thumbnail = [
            &[0xFF, 0xE1, 0, 12][..],
            &[0xFF, 0xDA, 0, 0, 0, 0, 0, 0, 0xFF, 0xD9],
        ]
        .concat();
        let with_thumbnail = [&whole[..2], &thumbnail, &whole[2..]].concat();
        assert!(decode(&with_thumbnail).is_ok());
        let cut = &with_thumbnail[..with_thumbnail.len() - 1];
        assert!(
            decode(cut)
                .unwrap_err()
                .to_string()
                .starts_with("truncated JPEG")
        );
    }
}
