//! One file per command. A command reads what it needs, calls other modules, and returns an outcome
//! or a failure.

pub mod aggregate;
mod calibrate;
mod cells;
mod check;
mod clean;
mod compare;
mod completions;
mod cost;
mod dispatch;
mod doctor;
mod doctor_aws;
mod export;
mod generate;
mod iam_policy;
mod import;
mod import_results;
mod init;
mod manual;
mod notes;
mod plan;
mod prices;
pub mod publish;
pub mod report;
pub mod resume;
mod run;
mod schema;
mod serve;
mod validate;
mod verify;

pub use dispatch::{dispatch as run, version};
use notes::{say_what_differs, say_what_is_left_alone, say_which};
