//! The files of a new study, by template. Pure: their contents are part of the program.
//!
//! The lists name every file, so files that happen to lie beside them (caches, drafts) are not
//! embedded. A test compares the lists with the folders of the repository.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::prebuilt;

/// What a new study is for. Each has the files of `smoke`; the others add to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// Compare two variants over six photographs, on this machine
    Smoke,
    /// Ask three LLMs for code and compare it
    LlmStudy,
    /// Send images in the payload of each call, without S3 between the stages
    Payload,
}

impl Template {
    /// The manifest to run first.
    pub const fn first_manifest(self) -> &'static str {
        match self {
            Self::Smoke | Self::LlmStudy => "manifests/smoke.toml",
            Self::Payload => "manifests/payload.toml",
        }
    }
}

/// A file of a new study.
#[derive(Debug)]
pub struct StudyFile {
    /// From the study's folder.
    pub path: &'static str,
    pub contents: &'static [u8],
}

/// Returns the files of a template, in the order in which they are written.
pub fn files(template: Template) -> Vec<&'static StudyFile> {
    let added = match template {
        Template::Smoke => &[][..],
        Template::LlmStudy => LLM_STUDY,
        Template::Payload => PAYLOAD,
    };
    let smoke = if prebuilt::RELEASE.is_some() {
        SMOKE
    } else {
        SMOKE_WITHOUT_RUST
    };
    OWN.iter().chain(smoke).chain(EVERY).chain(added).collect()
}

/// Returns what the Rust variant's program is made from, by its path in the variant's folder.
pub fn rust_sources() -> BTreeMap<&'static str, &'static [u8]> {
    let within =
        |file: &StudyFile| Some((file.path.strip_prefix("functions/rust/")?, file.contents));
    EVERY
        .iter()
        .filter_map(within)
        .filter(|(path, _)| *path != "variant.toml")
        .collect()
}

/// Embeds files of this repository under their own paths.
macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(StudyFile { path: $path, contents: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../", $path)) }),*]
    };
}

/// What only a study has: a repository has other files under these names.
const OWN: &[StudyFile] = &[
    StudyFile {
        path: ".gitignore",
        contents: include_bytes!("texts/gitignore"),
    },
    StudyFile {
        path: "README.md",
        contents: include_bytes!("texts/README.md"),
    },
];

/// Rust against Pillow: what a release with the Rust variant's program begins with.
const SMOKE: &[StudyFile] = embedded!["manifests/smoke.toml"];

/// Two variants in Python: what can be measured without a compiler in any case.
const SMOKE_WITHOUT_RUST: &[StudyFile] = &[StudyFile {
    path: "manifests/smoke.toml",
    contents: include_bytes!("texts/smoke.toml"),
}];

const LLM_STUDY: &[StudyFile] = embedded!["docs/llm-studies.md", "manifests/llm-study.toml",];

const PAYLOAD: &[StudyFile] = embedded![
    "experiments/payload-pipeline/pipeline.toml",
    "functions/pillow-payload/colour_depth.py",
    "functions/pillow-payload/convert.py",
    "functions/pillow-payload/greyscale.py",
    "functions/pillow-payload/payload.py",
    "functions/pillow-payload/requirements.txt",
    "functions/pillow-payload/resize.py",
    "functions/pillow-payload/rotate.py",
    "functions/pillow-payload/variant.toml",
    "manifests/payload.toml",
];

