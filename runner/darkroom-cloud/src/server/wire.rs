//! Bodies in and out: one response body type for every service, and reading a request's body within
//! a limit.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Incoming};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What every service answers with.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// What AWS percent-encodes: all but RFC 3986's unreserved characters.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Returns a body that is sent in one piece.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// Returns a JSON response.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    with_type(status, "application/json", body)
}

/// Returns a response of one content type.
pub(crate) fn with_type(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// Why a request's body was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Longer than the limit, by its length in bytes as far as it was read. The rest was thrown
    /// away, so that the client hears the answer.
    TooLarge(u64),
    /// The client hung up, or its framing is broken.
    Broken,
}

/// A body over the limit is read on and dropped up to this many bytes more; a longer one is cut
/// off.
const DRAIN: u64 = 512 * 1024 * 1024;

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read(body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let expected = body.size_hint().lower().min(limit as u64) as usize;
    let mut body = body;
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let (mut total, mut too_large) = (0_u64, false);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        total += data.len() as u64;
        if total > limit as u64 {
            too_large = true;
            (first, rest) = (None, BytesMut::new());
            if total > limit as u64 + DRAIN {
                break;
            }
        } else if !too_large {
            keep(&mut first, &mut rest, data, expected);
        }
    }
    if too_large {
        return Err(BodyError::TooLarge(total));
    }
    Ok(if rest.is_empty() {
        first.unwrap_or_default()
    } else {
        rest.freeze()
    })
}

/// Keeps a chunk; a body of one chunk, the common case, is never copied.
fn keep(first: &mut Option<Bytes>, rest: &mut BytesMut, data: Bytes, expected: usize) {
    if first.is_none() && rest.is_empty() {
        *first = Some(data);
        return;
    }
    if let Some(earlier) = first.take() {
        // Trust a declared length only as far as a small body goes; a liar must not make us
        // allocate.
        rest.reserve(
            expected
                .min(8 * 1024 * 1024)
                .max(earlier.len() + data.len()),
        );
        rest.extend_from_slice(&earlier);
    }
    rest.extend_from_slice(&data);
}

/// Returns a header's value if it is there and is text.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
