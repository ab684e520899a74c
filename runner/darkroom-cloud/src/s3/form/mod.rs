//! Uploads by HTML forms, as a browser or `generate_presigned_post` sends them.
//!
//! A POST of `multipart/form-data` → an object, if the form's policy allows it, and S3's answer.
//! `s3s` reads such forms too, but keeps `${filename}` as it is, accepts no policy signed more than
//! 15 minutes ago, and refuses with other codes. Source: Amazon S3 API reference, "POST Object" and
//! "Browser-based uploads".

mod answer;
mod multipart;
mod policy;
mod upload;

pub use upload::{is_form, upload};
