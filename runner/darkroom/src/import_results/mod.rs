//! Rows that another tool measured → facts of a run. What it did not record stays unknown.
//!
//! Files and their map in, [`Event`](darkroom_core::event::Event)s out. Nothing is guessed: a level
//! comes from a column or from a constant in the map, and an unreadable row is refused with its
//! place and the reason.

mod json;
mod map;
mod refused;
mod rows;
mod shape;
mod take;
mod text;
mod words;

pub use map::{Field, Map, MapError};
pub use refused::refusal_lines;
pub use rows::{Found, Raw, read};
pub use shape::meant;
pub use take::{Status, Taken, take};
pub use words::{Ended, looks_like};
