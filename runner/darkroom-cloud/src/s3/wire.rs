//! What S3 does around every operation: who is let in, which bucket a host names, request ids, error documents.
//!
//! Signatures are checked, against the secrets that the cloud was started with. An unsigned request is refused, as on a
//! bucket that is not public.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RANGE};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt as _;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{DeleteObjectsInput, Range};
use s3s::host::{S3Host, VirtualHost};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::ACCOUNT_ID;
use super::form;
use super::operations::Operations;
use super::permission::{Permissions, names_an_object_alone};
use super::url::{decode, parse_pairs};
use crate::access::{Access, Caller};
use crate::keys::Keys;

/// Carries further fields of an error document from an operation to [`Wire`]; never leaves the process.
pub const ERROR_FIELDS: HeaderName = HeaderName::from_static("x-darkroom-error-fields");

/// The two ids that S3 gives every request.
#[derive(Debug, Clone, Default)]
pub struct RequestIds {
    pub request_id: String,
    pub host_id: String,
}

impl RequestIds {
    fn new() -> Self {
        let (a, b) = (uuid::Uuid::new_v4().simple().to_string(), uuid::Uuid::new_v4().simple().to_string());
        Self { request_id: a[..16].to_ascii_uppercase(), host_id: format!("{}{b}", &a[16..]) }
    }
}

/// The service as it is on the wire. Cheap to clone.
#[derive(Clone)]
pub struct Wire {
    service: S3Service,
    /// What forms are stored by.
    operations: Operations,
    credentials: Credentials,
    permissions: Permissions,
    region: HeaderValue,
}

impl Wire {
    pub fn new(operations: Operations, keys: Arc<Keys>, access: Option<Access>, region: String) -> Self {
        let mut trusted = S3ServiceBuilder::new(operations.clone());
        trusted.set_host(LoopbackHost);
        let mut builder = S3ServiceBuilder::new(operations.clone());
        let credentials = Credentials(keys);
        builder.set_auth(credentials.clone());
        let permissions = Permissions::new(access, operations.clone());
        builder.set_access(OwnerOnly(permissions.clone()));
        builder.set_host(LoopbackHost);
        builder.set_route(UnreadableRange { trusted: trusted.build(), permissions: permissions.clone() });
        let region = HeaderValue::try_from(region).unwrap_or(HeaderValue::from_static("us-east-1"));
        Self { service: builder.build(), operations, credentials, permissions, region }
    }

