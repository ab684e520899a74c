//! Decides which calls the code of a function may make.
//!
//! A request belongs to a function if it comes through an environment's own network, or is signed
//! with an environment's keys. If the function's role is kept here and has inline policies, these
//! decide, and nothing may write to a function's log group. If Darkroom limited the function's
//! object names, these hold too, whatever the role allows. Other callers are not judged. Refused
//! calls are counted.

mod caller;
mod judgement;
mod names;
mod policy;
mod question;

pub use caller::{Caller, Credentials};
pub use judgement::{Access, Lease, Refusal};
pub use names::OwnNames;
pub(crate) use names::Work;
pub(crate) use policy::Policy;
pub(crate) use question::{Question, of_iam, of_logs, of_metrics};
