//! An embedded, loopback-only local cloud: Lambda, S3, CloudWatch, Logs. Knows nothing of experiments.

pub mod lambda;
pub mod s3;
pub mod sandbox;
pub mod logs;
pub mod metrics;
