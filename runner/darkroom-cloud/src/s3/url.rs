//! Key names as S3 writes them in URLs, listings with `encoding-type=url` and events.

/// Returns `key` with every byte but `A-Z a-z 0-9 - _ . * /` percent-encoded and a space as `+`.
pub fn encode_key(key: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(byte as char);
            }
            b' ' => encoded.push('+'),
            _ => {
                // Writing to a string can't fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Reads `a=1&b=2` into pairs, undoing percent-encoding and `+`.
pub fn parse_pairs(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

/// Undoes percent-encoding and `+`; what is not valid encoding stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = text
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        at += if escaped.is_some() { 3 } else { 1 };
        decoded.push(escaped.unwrap_or(match bytes[at - 1] {
            b'+' => b' ',
            byte => byte,
        }));
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_space_is_a_plus_and_a_slash_stays() {
        assert_eq!(
            encode_key("my photos/a+b (1).png"),
            "my+photos/a%2Bb+%281%29.png"
        );
        assert_eq!(encode_key("é"), "%C3%A9");
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(key in "\\PC{0,40}") {
            prop_assert_eq!(decode(&encode_key(&key)), key);
        }

        #[test]
        fn decoding_never_fails(text in ".{0,40}") {
            decode(&text);
        }
    }
}
