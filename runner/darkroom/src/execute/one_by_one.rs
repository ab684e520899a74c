//! Passes that only check outputs: every image of every cell in order, without warm-ups and
//! repeated attempts.

use std::sync::atomic::AtomicU64;

use darkroom_core::event::PassKey;

use super::clocks::Clocks;
use super::collect_logs::Served;
use super::gate::Gate;
use super::pacing::Tried;
use super::pass::{self, Bench, Pass};
use super::reconcile::Recorded;
use super::trigger_s3::Memory;
use super::{ExecuteError, Setup};
use crate::record::Emitter;

/// Makes `repetitions` passes of each image, one after another, and emits their facts.
pub async fn one_by_one(
    setup: Setup,
    repetitions: u32,
    emitter: Emitter,
) -> Result<(), ExecuteError> {
    let bench = Bench {
        gate: Gate::every_time(setup.pictures.clone()),
        setup,
        served: Served::default(),
        recorded: Recorded::default(),
        triggered: Memory::default(),
        clocks: Clocks::default(),
        sequence: AtomicU64::new(0),
        emitter,
    };
    for (cell_index, cell) in bench.setup.cells.iter().enumerate() {
        for repetition in 1..=repetitions {
            for (image_index, image) in cell.images.iter().enumerate() {
                let (cell_id, image) = (cell.id.clone(), image.name.clone());
                let key = PassKey {
                    cell_id,
                    deployment: 1,
                    image,
                    warm_up: false,
                    probe: false,
                    repetition,
                    attempt: 1,
                };
                let pass = Pass {
                    cell_index,
                    image_index,
                    key,
                    scheduled_at: super::now(),
                    round: None,
                    together: None,
                    delivery: None,
                    image: None,
                    others_under_way: 0,
                };
                pass::run(&bench, &pass, Tried::ONCE).await?;
            }
        }
    }
    Ok(())
}
