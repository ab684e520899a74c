//! A bucket's settings, as stored in `bucket.json`. A new bucket has S3's defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fields that an older file lacks have their defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub region: String,
    pub tags: BTreeMap<String, String>,
    pub notifications: super::notification::NotificationSettings,
    /// `None` once it was deleted.
    pub public_access: Option<PublicAccess>,
    /// `ObjectOwnership`; `None` once it was deleted.
    pub ownership: Option<String>,
    pub encryption: Encryption,
    /// The bucket policy's text.
    pub policy: Option<String>,
    /// Kept and given back; nothing expires here by itself.
    pub lifecycle: Vec<ExpiryRule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: String::new(),
            tags: BTreeMap::new(),
            notifications: super::notification::NotificationSettings::default(),
            public_access: Some(PublicAccess::default()),
            ownership: Some("BucketOwnerEnforced".to_owned()),
            encryption: Encryption::default(),
            policy: None,
            lifecycle: Vec::new(),
        }
    }
}

/// A lifecycle rule that removes what has become old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpiryRule {
    pub id: Option<String>,
    pub enabled: bool,
    pub prefix: String,
    /// Days after which objects go.
    pub objects_days: Option<i32>,
    /// Days after which unfinished multipart uploads go.
    pub uploads_days: Option<i32>,
}

/// `PublicAccessBlockConfiguration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the four switches of S3")]
pub struct PublicAccess {
    pub block_acls: bool,
    pub ignore_acls: bool,
    pub block_policy: bool,
    pub restrict_buckets: bool,
}

impl Default for PublicAccess {
    fn default() -> Self {
        Self {
            block_acls: true,
            ignore_acls: true,
            block_policy: true,
            restrict_buckets: true,
        }
    }
}

/// The default encryption of new objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    pub algorithm: String,
    pub key_id: Option<String>,
    pub bucket_key: bool,
}

impl Default for Encryption {
    fn default() -> Self {
        Self {
            algorithm: "AES256".to_owned(),
            key_id: None,
            bucket_key: false,
        }
    }
}
