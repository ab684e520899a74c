//! A cell with everything that a measurement needs: its deployed functions and its images.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use darkroom_contract::NoReference;
use darkroom_core::adapt::Habits;
use darkroom_core::cell::{Cell, CellId};
use darkroom_core::event::PassKey;
use darkroom_core::pipeline::Pipeline;
use darkroom_core::schedule::PlannedPass;

/// A deployed function, as execution needs to know it.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    /// The alias that is called, where environments are restored from the snapshot of a published
    /// version.
    pub qualifier: Option<&'static str>,
    /// CodeSha256 as Lambda reports it, proven equal to the package.
    pub code_sha256: String,
    /// Where it writes: `OUTPUT_PREFIX`, ends with `/`.
    pub output_prefix: String,
    /// Prefix of the objects whose creation starts it; `None` when the runner calls it.
    pub triggered_by: Option<String>,
    /// How its handler is called and understood.
    pub habits: Habits,
}

/// An image of an image set, read once per run.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: String,
    /// Of its object key, without the dot.
    pub extension: String,
    pub bytes: Bytes,
    /// What each stage is fed with `input = "reference"`, by stage index; made when a cell or a
    /// probe first asks for it.
    pub reference_inputs: OnceLock<Vec<Bytes>>,
    /// What the first stage's reference is made of, where that is not the image itself.
    pub judged_as: Option<Bytes>,
}

impl Image {
    /// Returns what the reference feeds each stage of `pipeline`, by stage index.
    pub fn reference_inputs(&self, pipeline: &Pipeline) -> Result<&[Bytes], NoReference> {
        if let Some(made) = self.reference_inputs.get() {
            return Ok(made);
        }
        let made = darkroom_contract::reference_inputs(pipeline, &self.bytes)?;
        Ok(self
            .reference_inputs
            .get_or_init(|| made.into_iter().map(Bytes::from).collect()))
    }
}

/// A cell with all it needs to be measured.
#[derive(Clone, Debug)]
pub struct CellUnderTest {
    pub id: CellId,
    pub cell: Cell,
    pub images: Arc<[Image]>,
    /// By deployment (from 0), then stage index; `None` for a stage that is not called: its model
    /// gave no code for it, or for one before it in the chain.
    pub deployments: Vec<Vec<Option<Function>>>,
}

impl CellUnderTest {
    /// Names an attempt of a planned pass of this cell.
    pub fn key(&self, planned: &PlannedPass, attempt: u32) -> PassKey {
        PassKey {
            cell_id: self.id.clone(),
            deployment: planned.deployment,
            image: self.images[planned.image].name.clone(),
            warm_up: planned.warm_up,
            probe: planned.probe,
            repetition: planned.repetition,
            attempt,
        }
    }
}