    /// Answers one request; what goes wrong inside is an error document.
    pub async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        sign_with_token(&mut request);
        let ids = RequestIds::new();
        let head = request.method() == Method::HEAD;
        let bucket_head = head && request.uri().path().trim_matches('/').split('/').count() == 1;
        let resource = request.uri().path().to_owned();
        let attributes =
            request.uri().query().is_some_and(|query| query.split('&').any(|name| name.starts_with("attributes")));
        request.extensions_mut().insert(ids.clone());
        let form_bucket = form_bucket(&request);
        let reading = Permissions::reading(&request, bucket_in_host(&request));
        let mut response = match form_bucket {
            Some(bucket) => self.form(&bucket, request).await,
            None => self.service.call(request).await.unwrap_or_else(|error| failed(&format!("{error:?}"))),
        };
        if let Some(reading) = reading.filter(|_| response.status() == StatusCode::NOT_FOUND) {
            response = self.permissions.hide_absence(response, &reading).await;
        }
        let no_content = response.extensions().get::<NoContent>().is_some();
        let mut response = document(response, head, &resource, &ids).await;
        if no_content {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if attributes && response.status() == StatusCode::OK {
            response = without_etag_quotes(response).await;
        }
        let headers = response.headers_mut();
        for (name, value) in [("x-amz-request-id", &ids.request_id), ("x-amz-id-2", &ids.host_id)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers.insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
        if bucket_head {
            headers.entry("x-amz-bucket-region").or_insert_with(|| self.region.clone());
        }
        response
    }
}

/// A URL that is signed in the manner of version 2 carries its session token in the query, and it is signed as a header: s3s looks
/// among the headers only. Source: botocore's `HmacV1QueryAuth`.
fn sign_with_token(request: &mut Request<Body>) {
    const TOKEN: &str = "x-amz-security-token";
    let Some(query) = request.uri().query().filter(|query| query.contains("AWSAccessKeyId=")) else { return };
    let token = query.split('&').find_map(|pair| pair.strip_prefix(TOKEN)?.strip_prefix('='));
    let token = token.and_then(|token| percent_encoding::percent_decode_str(token).decode_utf8().ok());
    let value = token.and_then(|token| HeaderValue::from_str(&token).ok());
    if let Some(value) = value.filter(|_| !request.headers().contains_key(TOKEN)) {
        request.headers_mut().insert(TOKEN, value);
    }
}

impl Wire {
    async fn form(&self, bucket: &str, request: Request<Body>) -> Response<Body> {
        let secret = |access_key: &str| self.credentials.secret(access_key);
        let caller: Option<Arc<Caller>> = request.extensions().get().cloned();
        let may_put = |key: &str| self.permissions.put(caller.as_deref(), bucket, key);
        let answered = form::upload(&self.operations, bucket, request, secret, may_put).await;
        answered.or_else(S3Error::to_http_response).unwrap_or_else(|error| failed(&format!("{error:?}")))
    }
}

/// Returns the bucket that a request sends a form to, if it does.
fn form_bucket(request: &Request<Body>) -> Option<String> {
    let in_host = bucket_in_host(request);
    let in_path = request.uri().path().trim_matches('/');
    form::is_form(request, in_host.is_some()).then(|| in_host.map_or_else(|| decode(in_path), ToOwned::to_owned))
}

fn bucket_in_host(request: &Request<Body>) -> Option<&str> {
    bucket_in(request.headers())
}

fn bucket_in(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    bucket_of(host.rsplit_once(':').map_or(host, |(name, _)| name))
}

/// `GetObjectAttributes` is the one answer whose `ETag` has no quotes.
async fn without_etag_quotes(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Ok(text) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return failed("the answer was cut short");
    };
    let text = String::from_utf8_lossy(&text).replace("<ETag>\"", "<ETag>").replace("\"</ETag>", "</ETag>");
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}

