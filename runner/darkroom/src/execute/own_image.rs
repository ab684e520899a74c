//! Makes the image of a probe, or of a repetition with `vary_inputs`: the set's image with changed
//! pixels.
//!
//! Outside of the timed part. The seed comes from the pass, so a journal shows which pixels it had.

use std::sync::{Arc, OnceLock};

use darkroom_contract::{NoOwnPixels, NoReference, with_own_pixels};
use darkroom_core::event::PassKey;
use sha2::{Digest, Sha256};

use super::{Image, Setup};

/// Why an image has no pixels of its own.
#[derive(Debug, thiserror::Error)]
pub enum NoOwnImage {
    #[error("another image stands for it in the contract")]
    JudgedAsAnother,
    #[error(transparent)]
    Pixels(#[from] NoOwnPixels),
    #[error(transparent)]
    Reference(#[from] NoReference),
    #[error(transparent)]
    Panic(#[from] tokio::task::JoinError),
}

/// Returns the image of a pass with pixels of its own, and the reference inputs that follow from
/// them; or why there is none. The set's image has its reference inputs then, too.
pub async fn own_image(
    setup: &Setup,
    images: &Arc<[Image]>,
    index: usize,
    key: &PassKey,
) -> Result<Arc<Image>, NoOwnImage> {
    if images[index].judged_as.is_some() {
        return Err(NoOwnImage::JudgedAsAnother);
    }
    let seed = seed(setup, key);
    let (images, pipeline) = (images.clone(), setup.pipeline.clone());
    let made = tokio::task::spawn_blocking(move || {
        let image = &images[index];
        image.reference_inputs(&pipeline)?;
        let bytes = with_own_pixels(&image.bytes, seed)?;
        let own = Image {
            bytes: bytes.into(),
            reference_inputs: OnceLock::new(),
            ..image.clone()
        };
        own.reference_inputs(&pipeline)?;
        Ok(Arc::new(own))
    });
    made.await.unwrap_or_else(|error| Err(error.into()))
}

fn seed(setup: &Setup, key: &PassKey) -> u64 {
    let PassKey {
        cell_id,
        deployment,
        image,
        warm_up: _,
        probe,
        repetition,
        attempt,
    } = key;
    let (run, seed) = (&setup.run_id, setup.seed);
    let pass =
        format!("{seed}/{run}/{cell_id}/{deployment}/{image}/{probe}/{repetition}/{attempt}");
    let digest = Sha256::digest(pass);
    u64::from_le_bytes(*digest.first_chunk().expect("a digest of 32 bytes"))
}
