//! The local cloud, driven through the public AWS SDK as any client would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod lambda;
mod loops;

mod logs;
mod metrics;
mod names;
mod s3;
mod sandbox;
mod serving;
mod streaming;
