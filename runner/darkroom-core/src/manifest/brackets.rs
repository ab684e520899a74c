//! Finds the one missing bracket in a text that is not TOML, because the parser would complain
//! about every line after it.

use std::ops::Range;

/// What is wrong with the brackets of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unpaired {
    pub at: Range<usize>,
    pub message: String,
    pub help: String,
}

/// Returns the first bracket or brace that has no partner, outside strings and comments.
///
/// An opening one is told rather than what follows it. `None` where all are paired: then something
/// else is wrong.
pub(super) fn unpaired(text: &str) -> Option<Unpaired> {
    let mut open: Vec<(usize, u8)> = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at += text[at..].find('\n').unwrap_or(bytes.len() - at),
            b'"' | b'\'' => at = after_string(text, at)?,
            // A header ends with its line, and the parser takes up again behind it.
            b'[' if open.is_empty() && begins_line(text, at) => {
                at += text[at..].find('\n').unwrap_or(bytes.len() - at);
            }
            bracket @ (b'[' | b'{') => open.push((at, bracket)),
            bracket @ (b']' | b'}') => match open.pop() {
                Some((_, opened)) if closing(opened) == bracket => {}
                Some((opened, bracket)) => return Some(never_closed(opened, bracket)),
                None => {
                    let (bracket, help) = (char::from(bracket), "remove it, or open it before");
                    let message = format!("this `{bracket}` closes nothing");
                    return Some(Unpaired {
                        at: at..at + 1,
                        message,
                        help: help.to_owned(),
                    });
                }
            },
            _ => {}
        }
        at += 1;
    }
    open.first()
        .map(|(at, bracket)| never_closed(*at, *bracket))
}

fn begins_line(text: &str, at: usize) -> bool {
    text[..at]
        .rsplit('\n')
        .next()
        .is_none_or(|before| before.trim().is_empty())
}

const fn closing(bracket: u8) -> u8 {
    if bracket == b'[' { b']' } else { b'}' }
}

fn never_closed(at: usize, bracket: u8) -> Unpaired {
    let message = format!("this `{}` is never closed", char::from(bracket));
    Unpaired {
        at: at..at + 1,
        message,
        help: format!("add the missing `{}`", char::from(closing(bracket))),
    }
}

/// Returns the place of a string's last quote; `None` where it has none, which is another mistake.
fn after_string(text: &str, start: usize) -> Option<usize> {
    let quote = &text[start..=start];
    let (triple, escapes) = (quote.repeat(3), quote == "\"");
    let long = text[start..].starts_with(&triple);
    let end: &str = if long { &triple } else { quote };
    let mut at = start + end.len();
    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(end) {
            return Some(at + end.len() - 1);
        }
        match rest.bytes().next()? {
            b'\\' if escapes => at += 2,
            b'\n' if !long => return None,
            _ => at += 1,
        }
        // A backslash may be the text's last byte: behind the end is no boundary to come to.
        while at < text.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(&str, String)> {
        unpaired(text).map(|unpaired| (&text[unpaired.at.start..], unpaired.message))
    }

    #[test]
    fn the_bracket_that_is_missing_is_told_by_its_partner() {
        let list = "variants = [\"a\", \"b\"\nimage_sets = [\"c\"]\n[repetitions]\ncount = 1\n";
        assert_eq!(
            found(list),
            Some((&list[11..], "this `[` is never closed".to_owned()))
        );
        assert_eq!(
            found("[matrix\nx = [1\n").unwrap().0,
            "[1\n",
            "a header is the parser's to tell"
        );
        assert_eq!(found("x = 1]\n").unwrap().1, "this `]` closes nothing");
        assert_eq!(found("x = [{ a = 1 ]\n").unwrap().0, "{ a = 1 ]\n");
    }

    #[test]
    fn strings_and_comments_hold_no_brackets() {
        for paired in [
            "x = \"[\\\"[\" # [\ny = '{'\n",
            "x = \"\"\"[\n\"\"\"\n",
            "x = '''[ é\n'''",
            "[a]\nb = [[1], []]\n",
            "",
        ] {
            assert_eq!(found(paired), None, "{paired}");
        }
        assert_eq!(
            found("x = \"[\n"),
            None,
            "a string that does not end is another mistake"
        );
        for cut in [
            "x = \"a\\",
            "x = \"\"\"a\\",
            "x = \"a\\é",
            "x = 'a\\",
            "x = \"",
            "x = \"\"\"",
        ] {
            assert_eq!(found(cut), None, "{cut}");
        }
    }

    proptest::proptest! {
        /// It comes to an end, and what it points at is a bracket of the text.
        #[test]
        fn any_text_has_an_answer(text in "[a=é#\\[\\]{}\"'\\\\\n]{0,24}") {
            if let Some(unpaired) = unpaired(&text) {
                let pointed_at = &text[unpaired.at];
                proptest::prop_assert!("[]{}".contains(pointed_at), "{}", pointed_at);
            }
        }
    }
}
