//! What this machine is, for the provenance of a run.

use std::collections::BTreeMap;

use sysinfo::System;

/// Returns `cpu_model`, `cores`, `memory_mb`, `kernel` and `os`, as far as the system tells.
pub fn facts() -> BTreeMap<String, String> {
    let mut system = System::new().ok();
    if let Some(system) = &mut system {
        system.refresh_memory();
        system.refresh_cpu_all();
    }
    let cores = std::thread::available_parallelism().map(|cores| cores.to_string()).ok();
    let facts = [
        (
            "cpu_model",
            system.as_ref().and_then(|system| system.cpus().first()).map(|cpu| cpu.brand().trim().to_owned()),
        ),
        ("cores", cores),
        ("memory_mb", system.as_ref().map(|system| (system.total_memory() / 1024 / 1024).to_string())),
        ("kernel", System::kernel_version().ok()),
        ("os", System::long_os_version().ok()),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
