//! Words and numbers of foreign tables: which words mean a missing value, success or failure, and
//! how digits are written. The lists are documented (`experiments/analysis/import/columns.toml`); a
//! map adds to them. Pure.

use std::str::FromStr;

/// Words for a value that is not there, in lower case.
const MISSING: [&str; 14] = [
    "", "na", "n/a", "#n/a", "<na>", "nan", "nat", "none", "null", "nil", "\\n", "-", "--", "—",
];
/// Words of a status that mean success, in lower case. `1` is not one: where a status is an exit
/// code it is a failure.
const SUCCESS: [&str; 8] = [
    "true",
    "yes",
    "ok",
    "success",
    "succeeded",
    "successful",
    "pass",
    "passed",
];
const FAILURE: [&str; 13] = [
    "false",
    "no",
    "error",
    "errored",
    "fail",
    "failed",
    "failure",
    "timeout",
    "timed out",
    "exception",
    "crashed",
    "aborted",
    "killed",
];

/// What a status says of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Well,
    Badly,
    /// No list knows the word.
    Unknown,
}

pub fn is_missing(text: &str) -> bool {
    MISSING.contains(&text.trim().to_lowercase().as_str())
}

/// Judges a status by the documented lists; 200 to 299 and 400 to 599 are HTTP's.
pub fn ended(word: &str) -> Ended {
    let plain = word.trim().to_lowercase().replace(['_', '-'], " ");
    if SUCCESS.contains(&plain.as_str()) {
        return Ended::Well;
    }
    if FAILURE.contains(&plain.as_str()) {
        return Ended::Badly;
    }
    match f64::from_str(&plain) {
        Ok(code) if (200.0..300.0).contains(&code) => Ended::Well,
        Ok(code) if (400.0..600.0).contains(&code) => Ended::Badly,
        _ => Ended::Unknown,
    }
}

/// Beginnings of words that look like success, or like failure: enough to sort them for a person
/// who decides, not to judge.
const LIKE_SUCCESS: [&str; 9] = [
    "succ",
    "ok",
    "pass",
    "complet",
    "done",
    "finish",
    "good",
    "correct",
    "fulfilled",
];
const LIKE_FAILURE: [&str; 25] = [
    "fail",
    "err",
    "timeout",
    "timedout",
    "abort",
    "crash",
    "kill",
    "except",
    "cancel",
    "refus",
    "denied",
    "throttl",
    "oom",
    "invalid",
    "broken",
    "bad",
    "wrong",
    "incorrect",
    "unhandled",
    "reject",
    "fatal",
    "panic",
    "unsucc",
    "incomplet",
    "interrupt",
];

/// Sorts a word that no list knows by what it looks like: it may be either, or neither, where that
/// is [`Ended::Unknown`].
pub fn looks_like(word: &str) -> Ended {
    let word = word.to_lowercase();
    let parts = || {
        word.split(|letter: char| !letter.is_alphanumeric())
            .filter(|part| !part.is_empty())
    };
    let any = |beginnings: &[&str]| {
        parts().any(|part| beginnings.iter().any(|begin| part.starts_with(begin)))
    };
    let turned = parts().any(|part| {
        matches!(
            part,
            "no" | "not" | "non" | "never" | "without" | "un" | "partly" | "partially"
        )
    });
    match (any(&LIKE_SUCCESS), any(&LIKE_FAILURE)) {
        (true, false) if !turned => Ended::Well,
        (false, true) if !turned => Ended::Badly,
        _ => Ended::Unknown,
    }
}

/// Signs of hundredths and thousandths.
const PERCENT: [char; 6] = ['%', '٪', '％', '﹪', '‰', '؉'];

/// How a table writes its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    /// `.` or `,`.
    pub decimal: char,
    /// What separates groups of three digits.
    pub thousands: Option<char>,
}

impl Digits {
    /// As programs write numbers.
    pub const PLAIN: Self = Self {
        decimal: '.',
        thousands: None,
    };

