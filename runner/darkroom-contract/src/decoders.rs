//! The decoders that read a JPEG. Decodings differ, and none of them is wrong.
//!
//! zune-jpeg (through `image`) decodes first, as everywhere in this crate. libjpeg-turbo's code
//! comes as mozjpeg, whose decoder is the same: it gives the samples of Pillow, OpenCV and libvips,
//! bit by bit. It needs a C compiler but no assembler, and lets us choose its chroma upsampling,
//! which no standard fixes (ITU-T T.81, A.1.1; JFIF 1.02).

use std::panic::{AssertUnwindSafe, catch_unwind};

use darkroom_core::pipeline::Format;
use mozjpeg::{DctMethod, Decompress};

use crate::codec::{Undecodable, decode};
use crate::header::{Colour, Header};
use crate::picture::Picture;

/// The decoder whose samples the reference is made of first.
pub const FIRST: &str = "zune-jpeg";

/// Returns every decoding of a whole PNG or JPEG with the decoder's name, the first as [`decode`]
/// gives it.
pub fn decodings(bytes: &[u8]) -> Result<Vec<(&'static str, Picture)>, Undecodable> {
    Ok(each_decoding(bytes)?.collect())
}

/// Returns the same, each but the first made when it is asked for.
pub fn each_decoding(
    bytes: &[u8],
) -> Result<impl Iterator<Item = (&'static str, Picture)> + use<'_>, Undecodable> {
    let (header, first) = decode(bytes)?;
    Ok(std::iter::once((FIRST, first)).chain(others(bytes, &header)))
}

/// Returns the other decodings of a file that `header` describes and that was decoded: none of a
/// PNG, each of a JPEG made when it is asked for. What a decoder refuses is left out.
pub fn others<'a>(
    bytes: &'a [u8],
    header: &Header,
) -> impl Iterator<Item = (&'static str, Picture)> + use<'a> {
    let Header {
        format,
        mode,
        width,
        height,
    } = *header;
    // Without colour nothing is upsampled.
    let ways: &[(&str, bool)] = match (format, mode.colour) {
        (Format::Jpeg, Colour::Rgb) => &[
            ("libjpeg-turbo", true),
            ("libjpeg-turbo without smooth chroma", false),
        ],
        (Format::Jpeg, Colour::Grey) => &[("libjpeg-turbo", true)],
        _ => &[],
    };
    let grey = mode.colour == Colour::Grey;
    ways.iter().filter_map(move |&(name, smooth_chroma)| {
        let picture = by_libjpeg_turbo(bytes, grey, smooth_chroma)?;
        (picture.size() == (width, height)).then_some((name, picture))
    })
}

/// Decodes with the exact integer transform. The library's errors are unwinding panics, which end
/// here.
fn by_libjpeg_turbo(bytes: &[u8], grey: bool, smooth_chroma: bool) -> Option<Picture> {
    let decoded = || {
        let mut file = Decompress::new_mem(bytes).ok()?;
        file.do_fancy_upsampling(smooth_chroma);
        file.dct_method(DctMethod::IntegerSlow);
        let mut rows = if grey {
            file.grayscale().ok()?
        } else {
            file.rgb().ok()?
        };
        let (width, height) = (
            u32::try_from(rows.width()).ok()?,
            u32::try_from(rows.height()).ok()?,
        );
        let samples = rows.read_scanlines::<u8>().ok()?;
        let samples = samples.into_iter().map(u16::from).collect();
        Some(Picture {
            width,
            height,
            channels: if grey { 1 } else { 3 },
            samples,
        })
    };
    catch_unwind(AssertUnwindSafe(decoded)).ok().flatten()
}
