//! Control groups: the kernel limits memory, CPU quota and process count of one sandbox.
//!
//! Every sandbox gets its own group in a folder named after the server process, below the server's
//! own group. The outer process of the sandbox removes both when it ends; [`Cgroups::find`] removes
//! what a dead server left.

mod files;
mod found;
mod group;
mod share;
mod v1;
mod v2;

pub use files::{stat_line, used_bytes};
pub use found::Cgroups;
pub use group::{Cgroup, Judgement, Tmp};
pub use share::{MB_PER_VCPU, PROCESSES, cpu_share};
