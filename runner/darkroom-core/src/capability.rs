//! What a target can do, and whether it can run a cell: [`Capability`] × cell → runnable, or why
//! not.
//!
//! Clouds differ only by this value. The target makes it; no other code asks "is this the local
//! cloud?".

use std::fmt;

use crate::cell::{Architecture, SnapStart, Start, Trigger};
use crate::matrix::CellRef;

/// What one target can run, as far as known before anything is deployed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// How the target is called in a sentence, for example
    /// `the local cloud on this x86_64 machine`.
    pub name: String,
    pub architectures: Vec<Architecture>,
    /// Runtimes of Python that a manifest may ask for here, as Lambda spells them, oldest first.
    pub runtimes: Vec<String>,
    /// Lambda `MemorySize` in MB that a function can be given here.
    pub max_memory_mb: u32,
    pub triggers: Vec<Trigger>,
    pub starts: Vec<Start>,
    /// Why no environment can be restored from a snapshot here; `None` where one can.
    pub no_snapstart: Option<String>,
    pub max_concurrency: u32,
    /// Processors of the machine that handlers run on; `None` where the platform has as many as it
    /// promises.
    pub cores: Option<u32>,
    /// Whether someone is billed for what runs here.
    pub billed: bool,
    /// Whether an account bounds what runs at once, which only the account itself tells.
    pub account_bounds: bool,
    /// Whether the runtimes of languages have to be installed here before functions can run.
    pub installs_runtimes: bool,
}

/// Memory that comes with one whole processor, MB. Source: AWS Lambda developer guide, "Configure
/// Lambda function memory".
pub const MB_PER_CORE: u32 = 1769;

/// Memory of a function that AWS lets new accounts have, MB; no call tells whether an account is
/// one. Source: AWS Lambda developer guide, "Lambda quotas", as remembered: new accounts have
/// reduced memory quotas.
pub const NEW_ACCOUNT_MEMORY_MB: u32 = 3008;

/// The oldest minor version of Python 3 that AWS takes snapshots of. Source: AWS Lambda developer
/// guide, "Improving startup performance with Lambda SnapStart", "Supported features and
/// limitations": Python 3.12 and later; no OS-only runtime.
const OLDEST_SNAPPED_PYTHON: u8 = 12;

/// Whether AWS takes snapshots of environments of a runtime that Darkroom knows.
fn has_snapshots(runtime: &str) -> bool {
    let minor = runtime.strip_prefix("python3.");
    let minor = minor.and_then(|minor| minor.parse::<u8>().ok());
    minor.is_some_and(|minor| minor >= OLDEST_SNAPPED_PYTHON)
}

/// Why a cell can't run: the level that stands in the way. [`Capability::why_not`] makes it a
/// sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Obstacle<'a> {
    /// The variant says that it is not made for this architecture.
    Variant {
        name: &'a str,
        architecture: Architecture,
        made_for: &'a [Architecture],
    },
    /// The target does not run this architecture.
    Architecture(Architecture),
    /// The target does not have this runtime.
    Runtime(&'a str),
    Memory(u32),
    Trigger(Trigger),
    Start(Start),
    /// The target takes no snapshots.
    Snapshots,
    /// No snapshots are taken of this runtime.
    SnapshotsOf(&'a str),
    Concurrency(u32),
    /// Passes at once that S3 triggers: the logs can't tell them apart.
    TriggeredAtOnce(u32),
}

/// The levels of a cell that decide whether it can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<'a> {
    pub variant: &'a str,
    /// Architectures that the variant is made for.
    pub made_for: &'a [Architecture],
    pub architecture: Architecture,
    /// `None`: the variant's own.
    pub runtime: Option<&'a str>,
    /// The variant's own.
    pub own_runtime: &'a str,
    pub memory_mb: u32,
    pub trigger: Trigger,
    pub start: Start,
    pub snapstart: SnapStart,
    pub concurrency: u32,
}

impl<'a> Demand<'a> {
    pub fn new(cell: &CellRef<'a>, made_for: &'a [Architecture], own_runtime: &'a str) -> Self {
        Self {
            variant: cell.variant,
            made_for,
            architecture: cell.architecture,
            runtime: cell.runtime,
            own_runtime,
            memory_mb: cell.memory_mb,
            trigger: cell.trigger,
            start: cell.start,
            snapstart: cell.snapstart,
            concurrency: cell.concurrency,
        }
    }
}

