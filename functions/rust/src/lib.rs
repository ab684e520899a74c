//! The image pipeline's stages, without Lambda and S3 around them.

pub mod stages;
