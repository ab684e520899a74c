//! The public REST API: from a request to an operation, from its result to an answer.
//!
//! One file a resource; each operation is a function of the service and the [`Call`].

mod account;
mod action;
mod aliases;
mod call;
mod code;
mod concurrency;
mod configuration;
mod describe;
mod event_invoke;
mod functions;
mod invoke;
mod layers;
mod permissions;
mod refused;
mod route;
mod runtimes;
mod tags;
mod versions;

pub(crate) use permissions::allows;
pub(crate) use route::is_lambda_path;
