//! Asks a model for a variant: prompts out, answers in, and a folder under `functions/` that appears
//! as a whole or not at all.
//!
//! [`Wish`] → the variant's folder ([`generate`]), with the stages that there is code for, and what
//! came instead of the others. Knows the project's folders and the endpoint; not
//! HTTP.

mod asking;
mod batch;
mod client;
mod error;
mod folder;
pub mod gate;
mod look;
mod questions;
mod reading;
mod record;
mod spending;
mod turns;
mod variant;
mod wish;

pub use batch::{Batch, ToAsk};
pub use client::{Endpoint, Message, ModelAnswer};
pub use error::{GenerateError, Problem};
pub use folder::Draft;
pub use questions::{Prompts, Questions, text_of};
pub use spending::{OverBudget, Spending};
pub use turns::{Turn, Turns};
pub use variant::{Gate, Made, generate};
pub use wish::{Template, Wish};