    /// Reads a number. An error completes a sentence that begins with the text.
    pub fn read(self, text: &str) -> Result<f64, String> {
        if text.trim_end().ends_with(PERCENT) {
            return Err(
                "is a percentage, not an amount. Map the column that holds the amount itself"
                    .into(),
            );
        }
        let grouped =
            |letter: &char| matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' | '_');
        let mut plain = text.to_owned();
        if let Some(between) = self.thousands.filter(|between| text.contains(*between)) {
            if !self.in_threes(text, between) {
                return Err(format!(
                    "does not group its digits in threes with `{between}`. Correct it, or \
                     `thousands` in the map"
                ));
            }
            plain = plain.replace(between, "");
        }
        if self.decimal == ',' {
            if plain.contains('.') {
                let points = Self {
                    thousands: Some('.'),
                    ..self
                };
                let helps =
                    points.in_threes(text, '.') && f64::from_str(&points.plain(text)).is_ok();
                let way_out = if helps {
                    "Set `thousands = \".\"` at the top of the map too"
                } else {
                    "Write its fraction after a comma, or remove `decimal` from the map"
                };
                return Err(format!(
                    "has a point, and the map says `decimal = \",\"`. {way_out}"
                ));
            }
            plain = plain.replace(',', ".");
        }
        if !plain.contains(|letter: char| letter.is_ascii_digit()) {
            return f64::from_str(&plain).map_err(|_| no_number(text));
        }
        if plain.contains(',') {
            return Err(Self::commas(&plain));
        }
        // What is suggested makes a number of it: `100.5 ms` has a unit, not a group of digits.
        let helps = |between: &char| {
            self.in_threes(&plain, *between) && f64::from_str(&plain.replace(*between, "")).is_ok()
        };
        if let Some(between) = plain.chars().find(grouped).filter(helps) {
            return Err(format!(
                "has `{between}` between its digits. Set `thousands = \"{between}\"` at the top of the map"
            ));
        }
        f64::from_str(&plain).map_err(|_| no_number(text))
    }

    /// Says what the commas of a number can be, and what each reading makes of it.
    fn commas(text: &str) -> String {
        let decimal = text.replace(',', ".");
        let decimal = f64::from_str(&decimal)
            .is_ok()
            .then(|| format!("`decimal = \",\"` reads {decimal}"));
        let whole = text.replace(',', "");
        let grouped = Self::PLAIN.in_threes(text, ',') && f64::from_str(&whole).is_ok();
        let grouped = grouped.then(|| format!("`thousands = \",\"` reads {whole}"));
        match (decimal, grouped) {
            (Some(decimal), Some(grouped)) => {
                format!("has a comma. Set one of these at the top of the map: {decimal}, {grouped}")
            }
            (Some(one), None) | (None, Some(one)) => {
                format!("has a comma. Set this at the top of the map: {one}")
            }
            (None, None) => match Self::both(text) {
                Some(between) => format!(
                    "has a comma. Set both of these at the top of the map: `decimal = \",\"`, `thousands = \"{between}\"`"
                ),
                None => {
                    "has commas in the wrong places. Write it as digits alone, such as 101.5".into()
                }
            },
        }
    }

    /// Returns what groups the digits of a number whose comma stands before its fraction.
    fn both(text: &str) -> Option<char> {
        let between = ['.', ' ', '\u{a0}', '\u{202f}', '\'', '’', '_']
            .into_iter()
            .find(|between| text.contains(*between))?;
        let digits = Self {
            decimal: ',',
            thousands: Some(between),
        };
        (digits.in_threes(text, between) && f64::from_str(&digits.plain(text)).is_ok())
            .then_some(between)
    }

    /// Spells a number as programs do.
    fn plain(self, text: &str) -> String {
        let plain = self
            .thousands
            .map_or_else(|| text.to_owned(), |between| text.replace(between, ""));
        if self.decimal == ',' {
            plain.replace(',', ".")
        } else {
            plain
        }
    }

    /// Whether the whole part is digits, three between each two of these.
    fn in_threes(self, text: &str, between: char) -> bool {
        let (whole, fraction) = text.split_once(self.decimal).unwrap_or((text, ""));
        let whole = whole.trim_start_matches(['+', '-']);
        let digits =
            |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit());
        let mut groups = whole.split(between);
        // `1.234,5` is not 1.2345: nothing groups the digits of a fraction.
        !fraction.contains(between)
            && groups
                .next()
                .is_some_and(|first| digits(first) && first.len() <= 3)
            && groups.all(|group| digits(group) && group.len() == 3)
    }
}

