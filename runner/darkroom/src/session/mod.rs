//! One session of a run, from a valid manifest to a journal: the room that ties the others
//! together.
//!
//! A run may take several sessions; what makes them one run is its folder. The command that runs
//! one (`command/run.rs`) reads as the way through: plan, measure, show.

pub mod check;
mod configuration;
mod differences;
pub mod estimate;
mod images;
mod job;
mod leftovers;
mod measure;
mod mode;
mod money;
mod names;
mod prepare;
mod run_handle;

pub use configuration::Configuration;
pub use job::Job;
pub use measure::{Measured, measure};
pub use mode::{SessionMode, choose_mode, nothing_to_resume};
pub use money::{how_to_go_on, may_begin};
pub use run_handle::{RunHandle, open_run};
