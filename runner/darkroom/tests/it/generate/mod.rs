//! Stories of `generate`, told to a scripted endpoint. What it answers is test data: no model wrote
//! it.

mod asking;
mod endpoints;
mod going_on;
mod measured;
mod outcomes;
mod project;
mod repairs;
mod unedited;

pub use project::{
    HANDLER, MODULES, fenced, generate, hand_written, models, outcome_of, project, provenance,
    right, text, told, whole_project,
};
