//! Which resources are meant, and what was found of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::error::DeployError;

/// Calls that run at once.
pub(super) const AT_ONCE: usize = 8;

/// Which of Darkroom's resources are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Everything,
    /// Those that nobody needs, as far as their tags tell.
    Unneeded(Unneeded),
    /// Those of one experiment.
    Experiment(String),
    /// Those whose expiry date is before this one (UTC, `2026-12-24`).
    ExpiredBefore(String),
    /// What this run of an experiment made, or took over, and no other run has since.
    Run {
        experiment: String,
        run_id: String,
        /// `false`: the user named the functions' role, so that there is none to look for.
        made_role: bool,
    },
}

/// What nobody needs: what others own, and experiments of which a session is running, are left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unneeded {
    /// Who made it or used it last, as its tag says; `None`: whoever did.
    pub by: Option<String>,
    /// Its expiry date is before this one (UTC, `2026-12-24`).
    pub expired_before: Option<String>,
    /// A session that was seen later (UTC, `2026-12-24T12:00:00Z`) is running. `None`: none can be.
    pub running_since: Option<String>,
}

/// Why resources of an experiment are left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Others who own some of them, as their tags say; of an earlier version they say nothing.
    pub by: BTreeSet<String>,
    /// When a session of it was last seen that is running.
    pub seen: Option<String>,
}

/// What there is to remove.
#[derive(Debug, Default)]
pub struct Found {
    pub functions: Vec<FoundFunction>,
    pub layers: Vec<FoundLayer>,
    pub log_groups: Vec<FoundLogGroup>,
    pub roles: Vec<FoundRole>,
    pub buckets: Vec<FoundBucket>,
    /// Functions, buckets and roles of Darkroom's that are not meant, by experiment.
    pub spared: BTreeMap<String, usize>,
    /// Why, of those that [`Unneeded`] does not cover.
    pub left: BTreeMap<String, Left>,
    /// Why some kinds could not be looked for: there may be more.
    pub unseen: Vec<DeployError>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFunction {
    pub name: String,
    pub experiment: String,
    pub code_bytes: u64,
}

/// One version of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLayer {
    pub name: String,
    pub version: i64,
    pub experiment: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundLogGroup {
    pub name: String,
    pub experiment: String,
    /// `false`: Lambda made it, and only its function leads to it.
    pub tagged: bool,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRole {
    pub name: String,
    pub experiment: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBucket {
    pub name: String,
    pub experiment: String,
    pub objects: u64,
    /// Multipart uploads that nobody finished.
    pub uploads: u64,
    pub bytes: u64,
}

impl Found {
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Resources that are to go.
    pub fn count(&self) -> usize {
        self.functions.len()
            + self.layers.len()
            + self.log_groups.len()
            + self.roles.len()
            + self.buckets.len()
    }

    /// Bytes of objects in S3.
    pub fn stored_bytes(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.bytes).sum()
    }

    /// Bytes of log lines, as CloudWatch counts them.
    pub fn logged_bytes(&self) -> u64 {
        self.log_groups.iter().map(|group| group.bytes).sum()
    }

    /// Bytes of functions' code, zipped.
    pub fn code_bytes(&self) -> u64 {
        self.functions
            .iter()
            .map(|function| function.code_bytes)
            .sum()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FoundFunction {
            name,
            experiment,
            code_bytes,
        } in &self.functions
        {
            writeln!(
                f,
                "function  {name}  ({experiment}; {} of code)",
                size(*code_bytes)
            )?;
        }
        for FoundLayer {
            name,
            version,
            experiment,
        } in &self.layers
        {
            writeln!(f, "layer     {name}:{version}  ({experiment})")?;
        }
        for FoundLogGroup {
            name,
            experiment,
            bytes,
            ..
        } in &self.log_groups
        {
            writeln!(f, "log group {name}  ({experiment}; {})", size(*bytes))?;
        }
        for FoundRole { name, experiment } in &self.roles {
            writeln!(f, "role      {name}  ({experiment})")?;
        }
        for FoundBucket {
            name,
            experiment,
            objects,
            uploads,
            bytes,
        } in &self.buckets
        {
            let uploads = if *uploads == 0 {
                String::new()
            } else {
                format!(", {uploads} unfinished uploads")
            };
            writeln!(
                f,
                "bucket    {name}  ({experiment}; {objects} objects{uploads}, {})",
                size(*bytes)
            )?;
        }
        Ok(())
    }
}

/// Returns a number of bytes as a person reads it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_be_removed_is_listed() {
        let found = Found {
            functions: vec![FoundFunction {
                name: "dkr-a".into(),
                experiment: "smoke".into(),
                code_bytes: 2_500_000,
            }],
            layers: vec![FoundLayer {
                name: "dkr-l".into(),
                version: 3,
                experiment: "smoke".into(),
            }],
            log_groups: vec![FoundLogGroup {
                name: "/aws/lambda/dkr-a".into(),
                experiment: "smoke".into(),
                tagged: true,
                bytes: 0,
            }],
            roles: vec![FoundRole {
                name: "dkr-r".into(),
                experiment: "smoke".into(),
            }],
            buckets: vec![FoundBucket {
                name: "dkr-b".into(),
                experiment: "smoke".into(),
                objects: 2,
                uploads: 1,
                bytes: 1_500,
            }],
            ..Found::default()
        };
        assert_eq!(found.count(), 5);
        assert_eq!(
            found.to_string(),
            "function  dkr-a  (smoke; 2.5 MB of code)\n\
             layer     dkr-l:3  (smoke)\n\
             log group /aws/lambda/dkr-a  (smoke; 0 B)\n\
             role      dkr-r  (smoke)\n\
             bucket    dkr-b  (smoke; 2 objects, 1 unfinished uploads, 1.5 kB)\n"
        );
    }
}
