//! Reads the text files that people write, as UTF-8, with a helpful error for other encodings.
//!
//! Path → text, or [`Unread`]. The error names the encoding that a file seems to have, and the byte
//! that shows it.

use std::io;
use std::path::Path;

use encoding_rs::WINDOWS_1252;

use crate::plain_file;

/// No manifest, description or list of requirements is larger, in bytes.
const MOST_TEXT: u64 = 16 << 20;

/// Why a file is no text that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Encoding(NotUtf8),
}

/// What a file is where UTF-8 was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUtf8 {
    /// Of the encoding's name, and how the file shows it.
    #[error("it is {0}, not UTF-8: {1}")]
    Known(&'static str, &'static str),
    #[error(
        "it is not UTF-8: byte {byte:#04x} at offset {offset}, line {line}. It looks like {looks_like}, where that byte is `{letter}`"
    )]
    Byte {
        byte: u8,
        offset: usize,
        line: usize,
        looks_like: &'static str,
        letter: char,
    },
    #[error("it is not UTF-8: byte {byte:#04x} at offset {offset}, line {line}")]
    Unknown {
        byte: u8,
        offset: usize,
        line: usize,
    },
}

impl NotUtf8 {
    /// What to do about it.
    pub const HELP: &'static str = "Save the file as UTF-8, in an editor's \"Save as\" dialog.";
}

/// Returns the text of a file.
pub fn read(path: &Path) -> Result<String, Unread> {
    text(plain_file::read(path, MOST_TEXT)?).map_err(Unread::Encoding)
}

/// Returns the text that `bytes` are. A byte order mark of UTF-8 is not part of it.
fn text(bytes: Vec<u8>) -> Result<String, NotUtf8> {
    if let Some(other) = by_mark(&bytes).or_else(|| by_zeros(&bytes)) {
        return Err(other);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        not_utf8(error.as_bytes(), offset)
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(ToOwned::to_owned)
        .unwrap_or(text))
}

fn by_mark(bytes: &[u8]) -> Option<NotUtf8> {
    // UTF-32's mark begins with UTF-16's.
    let marks: [(&[u8], &str); 4] = [
        (b"\xff\xfe\0\0", "UTF-32"),
        (b"\0\0\xfe\xff", "UTF-32"),
        (b"\xff\xfe", "UTF-16"),
        (b"\xfe\xff", "UTF-16"),
    ];
    let (_, name) = marks
        .into_iter()
        .find(|(mark, _)| bytes.starts_with(mark))?;
    Some(NotUtf8::Known(
        name,
        "it begins with that encoding's byte order mark",
    ))
}

/// UTF-16 without a mark: every other byte of what is written in Latin letters is zero.
fn by_zeros(bytes: &[u8]) -> Option<NotUtf8> {
    let begin = &bytes[..bytes.len().min(64)];
    let zeros: usize = begin.iter().map(|byte| usize::from(*byte == 0)).sum();
    (begin.len() >= 4 && zeros * 3 >= begin.len())
        .then_some(NotUtf8::Known("UTF-16", "every other byte is zero"))
}

fn not_utf8(bytes: &[u8], offset: usize) -> NotUtf8 {
    let byte = bytes[offset];
    let line = bytes[..offset].split(|byte| *byte == b'\n').count();
    match in_windows_1252(byte) {
        letter if letter.is_control() => NotUtf8::Unknown { byte, offset, line },
        // Windows-1252 has letters where Latin-1 has control characters.
        letter => {
            let looks_like = if byte < 0xa0 {
                "Windows-1252"
            } else {
                "Latin-1"
            };
            NotUtf8::Byte {
                byte,
                offset,
                line,
                looks_like,
                letter,
            }
        }
    }
}

/// Returns what a byte is in Windows-1252, which is Latin-1 from 0xA0 on; a control character where
/// it has no letter.
pub fn in_windows_1252(byte: u8) -> char {
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(std::slice::from_ref(&byte));
    text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> String {
        text(bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn the_byte_its_offset_and_its_line_are_said() {
        let latin = told(b"[experiment]\nname = \"caf\xe9\"\n");
        assert_eq!(
            latin,
            "it is not UTF-8: byte 0xe9 at offset 24, line 2. It looks like Latin-1, where that byte is `é`"
        );
        let windows = told(b"# \x93quoted\x94\n");
        assert!(windows.contains(
            "byte 0x93 at offset 2, line 1. It looks like Windows-1252, where that byte is `“`"
        ));
        assert_eq!(
            told(b"a\n\x81"),
            "it is not UTF-8: byte 0x81 at offset 2, line 2"
        );
    }

    #[test]
    fn wide_encodings_are_named_with_a_mark_and_without() {
        let wide = |mark: &[u8]| {
            [
                mark,
                &"[a]\n"
                    .encode_utf16()
                    .flat_map(u16::to_le_bytes)
                    .collect::<Vec<_>>(),
            ]
            .concat()
        };
        assert!(told(&wide(b"\xff\xfe")).starts_with("it is UTF-16, not UTF-8: it begins with"));
        assert!(told(&wide(b"")).starts_with("it is UTF-16, not UTF-8: every other byte"));
        assert!(told(b"\xfe\xff\0[").starts_with("it is UTF-16"));
        assert!(told(b"\xff\xfe\0\0[\0\0\0").starts_with("it is UTF-32"));
    }

    #[test]
    fn utf_8_is_read_and_its_mark_left_out() {
        assert_eq!(
            text(b"\xef\xbb\xbfn = \"\xc3\xa9\"".to_vec()).unwrap(),
            "n = \"é\""
        );
        assert_eq!(text(Vec::new()).unwrap(), "");
        assert_eq!(
            text(b"a\0b = 1 # one zero in much text".to_vec())
                .unwrap()
                .len(),
            31
        );
    }
}
