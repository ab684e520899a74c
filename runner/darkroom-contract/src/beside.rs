//! How many bytes a file holds besides its image: metadata, and any other data. Bytes → a number of
//! bytes.
//!
//! A stage that sends the next one more than an image does that stage's work: its output is right,
//! but the times of both are not.

use darkroom_core::pipeline::Format;

use crate::header::format_of;
use crate::own_pixels::chunks;

/// Bytes that an output may hold beside its picture and what its input held: a profile, a
/// thumbnail, comments.
pub const ALLOWED: usize = 32 * 1024;

/// Returns the bytes that are no part of the picture; 0 for what is no PNG or JPEG.
pub fn beside(bytes: &[u8]) -> usize {
    match format_of(bytes) {
        Some(Format::Png) => bytes.len() - png_picture(bytes),
        Some(Format::Jpeg) => bytes.len() - jpeg_picture(bytes),
        None => 0,
    }
}

/// Bytes of the signature and of the chunks that make the picture. Source: PNG (Third Edition),
/// W3C, 5.6.
fn png_picture(bytes: &[u8]) -> usize {
    let mut ended = false;
    let until_the_end =
        chunks(bytes).take_while(|(kind, _)| !std::mem::replace(&mut ended, kind == b"IEND"));
    let is_picture =
        |kind: &[u8; 4]| matches!(kind, b"IHDR" | b"PLTE" | b"IDAT" | b"tRNS" | b"IEND");
    let picture: usize = until_the_end
        .filter(|(kind, _)| is_picture(kind))
        .map(|(_, chunk)| chunk.len())
        .sum();
    8 + picture
}

/// Bytes of the markers, tables and scans that make the picture. Source: ITU-T T.81, B.1.1.
fn jpeg_picture(bytes: &[u8]) -> usize {
    let (mut picture, mut at) = (2.min(bytes.len()), 2);
    while let Some(&[0xFF, marker]) = bytes.get(at..at + 2) {
        if marker == 0xFF {
            at += 1;
            picture += 1;
            continue;
        }
        if marker == 0xD9 {
            return picture + 2;
        }
        let Some(length) = bytes.get(at + 2..at + 4) else {
            break;
        };
        let end =
            (at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]))).min(bytes.len());
        if !matches!(marker, 0xE0..=0xEF | 0xFE) {
            picture += end - at;
        }
        at = end;
        if marker == 0xDA {
            let coded = coded_bytes(&bytes[at..]);
            picture += coded;
            at += coded;
        }
    }
    picture
}

/// Bytes of a scan up to the next marker that is neither a stuffed byte nor a restart. Source:
/// ITU-T T.81, B.1.1.5.
fn coded_bytes(scan: &[u8]) -> usize {
    scan.windows(2)
        .position(|two| two[0] == 0xFF && !matches!(two[1], 0x00 | 0xD0..=0xD7 | 0xFF))
        .unwrap_or(scan.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_set::generate;

    fn with_chunk(png: &[u8], length: usize) -> Vec<u8> {
        let mut chunk = (length as u32).to_be_bytes().to_vec();
        chunk.extend_from_slice(b"daRk");
        chunk.resize(8 + length + 4, 7);
        [&png[..33], &chunk, &png[33..]].concat()
    }

    #[test]
    fn a_picture_alone_has_nothing_beside_it() {
        let (png, jpeg) = (
            generate(1, 40, 30, Format::Png),
            generate(1, 40, 30, Format::Jpeg),
        );
        assert_eq!(beside(&png), 0);
        assert!(beside(&jpeg) < 64, "the JFIF header");
        assert_eq!(beside(b"text"), 0);
    }

    #[test]
    fn chunks_segments_and_what_follows_the_end_are_counted() {
        let (png, jpeg) = (
            generate(1, 40, 30, Format::Png),
            generate(1, 40, 30, Format::Jpeg),
        );
        assert_eq!(beside(&with_chunk(&png, 1000)), 1012);
        assert_eq!(beside(&[&png[..], &[1; 500]].concat()), 500);
        let plain = beside(&jpeg);
        assert_eq!(beside(&[&jpeg[..], &[0xFF; 500]].concat()), plain + 500);
        let comment = [&[0xFF, 0xFE, 0x03, 0xEA][..], &[7; 1000]].concat();
        assert_eq!(
            beside(&[&jpeg[..2], &comment, &jpeg[2..]].concat()),
            plain + 1004
        );
    }

    #[test]
    fn cut_files_are_counted_as_far_as_they_go() {
        for file in [
            generate(1, 40, 30, Format::Png),
            generate(1, 40, 30, Format::Jpeg),
        ] {
            for end in 0..file.len() {
                assert!(beside(&file[..end]) <= end);
            }
        }
    }
}
