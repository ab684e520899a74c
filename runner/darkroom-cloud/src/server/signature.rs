//! AWS Signature Version 4 for the services that speak JSON or CBOR: who signed, and whether the
//! request is unchanged.
//!
//! S3 checks its own signatures (it signs bodies in chunks, and URLs).

use super::wire::{UNRESERVED, header};
use crate::keys::Keys;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt::Write;

/// Returns the credentials that a request says it is signed with, access key and scope, in its
/// header and in its query; nothing is checked. In a query the slashes may be escaped.
pub(crate) fn credentials(parts: &Parts) -> impl Iterator<Item = &str> {
    let in_header =
        header(&parts.headers, "authorization").and_then(|value| value.split_once("Credential="));
    let in_header = in_header.map(|(_, credential)| {
        credential
            .split_once(',')
            .map_or(credential, |(first, _)| first)
    });
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    in_header
        .into_iter()
        .chain(pairs.filter_map(|pair| pair.strip_prefix("X-Amz-Credential=")))
}

/// Returns the access key that a request says it is signed with; nothing is checked.
pub(crate) fn access_key(parts: &Parts) -> Option<&str> {
    credentials(parts).next()?.split(['/', '%']).next()
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    Missing,
    Malformed,
    /// By an access key that is not let in.
    Unknown,
    Wrong,
}

impl Unsigned {
    /// Returns AWS's status, error name and message.
    pub fn answer(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Missing => (
                403,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ),
            Self::Malformed => (
                400,
                "IncompleteSignatureException",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters, and the request \
                 an 'X-Amz-Date' header.",
            ),
            Self::Unknown => (
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            Self::Wrong => (
                403,
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
        }
    }
}

/// The `Authorization` header, taken apart.
struct Authorization<'a> {
    id: &'a str,
    /// `date/region/service/aws4_request`
    scope: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn read(value: &'a str) -> Option<Self> {
        let parameters = value.strip_prefix("AWS4-HMAC-SHA256")?;
        let find = |name: &str| {
            parameters
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let (id, scope) = find("Credential")?.split_once('/')?;
        (scope.split('/').count() == 4).then_some(())?;
        Some(Self {
            id,
            scope,
            signed_headers: find("SignedHeaders")?,
            signature: find("Signature")?,
        })
    }
}

/// Checks that the request was signed by one of `keys`, body and all.
pub(crate) fn check(keys: &Keys, parts: &Parts, body: &[u8]) -> Result<(), Unsigned> {
    let value = header(&parts.headers, "authorization").ok_or(Unsigned::Missing)?;
    let authorization = Authorization::read(value).ok_or(Unsigned::Malformed)?;
    let date = header(&parts.headers, "x-amz-date").ok_or(Unsigned::Malformed)?;
    let body_hash = hash(body);
    let claimed = header(&parts.headers, "x-amz-content-sha256").unwrap_or(&body_hash);
    if claimed != body_hash && claimed != "UNSIGNED-PAYLOAD" {
        return Err(Unsigned::Wrong);
    }
    let request = canonical_request(parts, authorization.signed_headers, claimed);
    let text = format!(
        "AWS4-HMAC-SHA256\n{date}\n{}\n{}",
        authorization.scope,
        hash(request.as_bytes())
    );
    let secret = keys.secret(authorization.id).ok_or(Unsigned::Unknown)?;
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in authorization.scope.split('/') {
        key = mac(&key, part).finalize().into_bytes().to_vec();
    }
    let signature = hex::decode(authorization.signature).map_err(|_| Unsigned::Wrong)?;
    mac(&key, &text)
        .verify_slice(&signature)
        .map_err(|_| Unsigned::Wrong)
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    // An HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn canonical_request(parts: &Parts, signed_headers: &str, body_hash: &str) -> String {
    let mut query: Vec<Cow<'_, str>> = parts
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .map(with_value)
        .collect();
    query.retain(|pair| !pair.is_empty());
    query.sort_unstable();
    let mut request = format!(
        "{}\n{}\n{}\n",
        parts.method,
        encoded_twice(parts.uri.path()),
        query.join("&")
    );
    for name in signed_headers.split(';') {
        let values: Vec<String> = parts.headers.get_all(name).iter().map(collapsed).collect();
        // Writing to a string does not fail.
        let _ = writeln!(request, "{name}:{}", values.join(","));
    }
    let _ = write!(request, "\n{signed_headers}\n{body_hash}");
    request
}

fn with_value(pair: &str) -> Cow<'_, str> {
    if pair.is_empty() || pair.contains('=') {
        pair.into()
    } else {
        format!("{pair}=").into()
    }
}

/// Runs of spaces count as one.
fn collapsed(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes())
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// Services other than S3 sign the path encoded once more than it is sent.
fn encoded_twice(path: &str) -> String {
    const KEPT: &AsciiSet = &UNRESERVED.remove(b'/');
    utf8_percent_encode(path, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    /// The worked example of AWS's documentation ("Signature Version 4 signing process",
    /// `ListUsers`).
    fn documented() -> Parts {
        let request = Request::get("/?Action=ListUsers&Version=2010-05-08")
            .header(
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )
            .header("host", "iam.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, \
                 Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            );
        request.body(()).unwrap().into_parts().0
    }

    fn keys(secret: &str) -> Keys {
        Keys::closed([("AKIDEXAMPLE", secret)])
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn the_documented_signature_is_right() {
        assert_eq!(check(&keys(SECRET), &documented(), b""), Ok(()));
    }

    #[test]
    fn another_secret_body_path_or_header_is_wrong() {
        assert_eq!(
            check(&keys("other"), &documented(), b""),
            Err(Unsigned::Wrong)
        );
        assert_eq!(
            check(&Keys::closed([]), &documented(), b""),
            Err(Unsigned::Unknown)
        );
        assert_eq!(
            check(&Keys::open([]), &documented(), b""),
            Err(Unsigned::Wrong)
        );
        assert_eq!(
            check(&keys(SECRET), &documented(), b"x"),
            Err(Unsigned::Wrong)
        );
        let mut moved = documented();
        moved.uri = "/other?Action=ListUsers&Version=2010-05-08"
            .parse()
            .unwrap();
        assert_eq!(check(&keys(SECRET), &moved, b""), Err(Unsigned::Wrong));
        let mut renamed = documented();
        renamed
            .headers
            .insert("host", "example.com".parse().unwrap());
        assert_eq!(check(&keys(SECRET), &renamed, b""), Err(Unsigned::Wrong));
    }

    #[test]
    fn no_header_and_a_broken_one_are_told_apart() {
        let mut parts = documented();
        parts.headers.insert(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=x".parse().unwrap(),
        );
        assert_eq!(check(&keys(SECRET), &parts, b""), Err(Unsigned::Malformed));
        parts.headers.remove("authorization");
        assert_eq!(check(&keys(SECRET), &parts, b""), Err(Unsigned::Missing));
    }

    #[test]
    fn paths_are_encoded_once_more() {
        assert_eq!(
            encoded_twice("/2015-03-31/functions/arn%3Aaws"),
            "/2015-03-31/functions/arn%253Aaws"
        );
    }
}
