//! One parsed request to the API, and the result of an operation.

use super::super::error::{ApiError, ApiResult};
use super::super::limits;
use super::super::names::{self, FunctionRef, Home, NameShape};
use super::super::validate::Violations;
use crate::access::Caller;
use crate::lineage::Lineage;
use crate::server::wire::{self, Body};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// A request with its path taken apart and its body read.
pub(crate) struct Call {
    /// Decoded path segments after the API version: `["functions", "my-fn", "code"]`.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Given back as `x-amzn-RequestId`; for an invocation it is the id that the function sees.
    pub request_id: String,
    /// The chain of events that the request belongs to.
    pub chain: Lineage,
    /// The function whose code asks.
    pub caller: Option<Arc<Caller>>,
}

impl Call {
    /// Returns a query parameter; an empty one counts as absent.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        wire::header(&self.headers, name)
    }

    /// Reads the JSON body; an empty one counts as `{}`.
    pub fn input<T: DeserializeOwned>(&self) -> ApiResult<T> {
        let body: &[u8] = if self.body.iter().all(u8::is_ascii_whitespace) {
            b"{}"
        } else {
            &self.body
        };
        serde_json::from_slice(body).map_err(|error| ApiError::serialization(error.to_string()))
    }

    /// Returns the path segment after the resource's name, for example the function's.
    pub fn name(&self) -> &str {
        self.segments.get(1).map(String::as_str).unwrap_or_default()
    }

    /// Reads the function in the path with its qualifier, where a version or alias may be meant.
    pub fn function(&self, home: &Home) -> ApiResult<FunctionRef> {
        names::function(
            home,
            NameShape::Namespaced,
            self.name(),
            self.query("Qualifier"),
        )
    }

    /// Reads the function in the path where AWS's model means functions only.
    pub fn plain_function(&self, home: &Home) -> ApiResult<FunctionRef> {
        names::function(home, NameShape::Function, self.name(), None)
    }

    /// Reads `Marker` and `MaxItems`.
    pub fn page(&self, most: usize) -> ApiResult<Page> {
        let size = match self.query("MaxItems") {
            None => most.min(limits::PAGE),
            Some(text) => {
                let items = text
                    .parse()
                    .map_err(|_| ApiError::serialization("MaxItems is not a number"))?;
                let mut violations = Violations::default();
                violations.range("maxItems", Some(items), &(1..=10_000));
                violations.into_result()?;
                usize::try_from(items).unwrap_or(most).min(most)
            }
        };
        Ok(Page {
            start: self.query("Marker").map(str::to_owned),
            size,
        })
    }
}

/// Which part of a list is wanted.
pub(crate) struct Page {
    /// The key of the last item of the page before.
    start: Option<String>,
    size: usize,
}

impl Page {
    /// Cuts the page out of `items`, whose keys ascend, and returns it with `NextMarker`.
    ///
    /// A marker is the key of the last item shown, in hex so that nobody relies on it. That item
    /// may be gone by the next call: a client that deletes what it lists misses nothing.
    pub fn cut<T>(&self, items: Vec<(String, T)>) -> ApiResult<(Vec<T>, Option<String>)> {
        let start = match &self.start {
            None => 0,
            Some(marker) => {
                let key = hex::decode(marker)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok());
                let key = key.ok_or_else(|| ApiError::invalid("Invalid Marker"))?;
                items.partition_point(|(candidate, _)| *candidate <= key)
            }
        };
        let more = items.len() > start + self.size;
        let page: Vec<(String, T)> = items.into_iter().skip(start).take(self.size).collect();
        let marker = page
            .last()
            .filter(|_| more)
            .map(|(key, _)| hex::encode(key));
        Ok((page.into_iter().map(|(_, item)| item).collect(), marker))
    }

    /// Returns `{ <name>: [...], "NextMarker": ... }`.
    pub fn reply(&self, name: &str, items: Vec<(String, Value)>) -> ApiResult<Reply> {
        let (items, marker) = self.cut(items)?;
        let mut body = serde_json::Map::new();
        body.insert(name.to_owned(), Value::Array(items));
        if let Some(marker) = marker {
            body.insert("NextMarker".to_owned(), Value::String(marker));
        }
        Ok(Reply::ok(Value::Object(body)))
    }
}

/// What an operation answers.
pub(crate) enum Reply {
    Json(StatusCode, Value),
    Empty(StatusCode),
    /// Built by the operation itself.
    Raw(Response<Body>),
}

impl Reply {
    pub fn ok(body: Value) -> Self {
        Self::Json(StatusCode::OK, body)
    }

    pub fn created(body: Value) -> Self {
        Self::Json(StatusCode::CREATED, body)
    }

    pub fn no_content() -> Self {
        Self::Empty(StatusCode::NO_CONTENT)
    }

    pub fn into_response(self) -> Response<Body> {
        match self {
            Self::Json(status, body) => wire::json(status, body.to_string()),
            Self::Empty(status) => {
                let mut response = Response::new(wire::full(Bytes::new()));
                *response.status_mut() = status;
                response
            }
            Self::Raw(response) => response,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<(String, usize)> {
        (0..count)
            .map(|number| (format!("key-{number}"), number))
            .collect()
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let mut page = Page {
            start: None,
            size: 3,
        };
        let mut seen = Vec::new();
        loop {
            let (found, marker) = page.cut(items(8)).unwrap();
            seen.extend(found);
            match marker {
                Some(marker) => page.start = Some(marker),
                None => break,
            }
        }
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_last_page_has_no_marker() {
        let page = Page {
            start: None,
            size: 4,
        };
        assert_eq!(page.cut(items(4)).unwrap().1, None);
    }

    #[test]
    fn deleting_what_was_listed_skips_nothing() {
        let first = Page {
            start: None,
            size: 3,
        };
        let (_, marker) = first.cut(items(8)).unwrap();
        let next = Page {
            start: marker,
            size: 3,
        };
        assert_eq!(next.cut(items(8).split_off(3)).unwrap().0, [3, 4, 5]);
    }

    #[test]
    fn an_invented_marker_is_refused() {
        let page = Page {
            start: Some("zz".to_owned()),
            size: 4,
        };
        assert_eq!(
            page.cut(items(4)).unwrap_err().name,
            "InvalidParameterValueException"
        );
    }
}
