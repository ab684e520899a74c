//! What S3 does around every operation: checks signatures, finds the bucket in a host name, sets
//! request ids, writes error documents.
//!
//! Signatures are checked with the secrets that the cloud was started with. An unsigned request is
//! refused, as for a bucket that is not public.

use std::sync::Arc;

use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, RANGE};
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{DeleteObjectsInput, Range};
use s3s::host::{S3Host, VirtualHost};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::ACCOUNT_ID;
use super::error_document::{NoContent, RequestIds, completed, failed, without_etag_quotes};
use super::form;
use super::new_bucket;
use super::operations::Operations;
use super::permission::{Permissions, names_an_object_alone};
use super::url::decode;
use crate::access::{Access, Caller};
use crate::keys::Keys;

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
    pub fn new(
        operations: Operations,
        keys: Arc<Keys>,
        access: Option<Access>,
        region: String,
    ) -> Self {
        let mut trusted = S3ServiceBuilder::new(operations.clone());
        trusted.set_host(LoopbackHost);
        let mut builder = S3ServiceBuilder::new(operations.clone());
        let credentials = Credentials(keys);
        builder.set_auth(credentials.clone());
        let permissions = Permissions::new(access, operations.clone());
        builder.set_access(OwnerOnly(permissions.clone()));
        builder.set_host(LoopbackHost);
        builder.set_route(UnreadableRange {
            trusted: trusted.build(),
            permissions: permissions.clone(),
        });
        let region = HeaderValue::try_from(region).unwrap_or(HeaderValue::from_static("us-east-1"));
        Self {
            service: builder.build(),
            operations,
            credentials,
            permissions,
            region,
        }
    }

    /// Answers one request; what goes wrong inside is an error document.
    pub async fn call(&self, mut request: Request<Body>) -> Response<Body> {
        sign_with_token(&mut request);
        let ids = RequestIds::new();
        let head = request.method() == Method::HEAD;
        let bucket_head = head && request.uri().path().trim_matches('/').split('/').count() == 1;
        let resource = request.uri().path().to_owned();
        let attributes = request
            .uri()
            .query()
            .is_some_and(|query| query.split('&').any(|name| name.starts_with("attributes")));
        request.extensions_mut().insert(ids.clone());
        let in_host = bucket_in_host(&request).is_some();
        let request = new_bucket::with_tags(request, in_host).await;
        let form_bucket = form_bucket(&request);
        let reading = Permissions::reading(&request, bucket_in_host(&request));
        let mut response = match form_bucket {
            Some(bucket) => self.form(&bucket, request).await,
            None => self
                .service
                .call(request)
                .await
                .unwrap_or_else(|error| failed(&format!("{error:?}"))),
        };
        if let Some(reading) = reading.filter(|_| response.status() == StatusCode::NOT_FOUND) {
            response = self.permissions.hide_absence(response, &reading).await;
        }
        let no_content = response.extensions().get::<NoContent>().is_some();
        let mut response = completed(response, head, &resource, &ids).await;
        if no_content {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        if attributes && response.status() == StatusCode::OK {
            response = without_etag_quotes(response).await;
        }
        let headers = response.headers_mut();
        for (name, value) in [
            ("x-amz-request-id", &ids.request_id),
            ("x-amz-id-2", &ids.host_id),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers.insert(http::header::SERVER, HeaderValue::from_static("AmazonS3"));
        if bucket_head {
            headers
                .entry("x-amz-bucket-region")
                .or_insert_with(|| self.region.clone());
        }
        response
    }
}

/// A URL that is signed in the manner of version 2 carries its session token in the query, and it
/// is signed as a header: s3s looks among the headers only. Source: botocore's `HmacV1QueryAuth`.
fn sign_with_token(request: &mut Request<Body>) {
    const TOKEN: &str = "x-amz-security-token";
    let Some(query) = request
        .uri()
        .query()
        .filter(|query| query.contains("AWSAccessKeyId="))
    else {
        return;
    };
    let token = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(TOKEN)?.strip_prefix('='));
    let token = token.and_then(|token| {
        percent_encoding::percent_decode_str(token)
            .decode_utf8()
            .ok()
    });
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
        answered
            .or_else(S3Error::to_http_response)
            .unwrap_or_else(|error| failed(&format!("{error:?}")))
    }
}

