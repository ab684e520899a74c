//! Why handlers cannot be imported.

/// Why handlers cannot be imported. Nothing has been written then.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what}")]
pub struct ImportError {
    what: String,
    #[help]
    help: Option<String>,
}

impl ImportError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            help: None,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Puts other words before its own.
    pub(super) fn after(self, before: &[String]) -> Self {
        let what = before
            .iter()
            .map(String::as_str)
            .chain([self.what.as_str()])
            .collect::<Vec<_>>()
            .join("\n");
        Self { what, ..self }
    }
}
