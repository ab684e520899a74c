//! How images get from one stage to the next, and how large a payload may be.

use serde::{Deserialize, Serialize};

/// Most bytes of JSON that one synchronous invocation takes or gives. Source: Lambda quotas,
/// "Invocation payload" (6 MB), and the number that Invoke names when it refuses more.
pub const PAYLOAD_LIMIT: u64 = 6_291_456;

/// Returns how many characters of base64 `bytes` bytes make, with padding.
pub const fn base64_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

/// How an image comes to a stage and from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// As S3 objects: a stage gets the notification of its input and writes its output object.
    #[default]
    S3,
    /// As base64 in the JSON payload: the runner hands each stage's answer to the next, and the
    /// last writes to S3.
    Payload,
}

impl Transport {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Payload => "payload",
        }
    }
}
