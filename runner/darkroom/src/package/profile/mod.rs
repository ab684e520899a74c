//! The profile wrapper: what a package and its functions' configuration need so that it runs around
//! the handler.
//!
//! Python: a layer with our `bootstrap.py`, the Handler set to it, the real handler in a variable.
//! Others: a variable that asks a program which supports it (`functions/rust` does) to print the
//! same line. No variant's file is touched.

mod wrapper;

pub use wrapper::profiled;
