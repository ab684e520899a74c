//! One session of a run, from a valid manifest to a journal: this module ties the others together.
//!
//! A run may take several sessions, all in its one folder. The command that runs one
//! (`command/run.rs`) reads like the data flow: plan, measure, show.

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
mod refusal;
mod run_handle;

pub use configuration::Configuration;
pub use job::Job;
pub use measure::{Measured, measure};
pub use mode::{SessionMode, choose_mode, nothing_to_resume};
pub use money::{how_to_go_on, may_begin};
pub use run_handle::{RunHandle, open_run};
