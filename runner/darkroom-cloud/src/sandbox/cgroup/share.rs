//! What a sandbox's memory size buys: processor share, processes.

/// AWS's memory size that comes with one full vCPU (FACTS.md, section 4).
pub const MB_PER_VCPU: f64 = 1769.0;

/// Processes and threads of one sandbox, as AWS's `RLIMIT_NPROC`.
pub const PROCESSES: u64 = 1024;

/// Returns the cores that `memory_mb` buys.
pub fn cpu_share(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / MB_PER_VCPU
}
