//! The S3 event notification, as far as a stage needs it.

use lambda_runtime::Error;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct S3Event {
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
struct Object {
    key: String,
}

/// Where the input lies.
#[derive(Debug, PartialEq)]
pub struct Source {
    pub bucket: String,
    pub key: String,
}

impl S3Event {
    /// Returns the object that the first record names, its key decoded.
    pub fn object(self) -> Result<Source, Error> {
        let Entity { bucket, object } = self
            .records
            .into_iter()
            .next()
            .ok_or("the event has no record")?
            .s3;
        Ok(Source {
            bucket: bucket.name,
            key: decoded_key(&object.key)?,
        })
    }
}

/// S3 encodes keys in events as HTML forms do: a plus for a space, the rest in percent.
fn decoded_key(key: &str) -> Result<String, Error> {
    Ok(percent_decode_str(&key.replace('+', " "))
        .decode_utf8()?
        .into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_records_object_is_read_with_its_key_decoded() {
        let event = r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b","arn":"a"},
            "object":{"key":"in/a+b%2Bc%C3%A9.png","size":3}}}]}"#;
        let source = serde_json::from_str::<S3Event>(event)
            .unwrap()
            .object()
            .unwrap();
        assert_eq!(
            source,
            Source {
                bucket: "b".into(),
                key: "in/a b+cé.png".into()
            }
        );
    }

    #[test]
    fn an_event_without_records_is_an_error() {
        assert!(
            serde_json::from_str::<S3Event>(r#"{"Records":[]}"#)
                .unwrap()
                .object()
                .is_err()
        );
    }
}
