//! Describes this machine, for the provenance of a run.

use std::collections::BTreeMap;

use sysinfo::System;

/// Returns `cpu_model`, `cores`, `memory_mb`, `kernel` and `os`, as far as the system tells.
pub fn facts() -> BTreeMap<String, String> {
    let mut system = System::new();
    system.refresh_memory();
    system.refresh_cpu_all();
    let memory_mb = system.total_memory() / 1024 / 1024;
    let cores = std::thread::available_parallelism()
        .map(|cores| cores.to_string())
        .ok();
    let facts = [
        (
            "cpu_model",
            system
                .cpus()
                .first()
                .map(|cpu| cpu.brand().trim().to_owned()),
        ),
        ("cores", cores),
        ("memory_mb", (memory_mb > 0).then(|| memory_mb.to_string())),
        ("kernel", System::kernel_version()),
        ("os", System::long_os_version()),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}
