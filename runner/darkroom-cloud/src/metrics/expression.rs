//! Metric math, as far as it is arithmetic over the ids of one query: `m1 / m2 * 100`. Pure.

use std::collections::BTreeSet;

use super::wire::QueryFault;

/// The most characters of a formula. Source: CloudWatch API reference, `MetricDataQuery`,
/// `Expression`.
const LONGEST: usize = 2048;
/// Parentheses and signs within one another.
const DEEPEST: u32 = 16;

/// A formula that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    Number(f64),
    Id(String),
    Negative(Box<Formula>),
    Binary(Box<Formula>, char, Box<Formula>),
}

impl Formula {
    pub fn parse(text: &str) -> Result<Self, QueryFault> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(QueryFault::validation(format!(
                "The value for parameter Expression must have length less than or equal to {LONGEST}."
            )));
        }
        let mut parser = Parser { rest: text };
        let formula = parser.sum(DEEPEST);
        match formula {
            Some(formula) if parser.rest.trim().is_empty() => Ok(formula),
            _ => Err(QueryFault::validation(format!(
                "Error in expression '{text}': the local cloud reads +, -, *, / and parentheses over query ids"
            ))),
        }
    }

    /// Returns every id that the formula names, once.
    pub fn ids(&self) -> BTreeSet<&str> {
        let (mut ids, mut left) = (BTreeSet::new(), vec![self]);
        while let Some(formula) = left.pop() {
            match formula {
                Self::Number(_) => {}
                Self::Id(id) => drop(ids.insert(id.as_str())),
                Self::Negative(inner) => left.push(inner),
                Self::Binary(one, _, other) => left.extend([&**one, &**other]),
            }
        }
        ids
    }

    /// Returns how many steps one value takes.
    pub fn steps(&self) -> usize {
        let (mut steps, mut left) = (0, vec![self]);
        while let Some(formula) = left.pop() {
            steps += 1;
            match formula {
                Self::Number(_) | Self::Id(_) => {}
                Self::Negative(inner) => left.push(inner),
                Self::Binary(one, _, other) => left.extend([&**one, &**other]),
            }
        }
        steps
    }

    /// Returns the value, or `None` where an id has none or the result is no number (as a division
    /// by zero).
    pub fn value(&self, of: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let value = match self {
            Self::Number(number) => *number,
            Self::Id(id) => of(id)?,
            Self::Negative(inner) => -inner.value(of)?,
            Self::Binary(left, operator, right) => {
                let (left, right) = (left.value(of)?, right.value(of)?);
                match operator {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
        };
        value.is_finite().then_some(value)
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn take(&mut self, any: &[char]) -> Option<char> {
        let rest = self.rest.trim_start();
        let first = rest.chars().next().filter(|first| any.contains(first))?;
        self.rest = &rest[first.len_utf8()..];
        Some(first)
    }

    fn sum(&mut self, depth: u32) -> Option<Formula> {
        let mut left = self.product(depth)?;
        while let Some(operator) = self.take(&['+', '-']) {
            left = Formula::Binary(Box::new(left), operator, Box::new(self.product(depth)?));
        }
        Some(left)
    }

    fn product(&mut self, depth: u32) -> Option<Formula> {
        let mut left = self.atom(depth)?;
        while let Some(operator) = self.take(&['*', '/']) {
            left = Formula::Binary(Box::new(left), operator, Box::new(self.atom(depth)?));
        }
        Some(left)
    }

    fn atom(&mut self, depth: u32) -> Option<Formula> {
        let depth = depth.checked_sub(1)?;
        if self.take(&['-']).is_some() {
            return Some(Formula::Negative(Box::new(self.atom(depth)?)));
        }
        if self.take(&['(']).is_some() {
            let inner = self.sum(depth)?;
            return self.take(&[')']).map(|_| inner);
        }
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Some(Formula::Id(word.to_owned()));
        }
        word.parse().ok().map(Formula::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<f64> {
        Formula::parse(text).unwrap().value(&|id| match id {
            "m1" => Some(6.0),
            "m2" => Some(3.0),
            "zero" => Some(0.0),
            _ => None,
        })
    }

    #[test]
    fn arithmetic_binds_as_usual() {
        assert_eq!(value("m1 + m2 * 2"), Some(12.0));
        assert_eq!(value("(m1+m2)*2 - -1"), Some(19.0));
        assert_eq!(value("100*m2/m1"), Some(50.0));
    }

    #[test]
    fn what_has_no_value_has_none() {
        assert_eq!(value("m1 / zero"), None);
        assert_eq!(value("m1 + gone"), None);
    }

    #[test]
    fn what_is_too_long_is_refused_and_what_is_as_long_as_it_may_be_is_read() {
        let sum = |terms: usize| vec!["m1"; terms].join("+");
        let longest = sum(683);
        assert_eq!(longest.len(), LONGEST);
        assert_eq!(value(&longest), Some(6.0 * 683.0));
        assert_eq!(Formula::parse(&longest).unwrap().ids().len(), 1);
        let fault = Formula::parse(&sum(5000)).unwrap_err();
        assert!(
            fault
                .message
                .ends_with("length less than or equal to 2048."),
            "{}",
            fault.message
        );
    }

    #[test]
    fn what_is_not_arithmetic_is_refused() {
        for text in [
            "",
            "SUM(METRICS())",
            "m1 +",
            "(m1",
            "m1 m2",
            "m1 ^ 2",
            &"(".repeat(1000),
        ] {
            assert!(Formula::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whatever_a_client_sends_is_a_formula_or_is_refused() {
        let words = &[
            "m1",
            "m2",
            "+",
            "-",
            "*",
            "/",
            "(",
            ")",
            " ",
            "1",
            ".5",
            "1e999",
            "SUM(METRICS())",
            "_",
            "é",
        ];
        crate::hostile::Parser {
            name: "metric-expression",
            words,
            longest: 4 << 20,
        }
        .hold(|input| {
            if let Ok(formula) = Formula::parse(&String::from_utf8_lossy(input)) {
                formula.ids();
                formula.value(&|id| (id == "m1").then_some(2.0));
            }
        });
    }
}
