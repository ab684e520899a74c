//! An embedded local cloud on the loopback interface: Lambda, S3, CloudWatch, Logs. It knows
//! nothing about experiments, and prints nothing.
//!
//! [`LocalCloud::start`] binds one port on 127.0.0.1 for all services. A request goes through
//! `server` (is the sender allowed, which service) → `lambda::api`, S3, logs or metrics → for an
//! invocation, [`lambda::environment`] → `sandbox`.

pub mod access;
mod bridges;
mod cloud;
mod disk;
pub mod emulator;
#[cfg(test)]
mod hostile;
mod iam;
pub mod keys;
pub mod lambda;
pub mod lineage;
pub mod logs;
pub mod metrics;
pub mod python;
pub mod s3;
pub mod sandbox;
mod scratch;
mod server;
mod wildcard;
mod xml;

pub use cloud::{Config, LocalCloud, StartError};

/// The account that every ARN of the local cloud names.
pub const ACCOUNT_ID: &str = "000000000000";
