//! The one loopback port: accepts connections, refuses forbidden senders, hands each request to its
//! service.
//!
//! Knows how to distinguish the services, but not what they do.

mod dispatch;
mod framing;
pub(crate) mod gate;
mod listen;
pub(crate) mod signature;
mod sts;
pub(crate) mod wire;

pub(crate) use dispatch::Services;
pub(crate) use listen::{Server, serve};
