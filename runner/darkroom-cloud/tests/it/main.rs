//! The local cloud, driven through the public AWS SDK as any client would.

mod s3;
mod sandbox;