/// A word without a digit may be one more for a missing value.
fn no_number(text: &str) -> String {
    if text.starts_with('#') {
        return format!(
            "is a spreadsheet's error, not a number. Fix its cell, or set `missing = [{text:?}]` \
             at the top of the map"
        );
    }
    if text.contains(|letter: char| letter.is_ascii_digit()) {
        return "is not a number. Write it as digits alone, such as 101.5".to_owned();
    }
    format!(
        "is not a number. If it stands for a missing value, set `missing = [{text:?}]` at the top of the map"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_words_are_success_or_failure() {
        let judged = |words: &[&str]| words.iter().map(|word| ended(word)).collect::<Vec<_>>();
        assert!(
            judged(&["OK", "ok", "Success", "TRUE", "200", "204.0", " pass "])
                .iter()
                .all(|e| *e == Ended::Well)
        );
        assert!(
            judged(&["False", "ERROR", "timed_out", "Timed-Out", "500", "404"])
                .iter()
                .all(|e| *e == Ended::Badly)
        );
        assert!(
            judged(&["1", "0", "done", "skipped", "302", "okay?", "K.O."])
                .iter()
                .all(|e| *e == Ended::Unknown)
        );
    }

    #[test]
    fn unknown_words_are_sorted_only_where_they_look_like_one_thing() {
        let sorted = |words: &[&str]| {
            words
                .iter()
                .map(|word| looks_like(word))
                .collect::<Vec<_>>()
        };
        assert!(
            sorted(&["Completed", "DONE", "okay", "all-good", "succeeded_1"])
                .iter()
                .all(|e| *e == Ended::Well)
        );
        assert!(
            sorted(&["function_error", "Cancelled", "OOMKilled", "unsuccessful"])
                .iter()
                .all(|e| *e == Ended::Badly)
        );
        for word in [
            "0",
            "1",
            "weird",
            "not ok",
            "no error",
            "completed with errors",
            "partially done",
            "unknown",
            "token",
        ] {
            assert_eq!(looks_like(word), Ended::Unknown, "{word}");
        }
    }

    #[test]
    fn numbers_are_read_as_the_map_says_and_never_by_chance() {
        let plain = Digits::PLAIN;
        assert_eq!(
            (plain.read("512.0"), plain.read("1e3"), plain.read("-0.5")),
            (Ok(512.0), Ok(1000.0), Ok(-0.5))
        );
        for (text, why) in [
            ("1,024", "`thousands"),
            ("1 024", "thousands = \" \""),
            ("1_024.5", "`_`"),
            ("12 ms", "not a"),
        ] {
            assert!(plain.read(text).unwrap_err().contains(why), "{text}");
        }
        for text in [
            "100.5 %", "100.5%", "1 000 %", "1,5 %", "50 ٪", "3 ‰", "100 % ",
        ] {
            assert!(
                plain.read(text).unwrap_err().starts_with("is a percentage"),
                "{text}"
            );
        }
        // No suggestion that would not help.
        for text in ["100.5 ms", "1 000.5 ms", "1 000 ms", "2 000 000.0 MB"] {
            assert_eq!(
                plain.read(text),
                Err("is not a number. Write it as digits alone, such as 101.5".into()),
                "{text}"
            );
        }
        let english = Digits {
            decimal: '.',
            thousands: Some(','),
        };
        assert_eq!(
            (english.read("1,024"), english.read("1,234,567.5")),
            (Ok(1024.0), Ok(1_234_567.5))
        );
        assert!(english.read("1,02").unwrap_err().contains("in threes"));
        assert!(
            english.read("1.234,5").unwrap_err().contains("in threes"),
            "not 1.2345"
        );
        let german = Digits {
            decimal: ',',
            thousands: Some('.'),
        };
        assert_eq!(
            (german.read("101,344"), german.read("1.024,5")),
            (Ok(101.344), Ok(1024.5))
        );
        let comma = Digits {
            decimal: ',',
            thousands: None,
        };
        assert!(comma.read("101.344").unwrap_err().contains("has a point"));
        let said = |text| Digits::PLAIN.read(text).unwrap_err();
        assert!(said("101,5").ends_with("the map: `decimal = \",\"` reads 101.5"));
        assert!(said("1,101.344").ends_with("the map: `thousands = \",\"` reads 1101.344"));
        assert!(
            said("101,344")
                .ends_with("`decimal = \",\"` reads 101.344, `thousands = \",\"` reads 101344")
        );
        assert!(said("1,1,1").contains("commas in the wrong places"));
        for (text, between) in [
            ("1.234,5", "."),
            ("1 234,5", " "),
            ("1\u{a0}234,5", "\u{a0}"),
            ("1'234,5", "'"),
        ] {
            assert!(
                said(text).ends_with(&format!("`decimal = \",\"`, `thousands = \"{between}\"`")),
                "{text}"
            );
            let both = Digits {
                decimal: ',',
                thousands: between.chars().next(),
            };
            assert_eq!(both.read(text), Ok(1234.5), "what is suggested reads it");
        }
        assert!(
            comma
                .read("1.234,5")
                .unwrap_err()
                .ends_with("Set `thousands = \".\"` at the top of the map too")
        );
        assert!(
            comma
                .read("1.5")
                .unwrap_err()
                .ends_with("remove `decimal` from the map")
        );
        assert!(
            said("#DIV/0!").contains("a spreadsheet's error")
                && said("########").contains("missing = ")
        );
        assert!(comma.read("1,2,3").is_err());
    }
}
