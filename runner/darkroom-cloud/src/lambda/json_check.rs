//! Checks whether a payload is JSON, with AWS's error message if not. AWS uses the Jackson parser.

const SOURCE: &str =
    "at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled);";

/// Checks that `payload` is one JSON document in UTF-8; fails with what AWS says of it.
pub(crate) fn check(payload: &[u8]) -> Result<(), String> {
    if let Ok(text) = std::str::from_utf8(payload)
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
    {
        return Ok(());
    }
    Err(complaint(payload))
}

fn complaint(payload: &[u8]) -> String {
    const EXPECTED: &str = "JSON String, Number, Array, Object or token 'null', 'true' or 'false'";
    let start = payload
        .iter()
        .position(|byte| !byte.is_ascii_whitespace())
        .unwrap_or(payload.len());
    let Some(first) = payload.get(start).copied() else {
        return located("No content to map due to end-of-input", payload, start);
    };
    if !first.is_ascii() {
        let what = format!(
            "Unexpected character ((CTRL-CHAR, code {first})): expected a valid value ({EXPECTED})"
        );
        return located(&what, payload, start);
    }
    if let Err(error) = std::str::from_utf8(payload) {
        let at = error.valid_up_to();
        let what = format!("Invalid UTF-8 start byte 0x{:02x}", payload[at]);
        return located(&what, payload, at + 1);
    }
    if first.is_ascii_alphabetic() {
        let rest = &payload[start..];
        let length = rest
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let token = String::from_utf8_lossy(&rest[..length]);
        let what = format!("Unrecognized token '{token}': was expecting ({EXPECTED})");
        return located(&what, payload, start + length);
    }
    let error = serde_json::from_slice::<serde::de::IgnoredAny>(payload).err();
    let (line, column) = error
        .as_ref()
        .map_or((1, 1), |error| (error.line(), error.column()));
    if error.is_none_or(|error| error.is_eof()) {
        return format!(
            "Unexpected end-of-input\n {SOURCE} line: {line}, column: {}]",
            column + 1
        );
    }
    let at = offset(payload, line, column);
    let character = payload.get(at).copied().map_or(' ', char::from);
    let what = format!(
        "Unexpected character ('{character}' (code {})): expected a valid value ({EXPECTED})",
        character as u32
    );
    format!("{what}\n {SOURCE} line: {line}, column: {column}]")
}

/// Adds the place of a byte to a complaint.
fn located(what: &str, payload: &[u8], at: usize) -> String {
    let before = &payload[..at.min(payload.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let column = before
        .iter()
        .rev()
        .take_while(|byte| **byte != b'\n')
        .count()
        + 1;
    format!("{what}\n {SOURCE} line: {line}, column: {column}]")
}

fn offset(payload: &[u8], line: usize, column: usize) -> usize {
    let start: usize = payload
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    start + column.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_of_every_kind_passes() {
        for payload in [
            "{}",
            "null",
            "1",
            "\"text\"",
            "[1, {\"a\": \"\u{e9}\"}]",
            " true ",
        ] {
            assert_eq!(check(payload.as_bytes()), Ok(()), "{payload}");
        }
    }

    #[test]
    fn aws_recorded_complaints() {
        let place = |column| {
            format!(
                "\n at [Source: REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: {column}]"
            )
        };
        let body = check(b"n\x87r\x9e\xe9\xb5\xd7I\xee\x9bmt").unwrap_err();
        assert_eq!(body, format!("Invalid UTF-8 start byte 0x87{}", place(3)));
        let message = check(b"\x99\xeb,j\x07\xa1zYh").unwrap_err();
        let start = "Unexpected character ((CTRL-CHAR, code 153)): expected a valid value (JSON String, Number, Array, \
                     Object or token 'null', 'true' or 'false')";
        assert_eq!(message, format!("{start}{}", place(1)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_pass_exactly_if_they_are_json(payload: Vec<u8>) {
            let json = std::str::from_utf8(&payload).is_ok_and(|text| serde_json::from_str::<serde_json::Value>(text).is_ok());
            proptest::prop_assert_eq!(check(&payload).is_ok(), json);
        }
    }

    #[test]
    fn every_other_garbage_is_refused_with_a_place() {
        for payload in [
            "",
            "  ",
            "not json",
            "{\"a\":",
            "{\"a\": 1} x",
            "{,}",
            "\n\n?",
            "[1,]",
            "{\"a\": \u{1}}",
        ] {
            let complaint = check(payload.as_bytes()).unwrap_err();
            assert!(complaint.contains("line: "), "{payload}: {complaint}");
        }
    }

    #[test]
    fn whatever_a_client_sends_is_json_or_is_refused_with_a_place() {
        let words = &[
            "{", "}", "[", "]", "\"", "\\u", ",", ":", "1", "-", "e", "nul", "\u{0}", "\n", "é",
            "\u{feff}",
        ];
        crate::hostile::Parser {
            name: "json",
            words,
            longest: 6 << 20,
        }
        .hold(|input| {
            let _ = check(input);
            crate::lineage::Lineage::of_trace_header(&String::from_utf8_lossy(input));
        });
    }
}