impl Capability {
    /// Returns the first thing that keeps a cell from running here; `None` when it can run.
    pub fn obstacle<'a>(&self, demand: &Demand<'a>) -> Option<Obstacle<'a>> {
        let Demand {
            variant: name,
            made_for,
            architecture,
            runtime,
            own_runtime,
            memory_mb,
            trigger,
            start,
            snapstart,
            concurrency,
        } = *demand;
        let has = |runtime: &str| self.runtimes.iter().any(|known| known == runtime);
        let by_s3 = trigger == Trigger::S3;
        let runs_on = runtime.unwrap_or(own_runtime);
        let checks = [
            (
                made_for.contains(&architecture),
                Obstacle::Variant {
                    name,
                    architecture,
                    made_for,
                },
            ),
            (
                self.architectures.contains(&architecture),
                Obstacle::Architecture(architecture),
            ),
            (
                runtime.is_none_or(has),
                Obstacle::Runtime(runtime.unwrap_or_default()),
            ),
            (memory_mb <= self.max_memory_mb, Obstacle::Memory(memory_mb)),
            (self.triggers.contains(&trigger), Obstacle::Trigger(trigger)),
            (self.starts.contains(&start), Obstacle::Start(start)),
            (
                self.no_snapstart.is_none() || snapstart.is_off(),
                Obstacle::Snapshots,
            ),
            (
                snapstart.is_off() || has_snapshots(runs_on),
                Obstacle::SnapshotsOf(runs_on),
            ),
            (
                concurrency <= self.max_concurrency,
                Obstacle::Concurrency(concurrency),
            ),
            (
                !by_s3 || concurrency == 1,
                Obstacle::TriggeredAtOnce(concurrency),
            ),
        ];
        checks
            .into_iter()
            .find_map(|(fits, obstacle)| (!fits).then_some(obstacle))
    }

    /// Says whether a function of this size is due more processors than the target has.
    pub fn is_short_of_cores(&self, memory_mb: u32) -> bool {
        self.cores
            .is_some_and(|cores| memory_mb > cores.saturating_mul(MB_PER_CORE))
    }

    /// Returns the sentence that says why, and what would work.
    pub fn why_not(&self, obstacle: &Obstacle) -> String {
        let here = &self.name;
        match *obstacle {
            Obstacle::Variant {
                name,
                architecture,
                made_for,
            } => {
                format!(
                    "variant {name} supports only {}, not {architecture}",
                    list(made_for)
                )
            }
            Obstacle::Architecture(level) => {
                format!(
                    "{here} cannot run {level} code, only {}",
                    list(&self.architectures)
                )
            }
            Obstacle::Runtime(level) => {
                format!(
                    "{here} has no runtime {level}, only {}",
                    list(&self.runtimes)
                )
            }
            Obstacle::Memory(level) => {
                format!(
                    "{here} cannot give a function {level} MB, at most {} MB",
                    self.max_memory_mb
                )
            }
            Obstacle::Trigger(level) => format!(
                "{here} does not support trigger {level}, only {}",
                list(&self.triggers)
            ),
            Obstacle::Start(level) => format!(
                "{here} does not support {level} starts, only {}",
                list(&self.starts)
            ),
            Obstacle::Snapshots => format!(
                "{here} has no SnapStart: {}",
                self.no_snapstart.as_deref().unwrap_or_default()
            ),
            Obstacle::SnapshotsOf(runtime) => format!(
                "AWS has no SnapStart for {runtime}, only for Python \
                 3.{OLDEST_SNAPPED_PYTHON} and later"
            ),
            Obstacle::Concurrency(level) => {
                format!(
                    "{here} cannot run {level} pipelines at once, at most {}",
                    self.max_concurrency
                )
            }
            Obstacle::TriggeredAtOnce(level) => format!(
                "trigger s3 runs one pipeline at a time, not {level}: logs do not show which of \
                 several passes an invocation belongs to"
            ),
        }
    }
}

