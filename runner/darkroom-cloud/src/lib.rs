//! stub

pub mod python;