fn failed(reason: &str) -> Response<Body> {
    let error = s3_error!(InternalError, "We encountered an internal error: {reason}");
    error.to_http_response().unwrap_or_else(|_| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

/// Completes an error document: a message for codes that came without one, the fields of the operation, and the ids.
async fn document(response: Response<Body>, head: bool, resource: &str, ids: &RequestIds) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let fields = parts.headers.remove(ERROR_FIELDS);
    if parts.status == StatusCode::NOT_MODIFIED {
        parts.headers.remove(CONTENT_TYPE);
        parts.headers.remove(CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    if !parts.status.is_client_error() && !parts.status.is_server_error() {
        return Response::from_parts(parts, body);
    }
    let Ok(text) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        return Response::from_parts(parts, Body::empty());
    };
    parts.headers.remove(CONTENT_LENGTH);
    if head {
        return Response::from_parts(parts, Body::empty());
    }
    let fields = fields.as_ref().and_then(|fields| fields.to_str().ok()).unwrap_or_default();
    let text = reworded(&String::from_utf8_lossy(&text));
    let mut fields = parse_pairs(fields);
    if fields.is_empty() && text.contains("<Code>InvalidBucketName</Code>") {
        let bucket = resource.trim_start_matches('/').split('/').next().unwrap_or_default();
        fields.push(("BucketName".to_owned(), decode(bucket)));
    }
    let text = complete(&text, &fields, ids);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    Response::from_parts(parts, Body::from(Bytes::from(text)))
}

/// Puts S3's code and words to what `s3s` says in its own.
fn reworded(document: &str) -> String {
    const WORDS: [(&str, &str, &str); 3] = [
        (
            "<Code>InvalidRequest</Code><Message>invalid header: authorization",
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the Credential is mal-formed; expecting \
             \"&lt;YOUR-AKID&gt;/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ),
        (
            "<Code>InvalidArgument</Code><Message>invalid header: x-amz-copy-source",
            "InvalidArgument",
            "Invalid copy source object key",
        ),
        (
            "<Code>InvalidRequest</Code><Message>missing presigned url v4 fields",
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
    ];
    let found = WORDS.into_iter().find_map(|(said, code, message)| Some((document.split_once(said)?, code, message)));
    match found {
        Some(((start, rest), code, message)) => {
            let rest = rest.split_once("</Message>").map_or("", |(_, rest)| rest);
            format!("{start}<Code>{code}</Code><Message>{message}</Message>{rest}")
        }
        None => document.to_owned(),
    }
}

fn complete(document: &str, fields: &[(String, String)], ids: &RequestIds) -> String {
    let code =
        document.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    let mut more = String::new();
    if !document.contains("<Message>") {
        element(&mut more, "Message", default_message(code));
    }
    for (name, value) in fields {
        element(&mut more, name, value);
    }
    element(&mut more, "RequestId", &ids.request_id);
    element(&mut more, "HostId", &ids.host_id);
    match document.rsplit_once("</Error>") {
        Some((start, end)) => format!("{start}{more}</Error>{end}"),
        None => document.to_owned(),
    }
}

fn element(into: &mut String, name: &str, value: &str) {
    let value = quick_xml::escape::escape(value);
    into.extend(["<", name, ">", &value, "</", name, ">"]);
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
        "MalformedXML" => "The XML you provided was not well-formed or did not validate against our published schema",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "NotImplemented" => "A header you provided implies functionality that is not implemented",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "IncompleteBody" => "You did not provide the number of bytes specified by the Content-Length HTTP header.",
        "MaxMessageLengthExceeded" => "Your request was too big.",
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidArgument" => "Invalid Argument",
        _ => "The request is not valid.",
    }
}

/// Beside an answer that is a 204 where `s3s` makes it a 200.
#[derive(Debug, Clone, Copy)]
pub struct NoContent;

/// Access keys and their secrets.
#[derive(Clone)]
struct Credentials(Arc<Keys>);

impl Credentials {
    fn secret(&self, access_key: &str) -> S3Result<String> {
        let unknown = "The AWS Access Key Id you provided does not exist in our records.";
        self.0.secret(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId, "{unknown}"))
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.secret(access_key).map(SecretKey::from)
    }
}

/// Lets in whoever signed, to what this account owns; the code of functions only to what their role allows.
struct OwnerOnly(Permissions);

#[async_trait::async_trait]
impl S3Access for OwnerOnly {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        check_owner(context.credentials().is_some(), context.headers())?;
        self.0.check(context)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        self.0.check_deletion(request)
    }
}

/// Refuses who has not signed, and who takes the bucket for another account's.
fn check_owner(signed: bool, headers: &HeaderMap) -> S3Result<()> {
    let expected = headers.get("x-amz-expected-bucket-owner").map(|owner| String::from_utf8_lossy(owner.as_bytes()));
    match expected {
        _ if !signed => Err(s3_error!(AccessDenied, "Access Denied")),
        Some(owner) if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) => {
            let code = s3s::S3ErrorCode::Custom("InvalidBucketOwnerAWSAccountID".into());
            let message =
                format!("The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]");
            let mut error = s3s::S3Error::with_message(code, message);
            error.set_status_code(StatusCode::BAD_REQUEST);
            Err(error)
        }
        Some(owner) if owner != ACCOUNT_ID => Err(s3_error!(AccessDenied, "Access Denied")),
        _ => Ok(()),
    }
}

