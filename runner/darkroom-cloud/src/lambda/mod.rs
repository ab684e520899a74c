//! Lambda: the control plane that clients talk to, and the execution environments that run
//! handlers.
//!
//! `api` reads requests and writes answers; `store` holds functions and layers, `code` their zips;
//! `invoker` and `queue` run them. Only [`environment`] starts processes.

mod api;
mod clock;
mod code;
mod concurrency;
pub mod environment;
mod error;
mod event_stream;
mod function;
mod invoker;
mod json_check;
pub mod limits;
mod location;
mod metrics;
mod names;
mod objects;
mod queue;
mod runtime_api;
mod service;
mod store;
mod unzip;
mod validate;

pub(crate) use api::is_lambda_path;
pub(crate) use location::is_location;
pub use metrics::DiscardMetrics;
pub(crate) use names::is_region;
pub use objects::{NoObjects, ObjectError, Objects, Reading};
pub use service::NotInvocable;
pub(crate) use service::{Lambda, LambdaSettings};
pub use store::UnreadableStore;
