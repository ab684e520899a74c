//! The local cloud, driven through the public AWS SDK as any client would.

mod lambda;
mod logs;
mod metrics;
mod s3;
mod sandbox;
mod serving;
