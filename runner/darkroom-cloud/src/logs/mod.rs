//! CloudWatch Logs: groups, streams and events, appended on the hot path and read through the API.
//!
//! [`store`] keeps events in one append-only file and an index in memory; [`api`] speaks the
//! protocol that boto3 and the SDKs send (awsJson1.1); [`pattern`] is the filter language. Metrics
//! that lines embed are handed on. Knows no function and no experiment.

mod api;
mod pattern;
mod reader;
mod service;
mod store;

pub use service::Logs;
pub use store::LogError;
