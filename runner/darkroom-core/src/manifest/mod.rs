//! The manifest: what to compare, how often, where.
//!
//! TOML text → [`Manifest`], or every mistake in it at once, each with its place in the text.

mod known;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cell::{Architecture, Input, Start, Trigger};

pub use self::known::{Known, KnownImageSet, KnownPipeline, KnownVariant};

/// A valid manifest with every default filled in: serialised, it is the run's `manifest.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub experiment: Experiment,
    pub target: Target,
    pub matrix: Matrix,
    pub repetitions: Repetitions,
    pub schedule: Schedule,
    pub budget: Budget,
    pub output: Output,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    pub name: String,
    /// Folder under `experiments/` that holds `pipeline.toml`.
    pub pipeline: String,
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cloud {
    Local,
    Aws,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub cloud: Cloud,
    pub region: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix {
    pub variants: Vec<String>,
    pub architectures: Vec<Architecture>,
    pub memory_mb: Vec<u32>,
    pub image_sets: Vec<String>,
    pub trigger: Vec<Trigger>,
    pub input: Vec<Input>,
    pub start: Vec<Start>,
    pub concurrency: Vec<u32>,
    pub exclude: Vec<Levels>,
    pub include: Vec<Levels>,
}

/// Some levels, one per named factor: a cell matches when it has all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mb: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repetitions {
    pub count: u32,
    pub warm_up: u32,
    pub deployments: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Blocks: every (cell, image) once, in a fresh seeded order, then the next block.
    Interleaved,
    /// One cell after another, as declared.
    Sequential,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub order: Order,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    pub dir: String,
}

#[cfg(test)]
pub(crate) mod tests {
    //! A manifest and a world for other rooms' tests: variants `pillow` and `rust`, two stages, two images.

    use std::collections::BTreeMap;

    use super::*;
    use crate::pipeline::Pipeline;
    use crate::variant::{Build, Variant};

    const PIPELINE: &str = r#"
name = "image-pipeline"
description = "two stages"

[[stages]]
name = "greyscale"
load = "cpu"
timeout_s = 10
input = { formats = ["png"], mode = "rgb8" }
output = { format = "png", mode = "grey16", bits = 10, size = "unchanged" }
operations = [{ greyscale = { luma = "bt601", bits = 10 } }]
check = { max_abs = 1 }
prompt = "grey"

[[stages]]
name = "resize"
load = "cpu"
timeout_s = 20
input = { formats = ["png"], mode = "grey16", bits = 10 }
output = { format = "png", mode = "grey16", bits = 10, size = "800x600" }
operations = [{ resize = { width = 800, height = 600, filter = "lanczos3" } }]
check = { min_psnr_db = 40 }
prompt = "small"
"#;

    pub(crate) fn manifest(variants: &[&str], memory_mb: &[u32]) -> Manifest {
        Manifest {
            experiment: Experiment { name: "test".into(), pipeline: "image-pipeline".into(), seed: 562 },
            target: Target { cloud: Cloud::Local, region: "us-east-1".into() },
            matrix: crate::matrix::tests::matrix(variants, memory_mb),
            repetitions: Repetitions { count: 3, warm_up: 1, deployments: 1 },
            schedule: Schedule { order: Order::Interleaved },
            budget: Budget::default(),
            output: Output { dir: "outputs".into() },
        }
    }

    pub(crate) fn known() -> Known {
        let variant = |runtime: &str| KnownVariant {
            variant: Some(Variant {
                description: String::new(),
                runtime: runtime.into(),
                architectures: Architecture::ALL.to_vec(),
                build: Build::Python { requirements: None },
                handlers: ["greyscale", "resize"].map(|stage| (stage.into(), format!("{stage}.handler"))).into(),
                model: None,
                sample: None,
            }),
            faults: vec![],
        };
        let pipeline = Pipeline::parse("pipeline.toml", PIPELINE).expect("the fixture is right");
        let photos = KnownImageSet { images: vec!["a.png".into(), "b.jpg".into()], faults: vec![] };
        Known {
            variants: [("pillow", "python3.13"), ("rust", "provided.al2023")]
                .map(|(name, runtime)| (name.to_owned(), variant(runtime)))
                .into(),
            pipelines: BTreeMap::from([(
                "image-pipeline".into(),
                KnownPipeline {
                    pipeline: Some(pipeline),
                    faults: vec![],
                    image_sets: BTreeMap::from([("photos".into(), photos)]),
                },
            )]),
        }
    }
}