fn list<T: fmt::Display>(levels: &[T]) -> String {
    levels
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns how a target isolates handlers, in words: `isolation: namespaces, seccomp, cgroups` of
/// `ns+netns+seccomp+cgroup1`. A label that is none of the local cloud's stays as it is.
pub fn isolation_in_words(label: &str) -> String {
    let word = |part: &str| match part {
        "ns" | "userns" => Some("namespaces"),
        "netns" => Some("a network of their own"),
        "seccomp" => Some("seccomp"),
        "cgroup1" | "cgroup2" => Some("cgroups"),
        "plain" => Some("no namespaces"),
        "watch" => Some("limits enforced by polling"),
        "rlimit" => Some("process limits"),
        _ => None,
    };
    match label.split('+').map(word).collect::<Option<Vec<_>>>() {
        Some(words) => format!("isolation: {}", words.join(", ")),
        None => format!("isolation: {label}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Capability {
        Capability {
            name: "the local cloud on this x86_64 machine".into(),
            architectures: vec![Architecture::X86_64],
            runtimes: vec!["python3.13".into(), "python3.14".into()],
            max_memory_mb: 3008,
            triggers: vec![Trigger::Direct],
            starts: vec![Start::Warm],
            no_snapstart: Some("it takes no snapshots".into()),
            max_concurrency: 10,
            cores: None,
            billed: false,
            account_bounds: false,
            installs_runtimes: true,
        }
    }

    fn demand() -> Demand<'static> {
        Demand {
            variant: "pillow",
            made_for: Architecture::ALL,
            architecture: Architecture::X86_64,
            runtime: None,
            own_runtime: "python3.13",
            memory_mb: 512,
            trigger: Trigger::Direct,
            start: Start::Warm,
            snapstart: SnapStart::Off,
            concurrency: 1,
        }
    }

    fn why(demand: &Demand) -> String {
        here()
            .obstacle(demand)
            .map_or_else(String::new, |obstacle| here().why_not(&obstacle))
    }

    #[test]
    fn what_the_target_can_do_is_runnable() {
        assert_eq!(here().obstacle(&demand()), None);
    }

    #[test]
    fn passes_that_s3_triggers_run_one_at_a_time() {
        let here = Capability {
            triggers: vec![Trigger::Direct, Trigger::S3],
            ..here()
        };
        let one = Demand {
            trigger: Trigger::S3,
            ..demand()
        };
        assert_eq!(here.obstacle(&one), None);
        let two = Demand {
            concurrency: 2,
            ..one
        };
        let why = here.why_not(&here.obstacle(&two).unwrap());
        assert!(why.contains("one pipeline at a time, not 2"), "{why}");
        assert_eq!(
            here.obstacle(&Demand {
                concurrency: 2,
                ..demand()
            }),
            None
        );
    }

    #[test]
    fn snapshots_are_of_targets_that_take_them_and_of_new_pythons_only() {
        let on = Demand {
            snapstart: SnapStart::On,
            ..demand()
        };
        assert_eq!(
            why(&on),
            "the local cloud on this x86_64 machine has no SnapStart: it takes no snapshots"
        );
        let aws = Capability {
            name: "AWS".into(),
            runtimes: vec!["python3.11".into(), "python3.12".into()],
            no_snapstart: None,
            ..here()
        };
        let of = |runtime, own_runtime| {
            let demand = Demand {
                runtime,
                own_runtime,
                ..on
            };
            let obstacle = aws.obstacle(&demand);
            obstacle.map(|obstacle| aws.why_not(&obstacle))
        };
        assert_eq!(of(None, "python3.13"), None);
        assert_eq!(of(Some("python3.12"), "python3.13"), None);
        let only = "only for Python 3.12 and later";
        assert_eq!(
            of(Some("python3.11"), "python3.13").unwrap(),
            format!("AWS has no SnapStart for python3.11, {only}")
        );
        assert_eq!(
            of(None, "provided.al2023").unwrap(),
            format!("AWS has no SnapStart for provided.al2023, {only}")
        );
        let off = Demand {
            own_runtime: "provided.al2023",
            ..demand()
        };
        assert_eq!(aws.obstacle(&off), None);
    }

    #[test]
    fn each_obstacle_is_a_sentence_that_says_what_would_work() {
        let arm = Demand {
            architecture: Architecture::Arm64,
            ..demand()
        };
        assert_eq!(
            why(&arm),
            "the local cloud on this x86_64 machine cannot run arm64 code, only x86_64"
        );
        assert!(
            why(&Demand {
                memory_mb: 4096,
                ..demand()
            })
            .contains("at most 3008 MB")
        );
        assert!(
            why(&Demand {
                trigger: Trigger::S3,
                ..demand()
            })
            .contains("trigger s3, only direct")
        );
        assert!(
            why(&Demand {
                start: Start::Cold,
                ..demand()
            })
            .contains("cold starts, only warm")
        );
        assert!(
            why(&Demand {
                concurrency: 11,
                ..demand()
            })
            .contains("at most 10")
        );
        assert_eq!(
            why(&Demand {
                runtime: Some("python3.99"),
                ..demand()
            }),
            "the local cloud on this x86_64 machine has no runtime python3.99, only python3.13, \
             python3.14"
        );
        let only_arm = Demand {
            made_for: &[Architecture::Arm64],
            ..demand()
        };
        assert_eq!(
            why(&only_arm),
            "variant pillow supports only arm64, not x86_64"
        );
    }

    #[test]
    fn isolation_is_told_in_words() {
        assert_eq!(
            isolation_in_words("ns+netns+seccomp+cgroup1"),
            "isolation: namespaces, a network of their own, seccomp, cgroups"
        );
        assert_eq!(
            isolation_in_words("plain+rlimit"),
            "isolation: no namespaces, process limits"
        );
        assert_eq!(isolation_in_words("firecracker"), "isolation: firecracker");
    }
}
