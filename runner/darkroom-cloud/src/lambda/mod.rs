//! Lambda: the execution environments that run handlers.

pub mod environment;
