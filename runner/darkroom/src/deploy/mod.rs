//! Makes the wanted functions exist in a cloud, and checks that they run what was packaged.
//!
//! [`WantedFunction`]s → (what exists, observed) → [`desired::Steps`] → calls → [`Deployment`].
//! Idempotent: what is already right stays unchanged. Prints nothing; every checked function goes
//! to the caller as a [`FunctionDeployed`](darkroom_core::event::FunctionDeployed). Knows an
//! endpoint through its [`Clients`], not which cloud is behind it.

mod apply;
mod bring_about;
mod bucket;
pub mod clean;
mod clients;
mod deployment;
pub mod desired;
mod error;
mod goal;
mod last_run;
pub mod log_groups;
pub mod names;
mod notifications;
mod observe;
mod patience;
pub mod published;
mod quotas;
pub mod role;
pub mod tags;
mod wanted;

pub use bring_about::{deploy, steps};
pub use bucket::name as bucket_name;
pub use clients::Clients;
pub use darkroom_core::prompt::PREFIX_VARIABLE;
pub use deployment::{Counts, DeployedFunction, Deployment};
pub use error::DeployError;
pub use goal::intended;
pub use last_run::{LastRun, UNSEEN_MINUTES, keep_under_way, last_run, session_over};
pub use patience::in_force;
pub use wanted::{DeploySettings, FunctionKey, LIFETIME_DAYS, WantedFunction};
