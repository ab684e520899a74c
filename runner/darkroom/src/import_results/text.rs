//! Bytes of a foreign file → its text. The encoding is UTF-8, or what a byte order mark or the map
//! says; never guessed if two would fit.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::text_file::in_windows_1252;

/// Files that are no text, by how they begin.
const NO_TEXT: [(&[u8], &str); 6] = [
    (b"PK\x03\x04", "an Excel workbook or a zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
];

/// A text and how it was written.
#[derive(Debug)]
pub struct Text {
    pub text: String,
    /// Its encoding, where it is not plain UTF-8.
    pub encoding: Option<&'static str>,
}

/// Decodes a file's bytes. An error says why they can't be, by name and with the way out.
pub fn decode(bytes: &[u8], said: Option<&'static Encoding>) -> Result<Text, String> {
    if let Some((_, what)) = NO_TEXT.iter().find(|(begin, _)| bytes.starts_with(begin)) {
        return Err(format!(
            ": it is {what}, not a text table. Save it as CSV, encoded as UTF-8"
        ));
    }
    if bytes.starts_with(b"\xff\xfe\0\0") || bytes.starts_with(b"\0\0\xfe\xff") {
        return Err(": it is UTF-32, which Darkroom does not read. Save it as UTF-8".into());
    }
    let (encoding, mark) = Encoding::for_bom(bytes)
        .unwrap_or_else(|| (said.unwrap_or_else(|| guessed_encoding(bytes)), 0));
    let bytes = &bytes[mark..];
    if encoding == UTF_8 {
        let text =
            std::str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to()))?;
        return Ok(Text {
            text: text.to_owned(),
            encoding: (mark > 0).then_some("UTF-8 with a byte order mark"),
        });
    }
    let name = spelt(encoding);
    let text = encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .ok_or_else(|| {
            format!(": read as {name}, it has bytes that are not valid {name}. Save it as UTF-8")
        })?;
    Ok(Text {
        text: text.into_owned(),
        encoding: Some(name),
    })
}

/// UTF-16 without a mark shows: every other byte of ASCII letters is zero, which no text in UTF-8
/// has.
fn guessed_encoding(bytes: &[u8]) -> &'static Encoding {
    let zeros = |from: usize| {
        bytes
            .iter()
            .skip(from)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let (first, second) = (zeros(0), zeros(1));
    match bytes.len() / 2 {
        pairs if pairs > 1 && second * 2 > pairs && first * 8 < second => UTF_16LE,
        pairs if pairs > 1 && first * 2 > pairs && second * 8 < first => UTF_16BE,
        _ => UTF_8,
    }
}

fn spelt(encoding: &'static Encoding) -> &'static str {
    match encoding {
        encoding if encoding == UTF_16LE => "UTF-16 (little-endian)",
        encoding if encoding == UTF_16BE => "UTF-16 (big-endian)",
        encoding if encoding == WINDOWS_1252 => "Windows-1252 (Latin-1)",
        other => other.name(),
    }
}

fn not_utf8(bytes: &[u8], at: usize) -> String {
    let line = bytes[..at].split(|byte| *byte == b'\n').count();
    let byte = bytes[at];
    let letter = in_windows_1252(byte);
    format!(
        ":{line}: byte 0x{byte:02X} is not UTF-8; in Windows-1252 (Latin-1) it is `{letter}`. \
         Set `encoding = \"windows-1252\"` at the top of the map, or save the file as UTF-8"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, Option<&'static str>), String> {
        decode(bytes, None).map(|found| (found.text, found.encoding))
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn marks_and_utf_16_are_told_and_read() {
        let text = "what,ms\nMüller,1\n";
        let marked = read(format!("\u{feff}{text}").as_bytes());
        assert_eq!(
            marked,
            Ok((text.to_owned(), Some("UTF-8 with a byte order mark")))
        );
        assert_eq!(read(text.as_bytes()), Ok((text.to_owned(), None)));
        for mark in ["", "\u{feff}"] {
            let marked = format!("{mark}{text}");
            let little = read(&utf16(&marked, u16::to_le_bytes));
            assert_eq!(
                little,
                Ok((text.to_owned(), Some("UTF-16 (little-endian)")))
            );
            assert_eq!(
                read(&utf16(&marked, u16::to_be_bytes)),
                Ok((text.to_owned(), Some("UTF-16 (big-endian)")))
            );
        }
        let broken = read(b"\xff\xfea\0b").unwrap_err();
        assert!(broken.contains("UTF-16 (little-endian)"), "{broken}");
    }

    #[test]
    fn latin_1_is_refused_by_name_and_read_where_the_map_says_so() {
        let bytes = b"what,ms\na,1\nM\xfcller,1\n";
        let refused = read(bytes).unwrap_err();
        assert!(
            refused.starts_with(":3: byte 0xFC") && refused.contains("`ü`"),
            "{refused}"
        );
        let found = decode(bytes, Encoding::for_label(b"latin1")).unwrap();
        assert_eq!(
            (found.text.as_str(), found.encoding),
            ("what,ms\na,1\nMüller,1\n", Some("Windows-1252 (Latin-1)"))
        );
    }

    #[test]
    fn what_is_no_text_is_named() {
        for (bytes, what) in [
            (&b"PK\x03\x04.."[..], "Excel"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\xff\xfe\0\0a", "UTF-32"),
        ] {
            assert!(read(bytes).unwrap_err().contains(what), "{what}");
        }
    }
}
