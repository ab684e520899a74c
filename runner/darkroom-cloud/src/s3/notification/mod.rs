//! S3 event notifications: what a bucket is configured to tell whom, and the events it tells.
//!
//! Knows functions only as ARNs behind two small traits, which the Lambda side implements.

mod configuration;
mod event;
mod functions;

pub use configuration::{Invalid, NotificationRule, NotificationSettings};
pub use event::{ObjectChange, Sequencer, payload};
pub use functions::{EventTarget, FunctionDirectory};
