//! The configuration of a run: a valid manifest, what it names, and the prices of its region.
//!
//! A command builds it once and hands it down. Two runs have the same configuration if their
//! fingerprints are equal.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use darkroom_core::adapt::Adapt;
use darkroom_core::capability::Capability;
use darkroom_core::cost::PriceTable;
use darkroom_core::event::RunStarted;
use darkroom_core::image_set::Source;
use darkroom_core::manifest::{Budget, Known, Manifest, Repetitions, Schedule};
use darkroom_core::pipeline::Pipeline;
use darkroom_core::plan::Plan;
use sha2::{Digest, Sha256};

use super::differences::{differences, listed};
use crate::project::Project;

/// What a run is of; everything in it has been read.
#[derive(Clone, Copy)]
pub struct Configuration<'a> {
    pub project: &'a Project,
    pub manifest: &'a Manifest,
    pub known: &'a Known,
    /// What the manifest's target can do.
    pub capability: &'a Capability,
    /// Of the target's region; `None` where they are not known.
    pub prices: Option<&'a PriceTable>,
}

impl<'a> Configuration<'a> {
    /// Returns the pipeline that the manifest names.
    pub fn pipeline(&self) -> &'a Pipeline {
        let name = &self.manifest.experiment.pipeline;
        self.known
            .pipeline(name)
            .expect("a valid manifest names a pipeline that can be read")
    }

    /// Returns what is to be done, cell by cell.
    pub fn plan(&self) -> Plan<'a> {
        Plan::new(self.manifest, self.known, self.capability)
    }

    /// Returns the same with another manifest of the same project.
    pub fn with_manifest<'b>(self, manifest: &'b Manifest) -> Configuration<'b>
    where
        'a: 'b,
    {
        Configuration { manifest, ..self }
    }
}

/// Returns the resolved manifest as text: the run's whole configuration.
pub fn resolved(manifest: &Manifest) -> String {
    toml::to_string(manifest).expect("a manifest is made of tables, lists, strings and numbers")
}

/// Returns the sha256 of the resolved manifest, its pipeline, its images and its variants' habits,
/// hex: two runs with the same one have one configuration.
///
/// The pipeline belongs to it because it says what stages there are and what their outputs are held
/// against; an image because other bytes under the same name are other work.
pub fn fingerprint(configuration: Configuration<'_>) -> String {
    // What a run may cost and how much of it is under way at once say nothing of what it measures,
    // and another session may be allowed more.
    let manifest = Manifest {
        budget: Budget::default(),
        schedule: Schedule {
            lanes: None,
            ..configuration.manifest.schedule.clone()
        },
        ..configuration.manifest.clone()
    };
    let pipeline = pipeline_text(configuration.pipeline());
    hex::encode(Sha256::digest(
        resolved(&manifest) + &pipeline + &images(configuration) + &habits(configuration),
    ))
}

/// Returns the manifest with another number of repetitions.
pub fn with_count(manifest: &Manifest, count: u32) -> Manifest {
    let repetitions = Repetitions {
        count,
        ..manifest.repetitions.clone()
    };
    Manifest {
        repetitions,
        ..manifest.clone()
    }
}

/// Says in what this configuration differs from the one that a run in `folder` was begun with.
pub fn what_differs(configuration: Configuration<'_>, run: &RunStarted, folder: &Path) -> String {
    let there = std::fs::read_to_string(folder.join("manifest.toml")).unwrap_or_default();
    let found = differences(&there, &resolved(configuration.manifest));
    let pipeline = hex::encode(Sha256::digest(pipeline_text(configuration.pipeline())));
    if !found.is_empty() {
        listed(&found)
    } else if run
        .pipeline_sha256
        .as_ref()
        .is_some_and(|before| *before != pipeline)
    {
        format!(
            "experiments/{}/pipeline.toml has changed since",
            run.pipeline
        )
    } else {
        "one of its images, [adapt] of a variant.toml, or manifest.toml in the run's folder has \
         changed since"
            .to_owned()
    }
}

/// Returns everything that the pipeline says.
pub fn pipeline_text(pipeline: &Pipeline) -> String {
    serde_json::to_string(pipeline).expect("a pipeline is plain values")
}

/// Returns what every image of the manifest's sets is, a line each. A set that can't be read is
/// found out when it is used.
fn images(configuration: Configuration<'_>) -> String {
    let Manifest {
        experiment, matrix, ..
    } = configuration.manifest;
    let included = matrix
        .include
        .iter()
        .filter_map(|levels| levels.image_set.as_ref());
    let sets: BTreeSet<&String> = matrix.image_sets.iter().chain(included).collect();
    let mut text = String::new();
    for set in sets {
        let images = configuration
            .project
            .image_set(&experiment.pipeline, set)
            .map(|set| set.images)
            .unwrap_or_default();
        for image in images {
            let what = match image.source {
                Source::File { sha256, .. } => sha256,
                Source::Generated {
                    width,
                    height,
                    seed,
                    format,
                } => {
                    format!("{width}x{height} {seed} {}", format.extension())
                }
                Source::Pattern {
                    pattern,
                    width,
                    height,
                } => format!("{width}x{height} {}", pattern.as_str()),
            };
            let _ = write!(text, "\n{set}/{} {what}", image.name);
        }
    }
    text
}

/// Returns how handlers are called that were not written for this project.
fn habits(configuration: Configuration<'_>) -> String {
    let matrix = &configuration.manifest.matrix;
    let included = matrix
        .include
        .iter()
        .filter_map(|levels| levels.variant.as_ref());
    let variants: BTreeSet<&String> = matrix.variants.iter().chain(included).collect();
    let adapted = |name: &String| {
        let adapt = &configuration.known.variant(name)?.adapt;
        let text = serde_json::to_string(adapt).expect("an adaptation is plain values");
        (*adapt != Adapt::default()).then(|| format!("{name}{text}\n"))
    };
    variants.into_iter().filter_map(adapted).collect()
}
