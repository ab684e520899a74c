//! A pipeline as data: its stages in order, the operations of each, and the check of its output.
//!
//! `experiments/<name>/pipeline.toml` → [`Pipeline`]. A stage is a list of [`Operation`]s, so a new
//! stage needs no Rust. The prompt's sentences are filled in from the same data as the check.
//! `darkroom-contract` computes the operations; [`crate::variant`] says what a handler is.

mod demands;
mod image;
mod operation;
mod parse;
mod stage;
mod transport;

pub use demands::{FromJpeg, InputSpec, OutputSpec, Qualities, Tolerance};
pub(crate) use image::parse_size;
pub use image::{Format, MAX_SIDE, Mode, SizeRule};
pub use operation::{Filter, Luma, Operation};
pub use stage::{Load, MAX_TIMEOUT_S, Pipeline, Stage};
pub use transport::{PAYLOAD_LIMIT, Transport, base64_bytes};
