//! Lambda: the control plane that clients talk to, and the execution environments that run handlers.
//!
//! `api` reads requests and writes answers, `store` holds functions and layers, `invoke` and `queue` run them. Only
//! [`environment`] starts processes.

mod api;
pub mod environment;
mod error;
pub mod limits;
mod runtime_api;

use crate::StartError;
use crate::server::wire::Body;
use environment::Environments;
use error::ApiError;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use api::is_lambda_path;

/// What the control plane needs to know.
pub(crate) struct Settings {
    /// Where code and the function store live.
    pub folder: PathBuf,
    pub region: String,
    pub endpoint_url: String,
    pub retry_delays: Vec<Duration>,
    pub concurrent_executions: u32,
    pub environments: Arc<Environments>,
}

/// The Lambda service of one local cloud.
pub(crate) struct Lambda {
    settings: Settings,
}

impl Lambda {
    pub fn open(settings: Settings) -> Result<Self, StartError> {
        Ok(Self { settings })
    }

    pub async fn answer(&self, parts: Parts, body: Incoming) -> Response<Body> {
        let _ = (parts, body, &self.settings);
        ApiError::unknown_operation().into_response()
    }
}
