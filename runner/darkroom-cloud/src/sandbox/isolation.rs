//! What limits handlers on this host, and how well.

/// How well a limit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// The kernel refuses or kills.
    Enforced,
    /// Watched or imitated from outside; short bursts get through.
    Approximated,
    /// Not limited.
    Absent,
}

/// One limit of the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// `memory`, `cpu`, `tmp`, `code read-only`, `host files`, `network`, `processes`, ...
    pub name: &'static str,
    pub enforcement: Enforcement,
    /// By what, or why not.
    pub why: String,
}

/// All limits, with a short name for a table's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isolation {
    /// For example `userns+cgroup1`.
    pub label: String,
    pub limits: Vec<Limit>,
}
