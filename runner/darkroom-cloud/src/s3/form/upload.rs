//! One upload: from the form to the object and the answer.

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use s3s::auth::{Credentials, SecretKey};
use s3s::dto::{PutObjectInput, StreamingBlob, Timestamp, TimestampFormat};
use s3s::{Body, S3, S3Request, S3Result, s3_error};

use super::super::operations::{Operations, with_fields};
use super::multipart::Form;
use super::{answer, multipart, policy};

/// Whether a request is a form sent to a bucket.
pub fn is_form<B>(request: &Request<B>, in_host: bool) -> bool {
    let kind = request
        .headers()
        .get(http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let depth = request
        .uri()
        .path()
        .split('/')
        .filter(|part| !part.is_empty())
        .count();
    request.method() == Method::POST
        && depth == usize::from(!in_host)
        && kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"))
}

/// Stores what a form uploads to `bucket`. `secret` gives the secret of an access key; `may_put`
/// judges the object's key.
pub async fn upload(
    operations: &Operations,
    bucket: &str,
    request: Request<Body>,
    secret: impl Fn(&str) -> S3Result<String>,
    may_put: impl Fn(&str) -> S3Result<()>,
) -> S3Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let kind = parts
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();
    let body = body
        .collect()
        .await
        .map_err(|_| s3_error!(IncompleteBody))?
        .to_bytes();
    let form = multipart::read(kind, &body)?.with_file_name();
    let Some(key) = form.get("key").map(ToOwned::to_owned) else {
        return Err(missing("key"));
    };
    let access_key = policy::admit(&form, bucket, jiff::Timestamp::now(), &secret)?;
    may_put(&key)?;
    let host = parts
        .headers
        .get(http::header::HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    let answer = answer::Answer::of(&form, host, bucket, &key);
    let secret_key = SecretKey::from(secret(&access_key)?);
    let request = S3Request {
        input: input(form, bucket, key)?,
        method: parts.method,
        uri: parts.uri,
        headers: http::HeaderMap::new(),
        extensions: parts.extensions,
        credentials: Some(Credentials {
            access_key,
            secret_key,
        }),
        region: None,
        service: None,
        trailing_headers: None,
    };
    let put = operations.put_object(request).await?;
    let etag = put
        .output
        .e_tag
        .as_ref()
        .map(|etag| format!("\"{}\"", etag.value()))
        .unwrap_or_default();
    Ok(answer.with_etag(&etag))
}

/// A field that a form must have; S3 ignores what comes after the file.
pub(super) fn missing(field: &str) -> s3s::S3Error {
    let message = format!(
        "Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the fields."
    );
    let code = s3s::S3ErrorCode::InvalidArgument;
    with_fields(
        s3s::S3Error::with_message(code, message),
        &[("ArgumentName", field), ("ArgumentValue", "")],
    )
}

/// Returns what a PUT with the form's fields as headers would be read as.
fn input(form: Form, bucket: &str, key: String) -> S3Result<PutObjectInput> {
    let own = |name: &str| form.get(name).map(ToOwned::to_owned);
    let metadata = form.fields.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix("x-amz-meta-")?.to_owned(), value.clone()))
    });
    let metadata: std::collections::HashMap<String, String> = metadata.collect();
    let expires =
        own("expires").and_then(|at| Timestamp::parse(TimestampFormat::HttpDate, &at).ok());
    let mut input = PutObjectInput::builder();
    input.set_bucket(bucket.to_owned());
    input.set_key(key);
    input.set_content_length(i64::try_from(form.file.len()).ok());
    input.set_cache_control(own("cache-control"));
    input.set_content_disposition(own("content-disposition"));
    input.set_content_encoding(own("content-encoding"));
    input.set_content_language(own("content-language"));
    input.set_content_md5(own("content-md5"));
    input.set_content_type(own("content-type"));
    input.set_expires(expires);
    input.set_storage_class(own("x-amz-storage-class").map(Into::into));
    input.set_website_redirect_location(own("x-amz-website-redirect-location"));
    input.set_tagging(own("tagging").map(|tags| tag_header(&tags)));
    input.set_checksum_crc32(own("x-amz-checksum-crc32"));
    input.set_checksum_crc32c(own("x-amz-checksum-crc32c"));
    input.set_checksum_crc64nvme(own("x-amz-checksum-crc64nvme"));
    input.set_checksum_sha1(own("x-amz-checksum-sha1"));
    input.set_checksum_sha256(own("x-amz-checksum-sha256"));
    input.set_metadata((!metadata.is_empty()).then_some(metadata));
    input.set_body(Some(StreamingBlob::from(Body::from(form.file))));
    input
        .build()
        .map_err(|error| s3_error!(InvalidRequest, "{error}"))
}

/// Returns the tags that a form gives as XML as a header gives them: `a=1&b=2`.
pub(super) fn tag_header(xml: &str) -> String {
    let mut header = form_urlencoded::Serializer::new(String::new());
    let text = |tag: &str, name: &str| {
        let inner = tag
            .split_once(&format!("<{name}>"))?
            .1
            .split_once(&format!("</{name}>"))?
            .0;
        quick_xml::escape::unescape(inner)
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    for tag in xml.split("<Tag>").skip(1) {
        header.append_pair(
            &text(tag, "Key").unwrap_or_default(),
            &text(tag, "Value").unwrap_or_default(),
        );
    }
    header.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_form_to_a_bucket_is_one() {
        let request = |method: Method, path: &str, kind: &str| {
            Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", kind)
                .body(())
                .unwrap()
        };
        let form = "multipart/form-data; boundary=x";
        assert!(is_form(&request(Method::POST, "/photos", form), false));
        assert!(is_form(
            &request(Method::POST, "/photos/", "Multipart/Form-Data; boundary=x"),
            false
        ));
        assert!(is_form(&request(Method::POST, "/", form), true));
        assert!(!is_form(&request(Method::POST, "/", form), false));
        assert!(!is_form(&request(Method::POST, "/photos/key", form), false));
        assert!(!is_form(&request(Method::PUT, "/photos", form), false));
        assert!(!is_form(
            &request(Method::POST, "/photos", "application/xml"),
            false
        ));
    }

    #[test]
    fn tags_in_xml_are_tags_of_a_header() {
        let xml = "<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag><Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>";
        assert_eq!(tag_header(xml), "a+b=1%262&c=");
    }
}