/// Reads a whole object where the `Range` can't be read: S3 ignores such a header, and `s3s` would refuse it.
///
/// `s3s` asks a route for its own checks in the place of [`OwnerOnly`]'s.
struct UnreadableRange {
    /// The service without any checks.
    trusted: S3Service,
    permissions: Permissions,
}

#[async_trait::async_trait]
impl S3Route for UnreadableRange {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _extensions: &mut Extensions) -> bool {
        let reads = (method == Method::GET || method == Method::HEAD) && names_an_object_alone(uri, bucket_in(headers));
        let range = headers.get(RANGE).filter(|_| reads);
        // `s3s` reads `bytes=-` as the last 0 bytes.
        let unreadable = |range: &str| range == "bytes=-" || Range::parse(range).is_err();
        range.is_some_and(|range| range.to_str().map_or(true, unreadable))
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        check_owner(request.credentials.is_some(), &request.headers)?;
        self.permissions.check_reading(request, bucket_in(&request.headers))
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let query = request.uri.query().unwrap_or_default().split('&');
        let signed = |name: &str| name.starts_with("X-Amz-") || name.starts_with("Signature=");
        let query: Vec<&str> = query.filter(|pair| !signed(pair)).collect();
        let mut plain = Request::new(Body::empty());
        *plain.method_mut() = request.method;
        *plain.uri_mut() = format!("{}?{}", request.uri.path(), query.join("&")).parse().unwrap_or(request.uri);
        *plain.headers_mut() = request.headers;
        *plain.extensions_mut() = request.extensions;
        plain.headers_mut().remove(RANGE);
        plain.headers_mut().remove(AUTHORIZATION);
        let answered = self.trusted.call(plain).await;
        let (parts, body) = answered.map_err(|error| s3_error!(InternalError, "{error:?}"))?.into_parts();
        let mut response = S3Response::with_headers(body, parts.headers);
        response.status = Some(parts.status);
        Ok(response)
    }
}

/// Finds the bucket in `bucket.localhost:port` and `bucket.s3[.region].localhost:port`; `localhost` alone names none.
struct LoopbackHost;

impl S3Host for LoopbackHost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        Ok(match bucket_of(name) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

fn bucket_of(host: &str) -> Option<&str> {
    let name = ["localhost", "127.0.0.1"]
        .iter()
        .find_map(|base| host.strip_suffix(base))
        .and_then(|name| name.strip_suffix('.'))?;
    let name = match name.rsplit_once(".s3.") {
        Some((bucket, _region)) => bucket,
        None => name.strip_suffix(".s3").unwrap_or(name),
    };
    let service_alone = name == "s3" || (name.starts_with("s3.") && !name[3..].contains('.'));
    (!service_alone && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loopback_host_names_its_bucket() {
        assert_eq!(bucket_of("localhost"), None);
        assert_eq!(bucket_of("s3.localhost"), None);
        assert_eq!(bucket_of("s3.eu-west-1.localhost"), None);
        assert_eq!(bucket_of("photos.localhost"), Some("photos"));
        assert_eq!(bucket_of("my.photos.s3.localhost"), Some("my.photos"));
        assert_eq!(bucket_of("photos.s3.eu-west-1.localhost"), Some("photos"));
        assert_eq!(bucket_of("photos.127.0.0.1"), Some("photos"));
    }

    #[test]
    fn an_error_document_gets_message_fields_and_ids() {
        let ids = RequestIds { request_id: "R".into(), host_id: "H".into() };
        let fields = [("Key".to_owned(), "a<b".to_owned())];
        let text = complete("<Error><Code>AccessDenied</Code></Error>", &fields, &ids);
        assert_eq!(
            text,
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><Key>a&lt;b</Key><RequestId>R</RequestId>\
             <HostId>H</HostId></Error>"
        );
    }
}
