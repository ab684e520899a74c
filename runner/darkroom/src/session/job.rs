//! What a session is asked to do.

use super::configuration::Configuration;
use super::mode::SessionMode;

/// What a session is to do.
pub struct Job<'a> {
    pub configuration: Configuration<'a>,
    pub mode: SessionMode,
    /// Someone has agreed to what it costs.
    pub yes: bool,
    /// What a whole run deployed stays, whatever the manifest says.
    pub keep: bool,
}
