//! The filter language of CloudWatch Logs, as far as it is used to find log lines: terms, phrases,
//! `?any`, `-none`, and comparisons of JSON fields. Pure.
//!
//! Source: CloudWatch Logs user guide, "Filter pattern syntax". Regular expressions (`%...%`) and
//! space-delimited patterns (`[a, b]`) are refused as invalid, not ignored.

use serde_json::Value;

/// A pattern that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// All of `all`, at least one of `any` (if there are any), none of `none`.
    Terms {
        all: Vec<String>,
        any: Vec<String>,
        none: Vec<String>,
    },
    Json(Expression),
}

/// A condition on a JSON message.
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Compare {
        path: Vec<String>,
        operator: Operator,
        value: Operand,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    Number(f64),
    /// May begin or end with `*`.
    Text(String),
    Literal(Value),
}

/// The most characters of a pattern. Source: CloudWatch Logs API reference, `FilterLogEvents`,
/// `filterPattern`.
pub const LONGEST: usize = 1024;
/// Parentheses within one another, and comparisons in all: more than a person writes, less than a
/// stack holds.
const DEEPEST: u32 = 50;
const MOST_PARTS: usize = 200;

/// The pattern can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    #[error("Invalid filter pattern")]
    Malformed,
    /// Longer than [`LONGEST`].
    #[error("Invalid filter pattern: more than {LONGEST} characters")]
    TooLong,
}

impl Pattern {
    /// Reads a pattern; an empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        // Before anything looks at it: whatever comes later is bounded by this.
        if text.chars().nth(LONGEST).is_some() {
            return Err(InvalidPattern::TooLong);
        }
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('{') {
            let inner = inner.strip_suffix('}').ok_or(InvalidPattern::Malformed)?;
            let expression = parse_or(inner, DEEPEST)?;
            return if expression.parts() > MOST_PARTS {
                Err(InvalidPattern::Malformed)
            } else {
                Ok(Self::Json(expression))
            };
        }
        if text.starts_with('[') || text.starts_with('%') {
            return Err(InvalidPattern::Malformed);
        }
        parse_terms(text)
    }

    /// Returns texts that stand in every message that matches, just as they stand in its JSON form:
    /// a line of JSON without one of them need not be read.
    pub fn needles(&self) -> Vec<&str> {
        let plain = |text: &&str| !text.contains(|c: char| c == '"' || c == '\\' || c.is_control());
        match self {
            Self::Terms { all, .. } => all.iter().map(String::as_str).filter(plain).collect(),
            Self::Json(_) => Vec::new(),
        }
    }

    /// Returns how often a message is looked at, at most.
    pub fn parts(&self) -> usize {
        match self {
            Self::Terms { all, any, none } => 1 + all.len() + any.len() + none.len(),
            Self::Json(expression) => 1 + expression.parts(),
        }
    }

    pub fn matches(&self, message: &str) -> bool {
        match self {
            Self::Terms { all, any, none } => {
                let holds = |term: &String| message.contains(term.as_str());
                all.iter().all(holds)
                    && (any.is_empty() || any.iter().any(holds))
                    && !none.iter().any(holds)
            }
            Self::Json(expression) => {
                serde_json::from_str(message).is_ok_and(|value| expression.holds(&value))
            }
        }
    }
}

fn parse_terms(text: &str) -> Result<Pattern, InvalidPattern> {
    let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let list = match rest.as_bytes()[0] {
            b'?' => &mut any,
            b'-' => &mut none,
            _ => &mut all,
        };
        rest = rest.strip_prefix(['?', '-']).unwrap_or(rest);
        let (term, left) = term(rest)?;
        list.push(term);
        rest = left;
    }
    Ok(Pattern::Terms { all, any, none })
}

/// Takes one term: up to the next space, or a phrase in quotes, where a backslash keeps the next
/// character.
fn term(text: &str) -> Result<(String, &str), InvalidPattern> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return if end == 0 {
            Err(InvalidPattern::Malformed)
        } else {
            Ok((text[..end].to_owned(), &text[end..]))
        };
    };
    let (mut phrase, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Ok((phrase, &quoted[at + 1..])),
            _ => {
                phrase.push(character);
                escaped = false;
            }
        }
    }
    Err(InvalidPattern::Malformed)
}

/// `depth` is how many parentheses may still be opened.
fn parse_or(text: &str, depth: u32) -> Result<Expression, InvalidPattern> {
    let parts = split(text, "||")
        .into_iter()
        .map(|part| parse_and(part, depth))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Expression::Or(parts))
}