/// Returns the bucket that a request sends a form to, if it does.
fn form_bucket(request: &Request<Body>) -> Option<String> {
    let in_host = bucket_in_host(request);
    let in_path = request.uri().path().trim_matches('/');
    form::is_form(request, in_host.is_some())
        .then(|| in_host.map_or_else(|| decode(in_path), ToOwned::to_owned))
}

fn bucket_in_host(request: &Request<Body>) -> Option<&str> {
    bucket_in(request.headers())
}

fn bucket_in(headers: &HeaderMap) -> Option<&str> {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    bucket_of(host.rsplit_once(':').map_or(host, |(name, _)| name))
}

/// Access keys and their secrets.
#[derive(Clone)]
struct Credentials(Arc<Keys>);

impl Credentials {
    fn secret(&self, access_key: &str) -> S3Result<String> {
        let unknown = "The AWS Access Key Id you provided does not exist in our records.";
        self.0
            .secret(access_key)
            .ok_or_else(|| s3_error!(InvalidAccessKeyId, "{unknown}"))
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        self.secret(access_key).map(SecretKey::from)
    }
}

/// Lets in whoever signed, to what this account owns; the code of functions only to what their role
/// allows.
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
    let expected = headers
        .get("x-amz-expected-bucket-owner")
        .map(|owner| String::from_utf8_lossy(owner.as_bytes()));
    match expected {
        _ if !signed => Err(s3_error!(AccessDenied, "Access Denied")),
        Some(owner) if owner.len() != 12 || !owner.bytes().all(|byte| byte.is_ascii_digit()) => {
            let code = s3s::S3ErrorCode::Custom("InvalidBucketOwnerAWSAccountID".into());
            let message = format!(
                "The value of the expected bucket owner parameter must be an AWS Account ID... [{owner}]"
            );
            let mut error = s3s::S3Error::with_message(code, message);
            error.set_status_code(StatusCode::BAD_REQUEST);
            Err(error)
        }
        Some(owner) if owner != ACCOUNT_ID => Err(s3_error!(AccessDenied, "Access Denied")),
        _ => Ok(()),
    }
}

/// Reads a whole object where the `Range` can't be read: S3 ignores such a header, and `s3s` would
/// refuse it.
///
/// `s3s` asks a route for its own checks in the place of [`OwnerOnly`]'s.
struct UnreadableRange {
    /// The service without any checks.
    trusted: S3Service,
    permissions: Permissions,
}

#[async_trait::async_trait]
impl S3Route for UnreadableRange {
    fn is_match(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        _extensions: &mut Extensions,
    ) -> bool {
        let reads = (method == Method::GET || method == Method::HEAD)
            && names_an_object_alone(uri, bucket_in(headers));
        let range = headers.get(RANGE).filter(|_| reads);
        // `s3s` reads `bytes=-` as the last 0 bytes.
        let unreadable = |range: &str| range == "bytes=-" || Range::parse(range).is_err();
        range.is_some_and(|range| range.to_str().map_or(true, unreadable))
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        check_owner(request.credentials.is_some(), &request.headers)?;
        self.permissions
            .check_reading(request, bucket_in(&request.headers))
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let query = request.uri.query().unwrap_or_default().split('&');
        let signed = |name: &str| name.starts_with("X-Amz-") || name.starts_with("Signature=");
        let query: Vec<&str> = query.filter(|pair| !signed(pair)).collect();
        let mut plain = Request::new(Body::empty());
        *plain.method_mut() = request.method;
        *plain.uri_mut() = format!("{}?{}", request.uri.path(), query.join("&"))
            .parse()
            .unwrap_or(request.uri);
        *plain.headers_mut() = request.headers;
        *plain.extensions_mut() = request.extensions;
        plain.headers_mut().remove(RANGE);
        plain.headers_mut().remove(AUTHORIZATION);
        let answered = self.trusted.call(plain).await;
        let (parts, body) = answered
            .map_err(|error| s3_error!(InternalError, "{error:?}"))?
            .into_parts();
        let mut response = S3Response::with_headers(body, parts.headers);
        response.status = Some(parts.status);
        Ok(response)
    }
}

/// Finds the bucket in `bucket.localhost:port` and `bucket.s3[.region].localhost:port`; `localhost`
/// alone names none.
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
}
