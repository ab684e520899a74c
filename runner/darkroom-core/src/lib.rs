//! Darkroom's pure core: what an experiment is, and what its facts mean.
//!
//! `manifest` text → [`manifest::Manifest`] → [`plan::Plan`] → [`schedule`] → (the binary executes)
//! → [`event::Event`] facts → [`statistics`] and [`cost`].
//!
//! Nothing here does I/O, reads a clock or the environment, or names a cloud SDK or Polars: text,
//! time, seeds and directory listings come in as arguments. This crate's `clippy.toml` enforces it.

pub mod adapt;
pub mod answer;
pub mod besides;
pub mod capability;
pub mod cell;
pub mod choice;
pub mod cost;
pub mod data_file;
pub mod estimate;
pub mod event;
pub mod image_set;
pub mod imported;
pub mod ledger;
pub mod manifest;
pub mod matrix;
pub mod models;
mod models_file;
pub mod month;
pub mod outcome;
pub mod pipeline;
pub mod plan;
pub mod price_list;
pub mod profile_line;
pub mod prompt;
pub mod report_line;
pub mod schedule;
pub mod selection;
pub mod shell;
pub mod shown;
pub mod snapshots;
pub mod spending;
pub mod statistics;
pub mod until;
pub mod variant;
