//! Corrects the error documents that `s3s` writes, so that they match S3's: it parses the document,
//! changes what differs, and writes it again. It also carries what operations add to their answer.
//!
//! To make this file unnecessary, `s3s` (0.14) would need: further elements on `S3Error` (`Key`,
//! `BucketName`), which a header carries today that never leaves the process; a hook for
//! `RequestId` and `HostId`; S3's codes for malformed authorisation; an output of
//! `DeleteObjectTagging` with its status; an `ETag` without quotes in `GetObjectAttributes`.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use s3s::{Body, S3Error, s3_error};

use super::url::{decode, encode_key, parse_pairs};
use crate::xml;

/// Carries further fields of an error document through `s3s`.
const FIELDS: HeaderName = HeaderName::from_static("x-darkroom-error-fields");

/// The two ids that S3 gives every request.
#[derive(Debug, Clone, Default)]
pub struct RequestIds {
    pub request_id: String,
    pub host_id: String,
}

impl RequestIds {
    pub fn new() -> Self {
        let (a, b) = (
            uuid::Uuid::new_v4().simple().to_string(),
            uuid::Uuid::new_v4().simple().to_string(),
        );
        Self {
            request_id: a[..16].to_ascii_uppercase(),
            host_id: format!("{}{b}", &a[16..]),
        }
    }
}

/// Beside an answer that is a 204 where `s3s` makes it a 200.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

/// Adds fields (`Key`, `BucketName`, ...) to the error document that the client gets.
pub fn with_fields(mut error: S3Error, fields: &[(&str, &str)]) -> S3Error {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode_key(value)))
        .collect();
    let mut headers = error.headers().cloned().unwrap_or_default();
    if let Ok(value) = HeaderValue::from_str(&pairs.join("&")) {
        headers.insert(FIELDS, value);
    }
    error.set_headers(headers);
    error
}

/// Returns an answer for what went wrong inside.
pub fn failed(reason: &str) -> Response<Body> {
    let error = s3_error!(InternalError, "We encountered an internal error: {reason}");
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// Makes of an error's answer the one that S3 gives; others stay as they are. `resource` is the
/// path of the request, `head` says that it asked for no body.
pub async fn completed(
    response: Response<Body>,
    head: bool,
    resource: &str,
    ids: &RequestIds,
) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let more = take_fields(&mut parts.headers);
    if parts.status == StatusCode::NOT_MODIFIED {
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    if !parts.status.is_client_error() && !parts.status.is_server_error() {
        return Response::from_parts(parts, body);
    }
    let Ok(text) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.remove(CONTENT_LENGTH);
    if head {
        return Response::from_parts(parts, Body::empty());
    }
    let text = String::from_utf8_lossy(&text);
    let Some(said) = xml::fields(&text) else {
        return Response::from_parts(parts, Body::from(text.into_owned()));
    };
    parts
        .headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Response::from_parts(
        parts,
        Body::from(ErrorDocument::read(said).written(more, resource, ids)),
    )
}

fn take_fields(headers: &mut HeaderMap) -> Vec<(String, String)> {
    let fields = headers.remove(FIELDS);
    parse_pairs(
        fields
            .as_ref()
            .and_then(|fields| fields.to_str().ok())
            .unwrap_or_default(),
    )
}

/// What an error says.
struct ErrorDocument {
    code: String,
    message: String,
    others: Vec<(String, String)>,
}

impl ErrorDocument {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut error = Self {
            code: String::new(),
            message: String::new(),
            others: Vec::new(),
        };
        for (name, text) in fields {
            match name.as_str() {
                "Code" => error.code = text,
                "Message" => error.message = text,
                _ => error.others.push((name, text)),
            }
        }
        error
    }

    fn written(
        mut self,
        mut more: Vec<(String, String)>,
        resource: &str,
        ids: &RequestIds,
    ) -> String {
        self.reword();
        if more.is_empty() && self.code == "InvalidBucketName" {
            let bucket = resource
                .trim_start_matches('/')
                .split('/')
                .next()
                .unwrap_or_default();
            more.push(("BucketName".to_owned(), decode(bucket)));
        }
        let Self {
            code,
            message,
            others,
        } = self;
        let message = if message.is_empty() {
            default_message(&code).to_owned()
        } else {
            message
        };
        let ids = [("RequestId", &ids.request_id), ("HostId", &ids.host_id)];
        let fields = [xml::text("Code", code), xml::text("Message", message)].into_iter();
        let fields = fields.chain(
            others
                .into_iter()
                .chain(more)
                .map(|(name, value)| xml::text(name, value)),
        );
        let fields = fields.chain(ids.map(|(name, value)| xml::text(name, value)));
        xml::element("Error", fields).declared()
    }

    /// Puts S3's code and words to what `s3s` says in its own.
    fn reword(&mut self) {
        const WORDS: [(&str, &str, &str, &str); 3] = [
            (
                "InvalidRequest",
                "invalid header: authorization",
                "AuthorizationHeaderMalformed",
                "The authorization header is malformed; the Credential is mal-formed; expecting \
                 \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
            ),
            (
                "InvalidArgument",
                "invalid header: x-amz-copy-source",
                "InvalidArgument",
                "Invalid copy source object key",
            ),
            (
                "InvalidRequest",
                "missing presigned url v4 fields",
                "AuthorizationQueryParametersError",
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
                 X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            ),
        ];
        let said = |(code, begin, ..): &(&str, &str, &str, &str)| {
            self.code == *code && self.message.starts_with(begin)
        };
        if let Some((_, _, code, message)) = WORDS.into_iter().find(said) {
            code.clone_into(&mut self.code);
            message.clone_into(&mut self.message);
        }
    }
}

