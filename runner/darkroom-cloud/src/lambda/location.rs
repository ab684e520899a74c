//! `Code.Location`: signed URLs, valid for ten minutes as on AWS, from which clients read a zip
//! back.

use super::Lambda;
use super::error::ApiError;
use super::names::Home;
use crate::server::wire::{self, Body};
use http::request::Parts;
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};

/// No bucket can have this name, so that S3 and these URLs never meet.
const PREFIX: &str = "/_tasks/";
const VALID_S: i64 = 600;

/// Tells whether a path is one of these URLs.
pub(crate) fn is_location(path: &str) -> bool {
    path.starts_with(PREFIX)
}

/// Makes and checks the URLs of one local cloud.
pub(crate) struct Locations {
    endpoint_url: String,
    account_id: String,
    /// Known to nobody else, and new at each start.
    secret: String,
}

impl Locations {
    pub fn new(endpoint_url: String, home: &Home) -> Self {
        let secret = format!("{}{}", super::function::new_id(), super::function::new_id());
        Self {
            endpoint_url,
            account_id: home.account_id.clone(),
            secret,
        }
    }

    /// Returns the URL of a zip; `kind` is `snapshots` or `layers`.
    pub fn url(&self, kind: &str, name: &str, sha256: &str) -> String {
        let path = format!("{PREFIX}{kind}/{}/{name}/{sha256}", self.account_id);
        let expires = super::clock::epoch_ms() / 1000 + VALID_S;
        let signature = self.sign(&path, expires);
        format!(
            "{}{path}?X-Amz-Expires={VALID_S}&Expires={expires}&X-Amz-Signature={signature}",
            self.endpoint_url
        )
    }

    fn sign(&self, path: &str, expires: i64) -> String {
        // The secret on both sides: the length of what is between is then no use to a forger.
        hex::encode(Sha256::digest(format!(
            "{0}\n{path}\n{expires}\n{0}",
            self.secret
        )))
    }

    /// Returns the zip's SHA-256 if the URL is ours and still good.
    fn check(&self, path: &str, query: &str) -> Option<String> {
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let expires: i64 = value("Expires")?.parse().ok()?;
        let good = value("X-Amz-Signature")? == self.sign(path, expires)
            && super::clock::epoch_ms() / 1000 < expires;
        let sha256 = path.rsplit('/').next()?;
        good.then(|| sha256.to_owned())
    }
}

impl Lambda {
    /// Answers one of the URLs above.
    pub async fn answer_location(&self, parts: &Parts) -> Response<Body> {
        let query = parts.uri.query().unwrap_or_default();
        let Some(sha256) = self.locations.check(parts.uri.path(), query) else {
            return ApiError::access_denied(Some(
                "Request has expired or its signature does not match".to_owned(),
            ))
            .into_response();
        };
        match tokio::fs::read(self.code.zip(&sha256)).await {
            Ok(zip) => wire::with_type(StatusCode::OK, "application/zip", zip),
            Err(_) => ApiError::no_such_resource().into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_urls_made_here_are_good() {
        let home = Home {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
        };
        let locations = Locations::new("http://127.0.0.1:1".to_owned(), &home);
        let url = locations.url("snapshots", "f", "abc");
        let (path, query) = url
            .strip_prefix("http://127.0.0.1:1")
            .unwrap()
            .split_once('?')
            .unwrap();
        assert_eq!(locations.check(path, query).as_deref(), Some("abc"));
        assert_eq!(locations.check(&path.replace("abc", "abd"), query), None);
        assert_eq!(
            locations.check(path, &query.replace("Expires=1", "Expires=2")),
            None
        );
        assert_eq!(
            Locations::new(String::new(), &home).check(path, query),
            None
        );
    }
}
