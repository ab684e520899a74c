//! Makes the image of a probe, or of a repetition with `vary_inputs`: the set's, with pixels of its own.
//!
//! Outside the timed path. The seed is made of what the pass is, so a journal tells which pixels it had.

use std::sync::Arc;

use bytes::Bytes;
use darkroom_contract::{reference_inputs, with_own_pixels};
use darkroom_core::event::PassKey;
use sha2::{Digest, Sha256};

use super::{Image, Setup};

/// Returns the image of a pass with pixels of its own, and the reference inputs that follow from them; or why there is none.
pub async fn own_image(setup: &Setup, image: &Image, key: &PassKey) -> Result<Arc<Image>, String> {
    if image.judged_as.is_some() {
        return Err("another image stands for it in the contract".to_owned());
    }
    let seed = seed(setup, key);
    let (image, pipeline) = (image.clone(), setup.pipeline.clone());
    let made = tokio::task::spawn_blocking(move || {
        let bytes = with_own_pixels(&image.bytes, seed).map_err(|error| error.to_string())?;
        let reference_inputs = if image.reference_inputs.is_empty() {
            Vec::new()
        } else {
            let inputs = reference_inputs(&pipeline, &bytes).map_err(|error| error.to_string())?;
            inputs.into_iter().map(Bytes::from).collect()
        };
        Ok(Arc::new(Image { bytes: bytes.into(), reference_inputs, ..image }))
    });
    made.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn seed(setup: &Setup, key: &PassKey) -> u64 {
    let PassKey { cell_id, deployment, image, warm_up: _, probe, repetition, attempt } = key;
    let (run, seed) = (&setup.run_id, setup.seed);
    let pass = format!("{seed}/{run}/{cell_id}/{deployment}/{image}/{probe}/{repetition}/{attempt}");
    let digest = Sha256::digest(pass);
    u64::from_le_bytes(*digest.first_chunk().expect("a digest of 32 bytes"))
}
