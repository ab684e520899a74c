//! Images in the payload: base64 text in an answer → the bytes that are checked.
//!
//! The next handler gets the same text that the handler before gave; only the check decodes it.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

/// Takes base64 with and without padding, as JSON's writers give it.
const ANY_PADDING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub fn encoded(image: &[u8]) -> String {
    BASE64_STANDARD.encode(image)
}

/// Returns what the text spells. Text that is no base64 comes back as it is: whoever decodes it
/// says that it is no image.
pub fn decoded(text: &str) -> Bytes {
    let plain: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    ANY_PADDING.decode(&plain).unwrap_or(plain).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_with_and_without_padding_and_kept_where_it_is_none() {
        assert_eq!(decoded("QUI=").as_ref(), b"AB");
        assert_eq!(decoded("QUI").as_ref(), b"AB");
        assert_eq!(decoded("QU\nI=").as_ref(), b"AB");
        assert_eq!(decoded("<b'QUI='>").as_ref(), b"<b'QUI='>");
        assert_eq!(
            decoded(&encoded(b"any bytes \xff")).as_ref(),
            b"any bytes \xff"
        );
    }
}
