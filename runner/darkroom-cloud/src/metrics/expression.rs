//! Metric math, as far as it is arithmetic over the ids of one query: `m1 / m2 * 100`. Pure.

use super::wire::Fault;

/// A formula that was read.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    Number(f64),
    Id(String),
    Negative(Box<Formula>),
    Binary(Box<Formula>, char, Box<Formula>),
}

impl Formula {
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut parser = Parser { rest: text };
        let formula = parser.sum(16);
        match formula {
            Some(formula) if parser.rest.trim().is_empty() => Ok(formula),
            _ => Err(Fault::validation(format!(
                "Error in expression '{text}': the local cloud reads +, -, *, / and parentheses over query ids"
            ))),
        }
    }

    /// Returns every id that the formula names.
    pub fn ids(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Id(id) => vec![id],
            Self::Negative(inner) => inner.ids(),
            Self::Binary(left, _, right) => [left.ids(), right.ids()].concat(),
        }
    }

    /// Returns the value, or `None` where an id has none or the result is no number (as a division by zero).
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
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
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
    fn what_is_not_arithmetic_is_refused() {
        for text in ["", "SUM(METRICS())", "m1 +", "(m1", "m1 m2", "m1 ^ 2", &"(".repeat(1000)] {
            assert!(Formula::parse(text).is_err(), "{text}");
        }
    }
}
