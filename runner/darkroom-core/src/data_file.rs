//! Reads the small TOML files that hold data: pipelines, variants, image sets.
//!
//! Text and its file name → a value, or one [`DataFileError`] that shows the line. Knows TOML and
//! positions, not what the files mean.

use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::de::DeserializeOwned;
use toml::de::DeTable;

/// A data file that says something wrong: `file:line: key: what`, the line itself, and how to mend
/// it.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{file}:{line}: {message}")]
#[diagnostic(code(darkroom::data_file))]
pub struct DataFileError {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// Begins with the dotted key, but where the TOML itself is malformed.
    pub message: String,
    #[help]
    pub help: Option<String>,
    #[source_code]
    source_text: Arc<NamedSource<String>>,
    #[label("here")]
    at: SourceSpan,
}

impl DataFileError {
    /// Returns the whole text and the stretch of it that is wrong.
    pub(crate) fn source_and_span(&self) -> (Arc<NamedSource<String>>, Range<usize>) {
        let span = self.at.offset()..self.at.offset() + self.at.len();
        (Arc::clone(&self.source_text), span)
    }
}

impl PartialEq for DataFileError {
    fn eq(&self, other: &Self) -> bool {
        let all = |error: &Self| {
            (
                error.file.clone(),
                error.message.clone(),
                error.help.clone(),
                error.at,
            )
        };
        all(self) == all(other)
    }
}

/// A data file's name and text: what errors point into.
#[derive(Clone, Copy, Debug)]
pub struct DataFile<'a> {
    /// As the user knows it, for example `experiments/image-pipeline/pipeline.toml`.
    pub name: &'a str,
    pub text: &'a str,
}

impl DataFile<'_> {
    /// Returns the value the text spells, refusing keys that `T` does not know.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, DataFileError> {
        toml::from_str(self.text).map_err(|error| self.not_so(&error, ""))
    }

    /// Returns the text as a table whose keys and values know where they stand.
    pub fn table(&self) -> Result<DeTable<'_>, DataFileError> {
        let table = DeTable::parse(self.text).map_err(|error| self.not_so(&error, ""))?;
        Ok(table.into_inner())
    }

    /// Returns what TOML or a type has to say against the text; `key` as for [`Self::error`].
    pub fn not_so(&self, error: &toml::de::Error, key: &str) -> DataFileError {
        let span = error.span().unwrap_or(0..0);
        let help = about_backslashes(self.text, span.start);
        self.error(span, key, error.message(), help.map(ToOwned::to_owned))
    }

    /// Returns an error about `key` of the table that stands at `table`, pointing at the key's own
    /// line if it is there.
    pub fn error_at_key(
        &self,
        table: &Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> DataFileError {
        self.error(self.span_of_key(table, key), key, message, help)
    }

    /// Returns an error about what is at `span`. `key` is empty where the text has none.
    pub fn error(
        &self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> DataFileError {
        let start = span.start.min(self.text.len());
        DataFileError {
            file: self.name.to_owned(),
            line: self.line_of(start),
            message: if key.is_empty() {
                message.into()
            } else {
                format!("{key}: {}", message.into())
            },
            help,
            source_text: Arc::new(NamedSource::new(self.name, self.text.to_owned())),
            at: SourceSpan::from(span),
        }
    }

    /// Returns the line, from 1, that the byte at `offset` is in.
    pub fn line_of(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset]
            .split(|byte| *byte == b'\n')
            .count()
    }

    /// Returns where `key` is set inside `table`, or the table's first line.
    fn span_of_key(&self, table: &Range<usize>, key: &str) -> Range<usize> {
        let body = self.text.get(table.clone()).unwrap_or_default();
        let leaf = key.rsplit('.').next().unwrap_or(key);
        let mut offset = table.start;
        for line in body.split_inclusive('\n') {
            let sets_key = line
                .trim_start()
                .strip_prefix(leaf)
                .is_some_and(|rest| rest.trim_start().starts_with('='));
            if sets_key {
                let indent = line.len() - line.trim_start().len();
                return offset + indent..offset + line.trim_end().len();
            }
            offset += line.len();
        }
        let first_line = body.lines().next().map_or(0, str::len);
        table.start..table.start + first_line
    }
}

/// Returns advice where malformed TOML at `offset` looks like a Windows path in double quotes.
pub(crate) fn about_backslashes(text: &str, offset: usize) -> Option<&'static str> {
    let offset = text.floor_char_boundary(offset);
    let (before, after) = text.split_at(offset);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let end = after.find('\n').map_or(text.len(), |at| offset + at);
    let quoted = text[start..end].split_once('"')?.1;
    quoted.contains('\\').then_some(
        "In double quotes a backslash begins an escape. Write a Windows path in single quotes, or with forward slashes.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Lamp {
        #[expect(dead_code, reason = "only parsed")]
        watts: u32,
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_file_line_and_the_known_ones() {
        let file = DataFile {
            name: "lamp.toml",
            text: "watts = 5\n\ncolor = 'red'\n",
        };
        let error = file.parse::<Lamp>().unwrap_err();
        assert_eq!(error.line, 3);
        assert_eq!(
            error.to_string(),
            "lamp.toml:3: unknown field `color`, expected `watts`"
        );
    }

    #[test]
    fn malformed_toml_is_refused_with_its_line() {
        let error = DataFile {
            name: "lamp.toml",
            text: "watts = \n",
        }
        .parse::<Lamp>()
        .unwrap_err();
        assert!(error.to_string().starts_with("lamp.toml:1: "), "{error}");
        assert_eq!(error.help, None);
        let path = DataFile {
            name: "lamp.toml",
            text: "# é\nwatts = \"C:\\Users\\é\"\n",
        };
        let error = path.parse::<Lamp>().unwrap_err();
        assert!(
            error
                .help
                .is_some_and(|help| help.contains("single quotes"))
        );
    }
}
