//! Finds everything that Darkroom made in an account, by tags and not by memory, and removes it.
//!
//! [`find`] → [`Found`], which a person can read first → [`remove`]. Works the same after a run
//! that ended, broke or was killed at any moment; a second time it finds nothing. Touches only what
//! carries the tag, with two exceptions: layers, which cannot have tags (their description says
//! it), and the log group of a tagged function, if Lambda made the group.

mod find;
mod found;
mod remove;

pub use find::find;
pub use found::{
    Found, FoundBucket, FoundFunction, FoundLayer, FoundLogGroup, FoundRole, Left, Unneeded, Which,
    size,
};
pub use remove::remove;

use found::AT_ONCE;