/// The message that S3 gives with a code where `s3s` gives none.
fn default_message(code: &str) -> &'static str {
    match code {
        "AccessDenied" => "Access Denied",
        "SignatureDoesNotMatch" => {
            "The request signature we calculated does not match the signature you provided. Check your key and signing method."
        }
        "InvalidBucketName" => "The specified bucket is not valid.",
        "KeyTooLongError" => "Your key is too long",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "NotImplemented" => "A header you provided implies functionality that is not implemented",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header."
        }
        "MaxMessageLengthExceeded" => "Your request was too big.",
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidArgument" => "Invalid Argument",
        _ => "The request is not valid.",
    }
}

/// `GetObjectAttributes` is the one answer whose `ETag` has no quotes.
pub async fn without_etag_quotes(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(text) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return failed("the answer ended early");
    };
    let text = String::from_utf8_lossy(&text)
        .replace("<ETag>\"", "<ETag>")
        .replace("\"</ETag>", "</ETag>");
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(document: &str, more: &[(&str, &str)]) -> String {
        let ids = RequestIds {
            request_id: "R".into(),
            host_id: "H".into(),
        };
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ErrorDocument::read(xml::fields(document).unwrap()).written(more, "/my_bucket/key", &ids)
    }

    #[test]
    fn an_error_document_gets_message_fields_and_ids() {
        assert_eq!(
            written(
                "<Error><Code>AccessDenied</Code></Error>",
                &[("Key", "a<b")]
            ),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message>\
             <Key>a&lt;b</Key><RequestId>R</RequestId><HostId>H</HostId></Error>"
        );
    }

    #[test]
    fn what_s3s_says_in_its_own_words_is_said_in_s3s() {
        let text = written(
            "<Error><Code>InvalidRequest</Code><Message>invalid header: authorization: x</Message></Error>",
            &[],
        );
        assert!(
            text.contains("<Code>AuthorizationHeaderMalformed</Code>"),
            "{text}"
        );
        assert!(
            text.contains("expecting \"&lt;YOUR-AKID&gt;")
                || text.contains("expecting &quot;&lt;YOUR-AKID&gt;"),
            "{text}"
        );
        let text = written("<Error><Code>InvalidBucketName</Code></Error>", &[]);
        assert!(
            text.contains("<BucketName>my_bucket</BucketName>"),
            "{text}"
        );
    }
}
