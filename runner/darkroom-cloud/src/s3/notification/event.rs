//! One event in the shape that AWS gives to a function.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::url::encode_key;

/// A change of one object.
#[derive(Debug, Clone, Copy)]
pub struct ObjectChange<'a> {
    /// Without the `s3:`, for example `ObjectCreated:Put`.
    pub event: &'a str,
    pub bucket: &'a str,
    pub region: &'a str,
    pub key: &'a str,
    /// Bytes and `ETag` of what was created; `None` if something was removed.
    pub created: Option<(u64, &'a str)>,
    /// Grows with every change of this cloud.
    pub sequencer: u64,
    pub at: jiff::Timestamp,
    /// The id that the changing request was answered with.
    pub request_id: &'a str,
    pub host_id: &'a str,
    pub principal_id: &'a str,
}

/// Hands out sequencers: each greater than the one before, across restarts too as long as the clock
/// does not go back.
#[derive(Debug, Default)]
pub struct Sequencer(AtomicU64);

impl Sequencer {
    pub fn next(&self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        let step = |last: u64| Some(now.max(last + 1));
        match self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
        {
            Ok(last) | Err(last) => now.max(last + 1),
        }
    }
}

/// Returns the payload that tells a function of `change`: one record.
pub fn payload(change: &ObjectChange<'_>, configuration_id: &str) -> Bytes {
    let mut object = json!({
        "key": encode_key(change.key),
        "sequencer": format!("{:018X}", change.sequencer),
    });
    if let Some((size, etag)) = change.created {
        object["size"] = size.into();
        object["eTag"] = etag.into();
    }
    Bytes::from(json!({ "Records": [record(change, configuration_id, &object)] }).to_string())
}

fn record(change: &ObjectChange<'_>, configuration_id: &str, object: &Value) -> Value {
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": change.region,
        "eventTime": change.at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "eventName": change.event,
        "userIdentity": { "principalId": format!("AWS:{}", change.principal_id) },
        "requestParameters": { "sourceIPAddress": "127.0.0.1" },
        "responseElements": { "x-amz-request-id": change.request_id, "x-amz-id-2": change.host_id },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": change.bucket,
                "ownerIdentity": { "principalId": super::super::OWNER_ID },
                "arn": format!("arn:aws:s3:::{}", change.bucket),
            },
            "object": object,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> ObjectChange<'static> {
        ObjectChange {
            event: "ObjectCreated:Put",
            bucket: "photos",
            region: "us-east-1",
            key: "in/my cat (1).png",
            created: Some((11, "abc")),
            sequencer: 0xFF,
            at: "2026-11-24T18:00:00.0455Z".parse().unwrap(),
            request_id: "R",
            host_id: "H",
            principal_id: "darkroom",
        }
    }

    #[test]
    fn a_created_object_is_told_with_its_encoded_key_size_and_etag() {
        let value: Value = serde_json::from_slice(&payload(&change(), "cfg")).unwrap();
        let record = &value["Records"][0];
        assert_eq!(record["eventTime"], "2026-11-24T18:00:00.045Z");
        assert_eq!(record["s3"]["configurationId"], "cfg");
        assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::photos");
        assert_eq!(
            record["s3"]["object"],
            json!({ "key": "in/my+cat+%281%29.png", "size": 11, "eTag": "abc", "sequencer": "0000000000000000FF" })
        );
    }

    #[test]
    fn a_removed_object_has_neither_size_nor_etag() {
        let removed = ObjectChange {
            event: "ObjectRemoved:Delete",
            created: None,
            ..change()
        };
        let value: Value = serde_json::from_slice(&payload(&removed, "cfg")).unwrap();
        let object = value["Records"][0]["s3"]["object"].as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), ["key", "sequencer"]);
    }

    #[test]
    fn sequencers_only_grow() {
        let sequencer = Sequencer::default();
        let mut last = 0;
        for _ in 0..10_000 {
            let next = sequencer.next();
            assert!(next > last);
            last = next;
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        /// What a handler decodes is the key, whatever it holds.
        #[test]
        fn any_key_comes_back_out_of_its_event(key: String) {
            let value: Value = serde_json::from_slice(&payload(&ObjectChange { key: &key, ..change() }, "cfg")).unwrap();
            let encoded = format!("k={}", value["Records"][0]["s3"]["object"]["key"].as_str().unwrap());
            let (_, decoded) = form_urlencoded::parse(encoded.as_bytes()).next().unwrap();
            proptest::prop_assert_eq!(&*decoded, key.as_str());
        }
    }
}
