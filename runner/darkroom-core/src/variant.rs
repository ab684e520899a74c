//! A variant: one author's implementation of every stage (`functions/<name>/variant.toml`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cell::Architecture;

/// What `variant.toml` says. The folder's name is the variant's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    pub description: String,
    /// Lambda runtime, for example `python3.13` or `provided.al2023`.
    pub runtime: String,
    pub architectures: Vec<Architecture>,
    /// How the code becomes a zip.
    pub build: Build,
    /// Stage name → Lambda handler, for example `greyscale.handler`.
    pub handlers: BTreeMap<String, String>,
    /// LLM that wrote the code, where one did.
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub sample: Option<u32>,
}

/// How a variant's folder becomes a deployment package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Build {
    /// `*.py` as written; `requirements` (hash-pinned) becomes a layer.
    Python { requirements: Option<String> },
    /// A Cargo project whose binary `bin` becomes `bootstrap`.
    Cargo { bin: String },
}
