//! Constraint violations, collected and worded as AWS's front end words them.

use super::error::{ApiError, ApiResult};
use std::ops::RangeInclusive;

/// The violations found so far; all are reported in one `ValidationException`.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<String>);

impl Violations {
    pub fn push(&mut self, field: &str, value: &str, constraint: &str) {
        self.0.push(format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// A violation whose value AWS does not repeat, since it may be secret.
    pub fn hidden(&mut self, field: &str, constraint: &str) {
        self.0.push(format!(
            "Value at '{field}' failed to satisfy constraint: {constraint}"
        ));
    }

    /// A required member that is absent.
    pub fn missing(&mut self, field: &str) {
        self.0.push(format!(
            "Value null at '{field}' failed to satisfy constraint: Member must not be null"
        ));
    }

    pub fn pattern(&mut self, field: &str, value: &str, pattern: &str) {
        self.push(
            field,
            value,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        );
    }

    pub fn max_length(&mut self, field: &str, value: &str, longest: usize) {
        if value.chars().count() > longest {
            self.push(
                field,
                value,
                &format!("Member must have length less than or equal to {longest}"),
            );
        }
    }

    pub fn range(&mut self, field: &str, value: Option<i64>, range: &RangeInclusive<i64>) {
        let Some(value) = value else { return };
        if value < *range.start() {
            let least = range.start();
            self.push(
                field,
                &value.to_string(),
                &format!("Member must have value greater than or equal to {least}"),
            );
        } else if value > *range.end() {
            let most = range.end();
            self.push(
                field,
                &value.to_string(),
                &format!("Member must have value less than or equal to {most}"),
            );
        }
    }

    pub fn one_of(&mut self, field: &str, value: Option<&str>, allowed: &[&str]) {
        let Some(value) = value else { return };
        if !allowed.contains(&value) {
            self.push(
                field,
                value,
                &format!(
                    "Member must satisfy enum value set: [{}]",
                    allowed.join(", ")
                ),
            );
        }
    }

    /// Returns the one error that reports everything found, if anything was.
    pub fn into_result(self) -> ApiResult<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(ApiError::validation(&self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violations_are_counted_and_joined() {
        let mut violations = Violations::default();
        violations.range("timeout", Some(0), &(1..=900));
        violations.missing("role");
        violations.one_of("functionVersion", Some("invalid"), &["ALL"]);
        let message = violations.into_result().unwrap_err().message.unwrap();
        assert_eq!(
            message,
            "3 validation errors detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value \
             greater than or equal to 1; Value null at 'role' failed to satisfy constraint: Member must not be null; \
             Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"
        );
    }

    #[test]
    fn nothing_wrong_is_no_error() {
        let mut violations = Violations::default();
        violations.range("timeout", Some(900), &(1..=900));
        violations.max_length("description", "ok", 256);
        assert_eq!(violations.into_result(), Ok(()));
    }
}
