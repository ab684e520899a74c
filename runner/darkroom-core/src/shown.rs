//! Escapes facts for display, so that text from a handler changes no terminal, page or spreadsheet.
//! Pure.
//!
//! Control characters move a terminal's cursor, retitle its window and forge lines; XML refuses
//! most of them; characters that change the direction of text make it read as something else. They
//! are shown as `\u{1b}`. The facts themselves stay unchanged.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character is not to be seen, and changes how others are.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{061c}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let shown = |letter: char| !is_hidden(letter) || is_kept(letter);
    if text.chars().all(shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            letter if shown(letter) => out.push(letter),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            hidden => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(hidden));
            }
        }
    }
    Cow::Owned(out)
}

/// Returns a fact for where lines may break: a page, a cell of a table.
pub fn text(fact: &str) -> Cow<'_, str> {
    escaped(fact, |letter| letter == '\n' || letter == '\t')
}

/// Returns a fact for a line of its own: nothing in it begins another.
pub fn line(fact: &str) -> Cow<'_, str> {
    escaped(fact, |_| false)
}

/// Returns a whole answer for a terminal. Colours stay where `colours`, and nothing else that a
/// terminal obeys.
pub fn answer(answer: &str, colours: bool) -> Cow<'_, str> {
    if !colours {
        return text(answer);
    }
    // Between the sequences that set a colour or end one: `ESC [ digits m`.
    let mut parts = answer.split("\u{1b}[");
    let mut out = text(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let end = part
            .find(|letter: char| !letter.is_ascii_digit() && letter != ';')
            .unwrap_or(part.len());
        if part[end..].starts_with('m') {
            out.push_str("\u{1b}[");
            out.push_str(&part[..=end]);
            out.push_str(&text(&part[end + 1..]));
        } else {
            out.push_str(&line("\u{1b}"));
            out.push('[');
            out.push_str(&text(part));
        }
    }
    Cow::Owned(out)
}

/// Returns JSON that a terminal may show: the same values, written with JSON's own escapes.
pub fn json(document: &str) -> Cow<'_, str> {
    if document
        .chars()
        .all(|letter| !is_hidden(letter) || letter == '\n' || letter == '\t')
    {
        return Cow::Borrowed(document);
    }
    let mut out = String::with_capacity(document.len() + 16);
    for letter in document.chars() {
        if is_hidden(letter) && letter != '\n' && letter != '\t' {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(letter);
        }
    }
    Cow::Owned(out)
}

/// Returns a text for a cell of a spreadsheet, which takes no formula for it: one that could be
/// gets an apostrophe.
///
/// Source: OWASP, "CSV Injection". What is a number stays one.
pub fn no_formula(cell: &str) -> Cow<'_, str> {
    let begins = cell.trim_start_matches([' ', '\u{a0}']).starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '|', '%', '＝', '＋', '－', '＠',
    ]) || cell.starts_with("\\t")
        || cell.starts_with("\\r");
    if begins && cell.parse::<f64>().is_err() {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_seen_stays_and_what_cannot_is_escaped() {
        for plain in ["", "café 写真 🎉 שלום", "a\\u{1b}", "=1+1"] {
            assert!(
                matches!(line(plain), Cow::Borrowed(same) if same == plain),
                "{plain}"
            );
        }
        assert_eq!(
            line("\u{1b}[2J\u{7}\u{7f}\u{9b}31m"),
            "\\u{1b}[2J\\u{7}\\u{7f}\\u{9b}31m"
        );
        assert_eq!(
            line("a\u{202e}b\u{2066}c\u{2028}d\u{2029}e\u{85}"),
            "a\\u{202e}b\\u{2066}c\\u{2028}d\\u{2029}e\\u{85}"
        );
        assert_eq!(line("a\r\nb\tc\0"), "a\\r\\nb\\tc\\u{0}");
        assert_eq!(text("a\r\nb\tc"), "a\\r\nb\tc");
        assert_eq!(line("\u{fffe}\u{ffff}"), "\\u{fffe}\\u{ffff}");
        for code in (0..0x20).chain(0x7f..0xa0) {
            let letter = char::from_u32(code).unwrap();
            assert!(!line(&letter.to_string()).contains(letter), "{code:x}");
        }
    }

    #[test]
    fn of_an_answer_colours_stay_and_nothing_else_that_a_terminal_obeys() {
        let coloured = "\u{1b}[31;1mWRONG\u{1b}[0m \u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[1\n";
        assert_eq!(
            answer(coloured, true),
            "\u{1b}[31;1mWRONG\u{1b}[0m \\u{1b}[2J\\u{1b}]0;title\\u{7}\\u{1b}[1\n"
        );
        assert!(!answer(coloured, false).contains('\u{1b}'));
        assert_eq!(answer("plain\n", true), "plain\n");
    }

    #[test]
    fn json_stays_the_same_value() {
        let document = "{\n  \"a\": \"\u{202e}b\u{9b}\u{7f}\u{e0041}\"\n}";
        let shown = json(document);
        assert_eq!(
            shown,
            "{\n  \"a\": \"\\u202eb\\u009b\\u007f\\udb40\\udc41\"\n}"
        );
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(document));
    }

    #[test]
    fn a_cell_is_no_formula_and_a_number_stays_a_number() {
        for formula in [
            "=1+1",
            "+1+1",
            "-1+cmd|' /C calc'!A0",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\\t=1",
            " =1+1",
            "＝1",
            "|calc",
            "-",
        ] {
            assert_eq!(no_formula(formula), format!("'{formula}"));
        }
        for plain in ["-1", "+2.5", "-1e9", "a=b", "pillow", "", "1-2", "'=1"] {
            assert_eq!(no_formula(plain), plain);
        }
    }
}
