//! One mistake in a manifest, shown in the user's own text; and all of them together.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

use super::known::Fault;
use super::tree::Place;

/// One thing that is wrong: what, where, and how to fix it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Mistake {
    code: &'static str,
    message: String,
    label: String,
    help: Option<String>,
    source_code: Arc<NamedSource<String>>,
    at: SourceSpan,
}

impl Mistake {
    /// `label` is shown under the place: what was expected there.
    pub(super) fn new(
        code: &'static str,
        message: impl Into<String>,
        place: &Place,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            label: label.into(),
            help: None,
            source_code: Arc::clone(&place.source),
            at: place.source_span(),
        }
    }

    /// A fault of `what`, which the manifest names at `named`. Shown in the file where it stands,
    /// if it stands in one.
    pub(super) fn of_fault(code: &'static str, what: &str, fault: &Fault, named: &Place) -> Self {
        match fault {
            Fault::Said(sentence) => Self::new(
                code,
                format!("{what} can't be used: {sentence}"),
                named,
                "named here",
            ),
            Fault::InFile(error) => {
                let (source, span) = error.source_and_span();
                let message = format!("{what} can't be used: {}", error.message);
                let mistake = Self::new(code, message, &Place { source, span }, "here");
                Self {
                    help: error.help.clone(),
                    ..mistake
                }
            }
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Where the mistake is: text first by name, then by offset.
    fn position(&self) -> (&str, usize) {
        (self.source_code.name(), self.at.offset())
    }
}

impl Diagnostic for Mistake {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("manifest::{}", self.code)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source_code)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let label = miette::LabeledSpan::new_with_span(Some(self.label.clone()), self.at);
        Some(Box::new(std::iter::once(label)))
    }
}

/// Every mistake of a manifest, in the order of its text.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name} has {}", count(mistakes.len()))]
#[diagnostic(code(manifest::invalid))]
pub struct InvalidManifest {
    name: String,
    #[related]
    mistakes: Vec<Mistake>,
}

impl InvalidManifest {
    /// `mistakes` holds at least one.
    pub(super) fn new(name: &str, mut mistakes: Vec<Mistake>) -> Self {
        // The manifest's own mistakes come first, then those of arguments and of other files.
        mistakes.sort_by(|a, b| {
            let own = |mistake: &Mistake| mistake.position().0 != name;
            own(a)
                .cmp(&own(b))
                .then_with(|| a.position().cmp(&b.position()))
        });
        Self {
            name: name.to_owned(),
            mistakes,
        }
    }

    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 {
        "a mistake".to_owned()
    } else {
        format!("{mistakes} mistakes")
    }
}

/// Returns advice for a name that is not known: the nearest one, and all of them.
pub(super) fn suggestion<'a>(
    wrong: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = if known.is_empty() {
        format!("there are no {what}")
    } else {
        format!("{what}: {}", known.join(", "))
    };
    match nearest(wrong, &known) {
        Some(name) => format!("did you mean `{name}`? {all}"),
        None => all,
    }
}

/// The name that is a slip of the keyboard away, or that begins or continues where the wrong one
/// ends.
pub fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        let begins = wrong.len() >= 3 && (name.starts_with(&wrong) || wrong.starts_with(&name));
        let slips = strsim::osa_distance(&wrong, &name);
        (begins || slips <= 1 + name.len().min(wrong.len()) / 4).then_some(slips)
    };
    known
        .iter()
        .filter_map(|name| Some((distance(name)?, *name)))
        .min()
        .map(|(_, name)| name)
}
