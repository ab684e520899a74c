//! Reads the tags that come with the creation of a bucket; `s3s` passes over them.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Collected};
use quick_xml::Reader;
use quick_xml::events::Event;
use s3s::Body;

/// The tags of a bucket that is being made, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTags(pub Vec<(String, String)>);

/// Returns the request with its tags beside it, if it makes a bucket.
pub async fn with_tags(request: Request<Body>, bucket_in_host: bool) -> Request<Body> {
    let parts_of_path = usize::from(!bucket_in_host);
    let path = request.uri().path().trim_matches('/');
    let makes_bucket = request.method() == Method::PUT
        && request.uri().query().is_none()
        && path.split('/').filter(|part| !part.is_empty()).count() == parts_of_path;
    if !makes_bucket {
        return request;
    }
    let (mut parts, body) = request.into_parts();
    // A body that broke off fails its checksum.
    let body = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), Collected::to_bytes);
    let document = String::from_utf8_lossy(&body);
    parts
        .extensions
        .insert(NewTags(tags(&document).unwrap_or_default()));
    Request::from_parts(parts, Body::from(body))
}

/// Returns the keys and values of a document; `None` where it can't be read.
fn tags(document: &str) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_str(document);
    let (mut tags, mut key) = (Vec::new(), None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if matches!(start.name().as_ref(), b"Key" | b"Value") => {
                let text = reader.read_text(start.name()).ok()?;
                let text = text.decode().ok()?;
                let text = quick_xml::escape::unescape(&text).ok()?.into_owned();
                if start.name().as_ref() == b"Key" {
                    key = Some(text);
                } else {
                    tags.push((key.take()?, text));
                }
            }
            Event::Eof => return Some(tags),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_beside_a_region_and_unescaped() {
        let document = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint><Tags>\
                        <Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag><Tag><Key>b</Key><Value></Value></Tag></Tags>\
                        </CreateBucketConfiguration>";
        let expected = [("a", "1 & 2"), ("b", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(tags(document).unwrap(), expected);
        assert!(tags("").unwrap().is_empty());
        assert_eq!(tags("<a><Value>x</Value></a>"), None);
    }
}