const EVERY: &[StudyFile] = embedded![
    "docs/aws.md",
    "experiments/image-pipeline/README.md",
    "experiments/image-pipeline/generated/requirements.txt",
    "experiments/image-pipeline/image-sets/edge.toml",
    "experiments/image-pipeline/image-sets/edge/README.md",
    "experiments/image-pipeline/image-sets/edge/cmyk-as-rgb.png",
    "experiments/image-pipeline/image-sets/edge/cmyk.jpg",
    "experiments/image-pipeline/image-sets/edge/empty.png",
    "experiments/image-pipeline/image-sets/edge/exif-rotated.jpg",
    "experiments/image-pipeline/image-sets/edge/grey-as-rgb.png",
    "experiments/image-pipeline/image-sets/edge/grey.png",
    "experiments/image-pipeline/image-sets/edge/huge.png",
    "experiments/image-pipeline/image-sets/edge/make.py",
    "experiments/image-pipeline/image-sets/edge/no-image.png",
    "experiments/image-pipeline/image-sets/edge/one-pixel.png",
    "experiments/image-pipeline/image-sets/edge/one-row.png",
    "experiments/image-pipeline/image-sets/edge/palette-as-rgb.png",
    "experiments/image-pipeline/image-sets/edge/palette.png",
    "experiments/image-pipeline/image-sets/edge/progressive.jpg",
    "experiments/image-pipeline/image-sets/edge/rgb.png",
    "experiments/image-pipeline/image-sets/edge/rgba.png",
    "experiments/image-pipeline/image-sets/edge/subsampled.jpg",
    "experiments/image-pipeline/image-sets/edge/truncated-png.png",
    "experiments/image-pipeline/image-sets/edge/truncated.jpg",
    "experiments/image-pipeline/image-sets/photos.toml",
    "experiments/image-pipeline/image-sets/photos/README.md",
    "experiments/image-pipeline/image-sets/photos/astronaut.png",
    "experiments/image-pipeline/image-sets/photos/chelsea.png",
    "experiments/image-pipeline/image-sets/photos/coffee.png",
    "experiments/image-pipeline/image-sets/photos/hubble_deep_field.jpg",
    "experiments/image-pipeline/image-sets/photos/retina.jpg",
    "experiments/image-pipeline/image-sets/photos/rocket.jpg",
    "experiments/image-pipeline/image-sets/sizes.toml",
    "experiments/image-pipeline/image-sets/ten-bit.toml",
    "experiments/image-pipeline/local-models/README.md",
    "experiments/image-pipeline/local-models/requirements.txt",
    "experiments/image-pipeline/local-models/serve.py",
    "experiments/image-pipeline/models.toml",
    "experiments/image-pipeline/pipeline.toml",
    "experiments/image-pipeline/prompts/hints.md",
    "experiments/prices/ap-northeast-1.toml",
    "experiments/prices/ap-southeast-2.toml",
    "experiments/prices/eu-central-1.toml",
    "experiments/prices/eu-central-2.toml",
    "experiments/prices/eu-north-1.toml",
    "experiments/prices/eu-west-1.toml",
    "experiments/prices/us-east-1.toml",
    "experiments/prices/us-east-2.toml",
    "experiments/prices/us-west-2.toml",
    "functions/broken-example/colour_depth.py",
    "functions/broken-example/convert.py",
    "functions/broken-example/greyscale.py",
    "functions/broken-example/objects.py",
    "functions/broken-example/requirements.txt",
    "functions/broken-example/resize.py",
    "functions/broken-example/rotate.py",
    "functions/broken-example/variant.toml",
    "functions/numpy/colour_depth.py",
    "functions/numpy/convert.py",
    "functions/numpy/greyscale.py",
    "functions/numpy/objects.py",
    "functions/numpy/requirements.txt",
    "functions/numpy/resize.py",
    "functions/numpy/rotate.py",
    "functions/numpy/variant.toml",
    "functions/pillow/colour_depth.py",
    "functions/pillow/convert.py",
    "functions/pillow/greyscale.py",
    "functions/pillow/objects.py",
    "functions/pillow/requirements.txt",
    "functions/pillow/resize.py",
    "functions/pillow/rotate.py",
    "functions/pillow/variant.toml",
    "functions/rust/Cargo.lock",
    "functions/rust/Cargo.toml",
    "functions/rust/README.md",
    "functions/rust/examples/stage.rs",
    "functions/rust/src/event.rs",
    "functions/rust/src/lib.rs",
    "functions/rust/src/main.rs",
    "functions/rust/src/objects.rs",
    "functions/rust/src/profile.rs",
    "functions/rust/src/stages/colour_depth.rs",
    "functions/rust/src/stages/convert.rs",
    "functions/rust/src/stages/greyscale.rs",
    "functions/rust/src/stages/mod.rs",
    "functions/rust/src/stages/resize.rs",
    "functions/rust/src/stages/rotate.rs",
    "functions/rust/variant.toml",
    "manifests/aws-first.toml",
    "manifests/manifest.schema.json",
    "outputs/README.md",
];
