//! Patterns of IAM: in policies, and in the conditions by which a resource lets others in.

/// Matches `*` (any text) and `?` (any one character).
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // What comes after the last `*`, and what is left of the text if that takes one character more.
    let mut star = None;
    loop {
        let mut after = pattern.clone();
        match (after.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                star = Some((after.clone(), text.clone()));
                pattern = after;
            }
            (Some(letter), Some(found)) if letter == '?' || letter == found => {
                pattern = after;
                text.next();
            }
            _ => {
                let Some((after, left)) = &mut star else {
                    return false;
                };
                if left.next().is_none() {
                    return false;
                }
                (pattern, text) = (after.clone(), left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_take_any_text_and_question_marks_one_character() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c?", "abbcd", true),
            ("a*c", "abcd", false),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcdef", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abbab", true),
            ("", "a", false),
            ("a/*", "a/b/c", true),
            ("a**", "a", true),
            ("?", "é", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
