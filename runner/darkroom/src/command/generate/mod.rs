//! `darkroom generate`: asks models for variants, those that a manifest declares or a single model
//! of the arguments; or prints the prompts.

mod chosen;
mod keys;
mod many;
mod one;
mod shown;
mod wrong;

pub use chosen::run;
