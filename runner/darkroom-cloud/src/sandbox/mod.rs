//! The sandbox of a handler: what it sees of the host, how much it may use, and how it ends.
//!
//! The server has a [`Sandbox`] (`handle`). Behind it are two small processes of this same program:
//! `outer` leaves the host's namespaces, `inner` starts and stops the runtime in them. Both begin
//! in `entry` and speak `protocol`. `workshop` runs builds of untrusted code. `cgroup` limits
//! memory and CPU, `host` finds out what this machine allows. Nothing here knows Lambda's API.

mod cgroup;
mod entry;
mod handle;
mod host;
mod inner;
mod isolation;
mod outer;
pub(crate) mod protocol;
mod watch;
pub mod workshop;

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod namespaces;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod usage;

pub use entry::run_if_asked;
pub(crate) use handle::{Sandbox, SandboxPlan};
pub use host::{Host, Means};
pub use isolation::{Enforcement, Isolation, Limit};
