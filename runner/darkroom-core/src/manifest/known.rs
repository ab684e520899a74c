//! What validation must know of the project: names, and faults of the things that they name.
//!
//! A plain value. The binary reads the project's folders and fills it in; tests write it directly.

use std::collections::BTreeMap;

use crate::data_file::DataFileError;
use crate::pipeline::Pipeline;
use crate::variant::Variant;

/// What can be named in a manifest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// `functions/<name>/`.
    pub variants: BTreeMap<String, KnownVariant>,
    /// `experiments/<name>/pipeline.toml`.
    pub pipelines: BTreeMap<String, KnownPipeline>,
}

/// One thing that is wrong with what a manifest names.
#[derive(Clone, Debug, PartialEq, thiserror::Error, miette::Diagnostic)]
pub enum Fault {
    /// A sentence that says what is wrong and where, for example ``functions/pillow/resize.py is
    /// missing``.
    #[error("{0}")]
    Said(String),
    /// At a line of a file that a person writes.
    #[error(transparent)]
    #[diagnostic(transparent)]
    InFile(#[from] DataFileError),
}

impl Fault {
    /// The line of the file where it is, if it stands in one.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Said(_) => None,
            Self::InFile(error) => Some(error.line),
        }
    }
}

impl From<String> for Fault {
    fn from(sentence: String) -> Self {
        Self::Said(sentence)
    }
}

impl From<&str> for Fault {
    fn from(sentence: &str) -> Self {
        Self::Said(sentence.to_owned())
    }
}

/// Something that exists and can't be used, with all that is wrong with it.
#[derive(Clone, Debug, thiserror::Error, miette::Diagnostic)]
#[error("{what} can't be used")]
#[diagnostic(code(darkroom::unusable))]
pub struct Unusable {
    /// For example ``image set `photos` ``.
    pub what: String,
    #[related]
    pub faults: Vec<Fault>,
}

/// A folder that holds a `variant.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownVariant {
    /// `None` when `variant.toml` can't be read; then `faults` says why.
    pub variant: Option<Variant>,
    pub faults: Vec<Fault>,
    /// Rounds of repair that its model was allowed, as its provenance says.
    pub repair: Option<u32>,
    /// Of the template that its model was asked with, hex; `None` for the standard prompt.
    pub prompt_template_sha256: Option<String>,
}

/// A folder that holds a `pipeline.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownPipeline {
    /// `None` when `pipeline.toml` can't be read; then `faults` says why.
    pub pipeline: Option<Pipeline>,
    pub faults: Vec<Fault>,
    /// `experiments/<pipeline>/image-sets/<name>/`, or `<name>.toml` for a generated one.
    pub image_sets: BTreeMap<String, KnownImageSet>,
    /// Models that `experiments/<pipeline>/models.toml` has an entry for, those that can be asked
    /// for a variant: by name, what the vendor calls it.
    pub models: BTreeMap<String, String>,
    /// Entries of it that can't be used, by name.
    pub broken_models: BTreeMap<String, Fault>,
    /// Why it can't be read at all, where it can't.
    pub models_fault: Option<Fault>,
    /// `experiments/<pipeline>/prompts/<name>.md`: the sha256 of its text, hex.
    pub prompts: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownImageSet {
    /// Names of the images, in the order they are used.
    pub images: Vec<String>,
    /// Size of each image's file, bytes; `None` for one that is made when a run starts.
    pub bytes: Vec<Option<u64>>,
    /// For `darkroom check` alone: its images are never timed.
    pub for_check_only: bool,
    pub faults: Vec<Fault>,
}

impl KnownPipeline {
    /// Returns the names of all entries of `models.toml`, those that can't be used too.
    pub(super) fn model_names(&self) -> impl Iterator<Item = &str> {
        let names = self.models.keys().chain(self.broken_models.keys());
        names.map(String::as_str)
    }

    /// Returns the entry of `models.toml` that people mean by a text: its name, or what its vendor
    /// calls it.
    pub(super) fn model_meant(&self, text: &str) -> Option<&str> {
        let named = self.model_names().find(|name| *name == text);
        named.or_else(|| {
            let mut models = self.models.iter();
            let (name, _) = models.find(|(_, id)| *id == text)?;
            Some(name)
        })
    }
}

impl Known {
    /// Returns what `variant.toml` says, when the variant exists and it can be read.
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.get(name)?.variant.as_ref()
    }

    pub fn pipeline(&self, name: &str) -> Option<&Pipeline> {
        self.pipelines.get(name)?.pipeline.as_ref()
    }

    /// Returns the names of a set's images, none when there is no such set.
    pub fn images(&self, pipeline: &str, image_set: &str) -> &[String] {
        let set = self
            .pipelines
            .get(pipeline)
            .and_then(|pipeline| pipeline.image_sets.get(image_set));
        set.map_or(&[], |set| &set.images)
    }
}
