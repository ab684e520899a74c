//! S3's answer to a form that was stored: nothing, a document, or a redirect. Pure.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use http::{Response, StatusCode, Uri};
use s3s::Body;

use super::super::url::encode_key;
use super::multipart::Form;
use crate::xml;

/// The answer that a form asks for, before it is known what the object's `ETag` is.
pub struct Answer {
    status: StatusCode,
    redirect: Option<String>,
    bucket: String,
    key: String,
    /// The object's own URL.
    url: String,
}

impl Answer {
    /// Reads what the form asks for. What can't be read as a status or a URL counts as not said.
    pub fn of(form: &Form, host: &str, bucket: &str, key: &str) -> Self {
        let is_url = |url: &&str| {
            url.parse::<Uri>()
                .is_ok_and(|url| url.scheme().is_some() && url.authority().is_some())
        };
        let redirect = form
            .get("success_action_redirect")
            .or_else(|| form.get("redirect"));
        let status = match form.get("success_action_status") {
            Some("200") => StatusCode::OK,
            Some("201") => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        Self {
            status,
            redirect: redirect.filter(is_url).map(ToOwned::to_owned),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            url: format!(
                "http://{host}/{bucket}/{}",
                encode_key(key).replace('+', "%20")
            ),
        }
    }

    pub fn with_etag(self, etag: &str) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        let mut location = self.url.clone();
        if let Some(redirect) = &self.redirect {
            *response.status_mut() = StatusCode::SEE_OTHER;
            let more = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("bucket", self.bucket.as_str()),
                    ("key", &self.key),
                    ("etag", etag),
                ])
                .finish();
            location = format!(
                "{redirect}{}{more}",
                if redirect.contains('?') { '&' } else { '?' }
            );
        } else if self.status == StatusCode::CREATED {
            *response.body_mut() = Body::from(Bytes::from(self.document(etag)));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        }
        for (name, value) in [(LOCATION, location.as_str()), (ETAG, etag)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    fn document(&self, etag: &str) -> String {
        let said = [
            ("Location", self.url.as_str()),
            ("Bucket", &self.bucket),
            ("Key", &self.key),
            ("ETag", etag),
        ];
        xml::element(
            "PostResponse",
            said.map(|(name, value)| xml::text(name, value)),
        )
        .declared()
    }
}