fn parse_and(text: &str, depth: u32) -> Result<Expression, InvalidPattern> {
    let parts = split(text, "&&")
        .into_iter()
        .map(|part| parse_operand(part, depth))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Expression::And(parts))
}

fn parse_operand(text: &str, depth: u32) -> Result<Expression, InvalidPattern> {
    let text = text.trim();
    match text
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'))
    {
        Some(inner) => parse_or(
            inner,
            depth.checked_sub(1).ok_or(InvalidPattern::Malformed)?,
        ),
        None => compare(text),
    }
}

/// Splits at `separator` where it is outside quotes and parentheses.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, false);
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if !quoted && depth == 0 && at >= start && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn compare(text: &str) -> Result<Expression, InvalidPattern> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("=", Operator::Equal),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let start = text
        .find(['=', '!', '<', '>'])
        .ok_or(InvalidPattern::Malformed)?;
    let (sign, operator) = OPERATORS
        .into_iter()
        .find(|(sign, _)| text[start..].starts_with(sign))
        .ok_or(InvalidPattern::Malformed)?;
    let path = text[..start]
        .trim()
        .strip_prefix("$.")
        .ok_or(InvalidPattern::Malformed)?;
    let path: Vec<String> = path
        .replace('[', ".")
        .replace(']', "")
        .split('.')
        .map(str::to_owned)
        .collect();
    if path.iter().any(String::is_empty) {
        return Err(InvalidPattern::Malformed);
    }
    let value = operand(text[start + sign.len()..].trim())?;
    Ok(Expression::Compare {
        path,
        operator,
        value,
    })
}

fn operand(text: &str) -> Result<Operand, InvalidPattern> {
    if text.is_empty() || text.starts_with('%') {
        return Err(InvalidPattern::Malformed);
    }
    if text.starts_with('"') {
        let (phrase, rest) = term(text)?;
        return if rest.trim().is_empty() {
            Ok(Operand::Text(phrase))
        } else {
            Err(InvalidPattern::Malformed)
        };
    }
    Ok(match text {
        "true" | "TRUE" => Operand::Literal(Value::Bool(true)),
        "false" | "FALSE" => Operand::Literal(Value::Bool(false)),
        "null" | "NULL" => Operand::Literal(Value::Null),
        text => text
            .parse()
            .map_or_else(|_| Operand::Text(text.to_owned()), Operand::Number),
    })
}

impl Expression {
    /// Returns how many comparisons it has.
    fn parts(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::parts).sum(),
            Self::Compare { .. } => 1,
        }
    }

    fn holds<'a>(&self, message: &'a Value) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.holds(message)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(message)),
            Self::Compare {
                path,
                operator,
                value,
            } => {
                let step = |at: &'a Value, name: &String| {
                    name.parse::<usize>()
                        .ok()
                        .and_then(|index| at.get(index))
                        .or_else(|| at.get(name))
                };
                let found = path.iter().try_fold(message, step);
                found.is_some_and(|found| value.compare(*operator, found))
            }
        }
    }
}

impl Operand {
    fn compare(&self, operator: Operator, found: &Value) -> bool {
        let equal = match self {
            Self::Number(number) => {
                let Some(found) = found.as_f64() else {
                    return operator == Operator::NotEqual;
                };
                return match operator {
                    Operator::Equal => found.total_cmp(number).is_eq(),
                    Operator::NotEqual => found.total_cmp(number).is_ne(),
                    Operator::Less => found < *number,
                    Operator::LessOrEqual => found <= *number,
                    Operator::Greater => found > *number,
                    Operator::GreaterOrEqual => found >= *number,
                };
            }
            Self::Text(pattern) => found.as_str().is_some_and(|found| wildcard(pattern, found)),
            Self::Literal(literal) => found == literal,
        };
        match operator {
            Operator::Equal => equal,
            Operator::NotEqual => !equal,
            _ => false,
        }
    }
}

fn wildcard(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        _ if pattern == "*" => true,
        (Some(_), Some(_)) => text.contains(pattern.trim_matches('*')),
        (Some(end), None) => text.ends_with(end),
        (None, Some(start)) => text.starts_with(start),
        (None, None) => text == pattern,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, message: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(message)
    }

    #[test]
    fn every_term_must_be_there() {
        assert!(matches("", "anything"));
        assert!(matches("REPORT RequestId", "REPORT RequestId: 1"));
        assert!(!matches("REPORT ERROR", "REPORT RequestId: 1"));
        assert!(matches("\"RequestId: 1\"", "REPORT RequestId: 1"));
        assert!(!matches("\"RequestId: 2\"", "REPORT RequestId: 1"));
    }

    #[test]
    fn optional_and_excluded_terms() {
        assert!(matches("?ERROR ?WARN", "a WARN line"));
        assert!(!matches("?ERROR ?WARN", "an INFO line"));
        assert!(matches("ERROR -Exiting", "ERROR one"));
        assert!(!matches("ERROR -Exiting", "ERROR Exiting"));
    }

    #[test]
    fn json_fields_compare() {
        let message = r#"{"type":"platform.report","record":{"requestId":"a-1","metrics":{"durationMs":12.5}},"ok":true}"#;
        assert!(matches(r#"{ $.type = "platform.report" }"#, message));
        assert!(matches(
            r#"{ $.type = "platform.*" && $.record.requestId = "a-1" }"#,
            message
        ));
        assert!(matches("{ $.record.metrics.durationMs >= 12.5 }", message));
        assert!(!matches("{ $.record.metrics.durationMs > 12.5 }", message));
        assert!(matches("{ ($.ok = false) || ($.ok = true) }", message));
        assert!(!matches("{ $.missing = 1 }", message));
        assert!(!matches("{ $.type = x }", "no json"));
    }

    #[test]
    fn length_and_depth_are_bounded() {
        let nested =
            |levels: usize| format!("{{ {}$.a = 1{} }}", "(".repeat(levels), ")".repeat(levels));
        assert!(matches(&nested(40), r#"{"a": 1}"#));
        assert_eq!(Pattern::parse(&nested(51)), Err(InvalidPattern::Malformed));
        assert_eq!(Pattern::parse(&nested(2000)), Err(InvalidPattern::TooLong));
        // Characters, not bytes.
        assert!(Pattern::parse(&"é".repeat(LONGEST)).is_ok());
        assert_eq!(
            Pattern::parse(&"e".repeat(LONGEST + 1)),
            Err(InvalidPattern::TooLong)
        );
        assert_eq!(
            Pattern::parse(&" ".repeat(LONGEST + 1)),
            Err(InvalidPattern::TooLong)
        );
    }

    #[test]
    fn what_is_not_supported_is_invalid() {
        for pattern in [
            "[a, b]",
            "%regex%",
            "{ $.a }",
            "{ a = 1 }",
            "\"open",
            "{ $.a = 1",
            "?",
            "{ $.a = %x% }",
        ] {
            assert_eq!(
                Pattern::parse(pattern),
                Err(InvalidPattern::Malformed),
                "{pattern}"
            );
        }
    }

    proptest! {
        #[test]
        fn needles_stand_in_the_json_of_what_matches(terms in prop::collection::vec("[a-c\"\\\\é]{1,3}", 1..3), rest in "\\PC{0,5}") {
            let pattern = Pattern::Terms { all: terms.clone(), any: Vec::new(), none: Vec::new() };
            let message = format!("{}{rest}", terms.join(" "));
            let line = serde_json::to_string(&message).unwrap();
            prop_assert!(pattern.matches(&message));
            prop_assert!(pattern.needles().iter().all(|needle| line.contains(needle)));
        }

        #[test]
        fn reading_never_fails_badly(pattern in ".{0,30}", message in ".{0,30}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                pattern.matches(&message);
            }
        }
    }

    #[test]
    fn whatever_a_client_sends_is_a_pattern_or_is_refused() {
        let words = &[
            "{ ", " }", "(", ")", "$.a", "$.a.b[0]", "=", "!=", "<", ">=", "&&", "||", "\"", "\\",
            "*", "?", "-", "1", "1e999", " ", "%a%", "[", "]", "é", "\u{202e}", "null", "TRUE",
        ];
        let message = r#"{"a":{"b":[1,"x"]},"type":"platform.report","ok":true}"#;
        crate::hostile::Parser {
            name: "log-pattern",
            words,
            longest: 4 << 20,
        }
        .hold(|input| {
            let input = String::from_utf8_lossy(input);
            if let Ok(pattern) = Pattern::parse(&input) {
                pattern.needles();
                pattern.matches(message);
                pattern.matches(&input);
            }
        });
    }
}
