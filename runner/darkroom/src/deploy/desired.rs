//! What to change in a cloud: a value that `plan` prints and tests compare. Pure.
//!
//! [`Have`] × [`Want`] → [`Steps`]. `apply` carries them out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use darkroom_core::cell::Architecture;

use super::error::DeployError;
use super::tags;

/// Changed while a run measures, to renew environments; it is no difference.
const OURS_AT_RUN_TIME: &str = "DARKROOM_NONCE";

/// A layer by name and contents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerId {
    pub name: String,
    /// base64, as Lambda's `CodeSha256`.
    pub sha256: String,
}

/// How a function must be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredConfiguration {
    pub code_sha256: String,
    pub architecture: Architecture,
    pub runtime: String,
    pub handler: String,
    pub memory_mb: u32,
    pub timeout_s: u32,
    pub role_arn: String,
    pub layers: Vec<LayerId>,
    /// Environments are restored from the snapshot of a published version.
    pub snapstart: bool,
    pub environment: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// Everything that must be there, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub experiment: String,
    pub bucket: String,
    /// Of the bucket and the role; the functions carry theirs.
    pub tags: BTreeMap<String, String>,
    /// `None` when the user named one.
    pub role: Option<Role>,
    pub functions: BTreeMap<String, DesiredConfiguration>,
    pub account_id: String,
    /// See [`DeploySettings::boundary`](super::wanted::DeploySettings::boundary).
    pub boundary: Option<String>,
}

/// A role of Darkroom's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub name: String,
    /// What it may do, as IAM's JSON.
    pub policy: serde_json::Value,
}

/// The role as the account has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaveRole {
    pub tags: BTreeMap<String, String>,
    /// `None` when it has none of ours yet: a deployment was cut off right after making it.
    pub policy: Option<serde_json::Value>,
}

/// What to do to the role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RoleStep {
    Create,
    Update {
        policy: bool,
        tags: bool,
    },
    /// It is as it must be, or the user's own.
    #[default]
    Keep,
}

impl Want {
    /// Returns the layers of all functions, each once.
    pub fn layers(&self) -> BTreeSet<&LayerId> {
        self.functions
            .values()
            .flat_map(|function| &function.layers)
            .collect()
    }
}

/// A function as the cloud reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HaveFunction {
    pub arn: String,
    pub code_sha256: String,
    /// As the API spells them.
    pub architectures: Vec<String>,
    pub runtime: String,
    pub handler: String,
    pub memory_mb: u32,
    pub timeout_s: u32,
    pub role_arn: String,
    pub layer_arns: Vec<String>,
    pub snapstart: bool,
    pub environment: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub revision_id: Option<String>,
    pub readiness: Readiness,
    /// Its reserved concurrency is 0: an earlier session stopped it and could not free it again.
    pub stopped: bool,
}

/// Whether what a function reports is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    #[default]
    Ready,
    /// Being created or updated.
    Changing,
    /// Its creation or last update failed, for this reason.
    Failed(String),
}

/// The experiment's bucket as the cloud reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HaveBucket {
    #[default]
    Absent,
    Tagged(BTreeMap<String, String>),
    /// Without any tag: a deployment that was cut off right after making it, or somebody's.
    Untagged {
        empty: bool,
    },
}

/// Everything wanted that is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Have {
    pub bucket: HaveBucket,
    pub role: Option<HaveRole>,
    /// ARN of the version with just these contents.
    pub layers: BTreeMap<LayerId, String>,
    pub functions: BTreeMap<String, HaveFunction>,
}

/// What to do to one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Update {
        code: bool,
        /// Keys of the configuration that differ.
        configuration: Vec<&'static str>,
        tags: bool,
    },
    Keep,
}

/// What to do to the bucket of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketStep {
    Create(String),
    Tag(String),
    Keep,
}

/// What to do, in order: the role, the bucket, the layers, the functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    pub role: RoleStep,
    pub bucket: BucketStep,
    pub publish: Vec<LayerId>,
    pub functions: BTreeMap<String, Change>,
}

impl Steps {
    /// Returns whether everything is as wanted.
    pub fn is_empty(&self) -> bool {
        self.bucket == BucketStep::Keep
            && self.role == RoleStep::Keep
            && self.publish.is_empty()
            && self
                .functions
                .values()
                .all(|change| *change == Change::Keep)
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.role {
            RoleStep::Create => writeln!(f, "create the functions' role")?,
            RoleStep::Update { .. } => writeln!(f, "update the functions' role")?,
            RoleStep::Keep => {}
        }
        match &self.bucket {
            BucketStep::Create(name) => writeln!(f, "create bucket {name}")?,
            BucketStep::Tag(name) => writeln!(f, "tag bucket {name}")?,
            BucketStep::Keep => {}
        }
        for layer in &self.publish {
            writeln!(f, "publish layer {}", layer.name)?;
        }
        for (name, change) in &self.functions {
            match change {
                Change::Create => writeln!(f, "create function {name}")?,
                Change::Update {
                    code,
                    configuration,
                    tags,
                } => {
                    let code = code.then_some("code");
                    let parts: Vec<&str> = code
                        .into_iter()
                        .chain(configuration.iter().copied())
                        .chain(tags.then_some("tags"))
                        .collect();
                    writeln!(f, "update function {name}: {}", parts.join(", "))?;
                }
                Change::Keep => {}
            }
        }
        Ok(())
    }
}

/// Returns what turns `have` into `want`; refuses to change a function that is not tagged as this
/// experiment's.
pub fn steps(have: &Have, want: &Want) -> Result<Steps, DeployError> {
    let publish = want
        .layers()
        .into_iter()
        .filter(|layer| !have.layers.contains_key(layer))
        .cloned()
        .collect();
    let mut functions = BTreeMap::new();
    for (name, target) in &want.functions {
        let change = match have.functions.get(name) {
            None => Change::Create,
            Some(found) => {
                owned(format!("function {name}"), &want.experiment, &found.tags)?;
                change(found, target, &have.layers)
            }
        };
        functions.insert(name.clone(), change);
    }
    Ok(Steps {
        role: role(have.role.as_ref(), want)?,
        bucket: bucket(&have.bucket, want)?,
        publish,
        functions,
    })
}

fn role(have: Option<&HaveRole>, want: &Want) -> Result<RoleStep, DeployError> {
    let Some(Role { name, policy }) = &want.role else {
        return Ok(RoleStep::Keep);
    };
    let Some(have) = have else {
        return Ok(RoleStep::Create);
    };
    owned(format!("role {name}"), &want.experiment, &have.tags)?;
    let (policy, tags) = (
        have.policy.as_ref() != Some(policy),
        !has_all(&have.tags, &want.tags),
    );
    Ok(if policy || tags {
        RoleStep::Update { policy, tags }
    } else {
        RoleStep::Keep
    })
}

fn bucket(have: &HaveBucket, want: &Want) -> Result<BucketStep, DeployError> {
    let resource = || format!("bucket {}", want.bucket);
    match have {
        HaveBucket::Absent => Ok(BucketStep::Create(want.bucket.clone())),
        HaveBucket::Untagged { empty } => Err(DeployError::Foreign {
            resource: resource(),
            found: format!(
                "it has no tags, and is {}",
                if *empty { "empty" } else { "not empty" }
            ),
        }),
        HaveBucket::Tagged(tags) => {
            owned(resource(), &want.experiment, tags)?;
            let same = has_all(tags, &want.tags) && tags.contains_key(tags::UNDER_WAY);
            Ok(if same {
                BucketStep::Keep
            } else {
                BucketStep::Tag(want.bucket.clone())
            })
        }
    }
}

fn has_all(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted
        .iter()
        .all(|(key, value)| found.get(key) == Some(value))
}

/// Refuses what is not tagged as this experiment's.
pub fn owned(
    resource: String,
    experiment: &str,
    found: &BTreeMap<String, String>,
) -> Result<(), DeployError> {
    match found.get(tags::EXPERIMENT) {
        Some(tag) if tag == experiment => Ok(()),
        tag => Err(DeployError::Foreign {
            resource,
            found: match tag {
                Some(other) => format!(
                    "its tag {} is `{other}`, not `{experiment}`",
                    tags::EXPERIMENT
                ),
                None => format!("it has no tag {}", tags::EXPERIMENT),
            },
        }),
    }
}

/// Returns what makes a function that is there as it must be.
pub fn change(
    found: &HaveFunction,
    target: &DesiredConfiguration,
    layers: &BTreeMap<LayerId, String>,
) -> Change {
    let failed = matches!(found.readiness, Readiness::Failed(_));
    let architecture = [target.architecture.as_str()];
    let code =
        failed || found.code_sha256 != target.code_sha256 || found.architectures != architecture;
    let configuration = differences(found, target, layers);
    let tags = !has_all(&found.tags, &target.tags);
    if code || tags || !configuration.is_empty() {
        Change::Update {
            code,
            configuration,
            tags,
        }
    } else {
        Change::Keep
    }
}

/// Returns the keys of the configuration in which what is there is not what is wanted.
pub fn differences(
    found: &HaveFunction,
    target: &DesiredConfiguration,
    layers: &BTreeMap<LayerId, String>,
) -> Vec<&'static str> {
    // A layer that is not published yet has no ARN, so it can't be the one that the function has.
    let layer_arns: Option<Vec<&String>> = target
        .layers
        .iter()
        .map(|layer| layers.get(layer))
        .collect();
    let same_layers = layer_arns.is_some_and(|arns| found.layer_arns.iter().eq(arns));
    let environment = found
        .environment
        .iter()
        .filter(|(name, _)| *name != OURS_AT_RUN_TIME);
    let differs = [
        ("runtime", found.runtime != target.runtime),
        ("handler", found.handler != target.handler),
        ("memory", found.memory_mb != target.memory_mb),
        ("timeout", found.timeout_s != target.timeout_s),
        ("role", found.role_arn != target.role_arn),
        ("layers", !same_layers),
        ("snapstart", found.snapstart != target.snapstart),
        ("environment", !environment.eq(&target.environment)),
    ];
    differs
        .into_iter()
        .filter_map(|(key, differs)| differs.then_some(key))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> LayerId {
        LayerId {
            name: "dkr-smoke-pillow-x86_64".into(),
            sha256: "bGF5ZXI=".into(),
        }
    }

    fn target() -> DesiredConfiguration {
        DesiredConfiguration {
            code_sha256: "Y29kZQ==".into(),
            architecture: Architecture::X86_64,
            runtime: "python3.13".into(),
            handler: "resize.handler".into(),
            memory_mb: 512,
            timeout_s: 30,
            role_arn: "arn:aws:iam::000000000000:role/darkroom".into(),
            layers: vec![layer()],
            snapstart: false,
            environment: BTreeMap::from([("OUTPUT_BUCKET".into(), "b".into())]),
            tags: BTreeMap::from([(tags::EXPERIMENT.into(), "smoke".into())]),
        }
    }

    fn want() -> Want {
        Want {
            experiment: "smoke".into(),
            account_id: "000000000000".into(),
            boundary: None,
            bucket: "b".into(),
            tags: target().tags,
            role: None,
            functions: BTreeMap::from([("f".to_owned(), target())]),
        }
    }

    /// Tags of the bucket while a session is running.
    fn in_use() -> BTreeMap<String, String> {
        target()
            .tags
            .into_iter()
            .chain([(tags::UNDER_WAY.to_owned(), "yes".to_owned())])
            .collect()
    }

    /// What a cloud holds once `want` has been deployed to it.
    fn deployed() -> Have {
        let target = target();
        let function = HaveFunction {
            arn: "arn:f".into(),
            code_sha256: target.code_sha256,
            architectures: vec!["x86_64".into()],
            runtime: target.runtime,
            handler: target.handler,
            memory_mb: target.memory_mb,
            timeout_s: target.timeout_s,
            role_arn: target.role_arn,
            layer_arns: vec!["arn:layer:1".into()],
            snapstart: false,
            environment: target.environment,
            tags: target.tags,
            revision_id: None,
            readiness: Readiness::Ready,
            stopped: false,
        };
        Have {
            bucket: HaveBucket::Tagged(in_use()),
            role: None,
            layers: BTreeMap::from([(layer(), "arn:layer:1".to_owned())]),
            functions: BTreeMap::from([("f".to_owned(), function)]),
        }
    }

    /// Returns the change to `f` after `alter` changed what is there.
    fn change_after(alter: impl FnOnce(&mut HaveFunction)) -> Change {
        let mut have = deployed();
        alter(have.functions.get_mut("f").unwrap());
        steps(&have, &want()).unwrap().functions["f"].clone()
    }

    fn update(code: bool, configuration: &[&'static str], tags: bool) -> Change {
        Change::Update {
            code,
            configuration: configuration.to_vec(),
            tags,
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        assert!(steps(&deployed(), &want()).unwrap().is_empty());
    }

    #[test]
    fn in_an_empty_account_everything_is_made() {
        let steps = steps(&Have::default(), &want()).unwrap();
        assert_eq!(
            steps.to_string(),
            "create bucket b\npublish layer dkr-smoke-pillow-x86_64\ncreate function f\n"
        );
    }

    #[test]
    fn only_what_differs_is_updated() {
        assert_eq!(
            change_after(|f| f.code_sha256 = "other".into()),
            update(true, &[], false)
        );
        assert_eq!(
            change_after(|f| f.architectures = vec!["arm64".into()]),
            update(true, &[], false)
        );
        assert_eq!(
            change_after(|f| f.memory_mb = 128),
            update(false, &["memory"], false)
        );
        assert_eq!(
            change_after(|f| f.handler = "x.y".into()),
            update(false, &["handler"], false)
        );
        assert_eq!(
            change_after(|f| f.runtime = "python3.14".into()),
            update(false, &["runtime"], false)
        );
        assert_eq!(
            change_after(|f| f.role_arn = "x".into()),
            update(false, &["role"], false)
        );
        assert_eq!(
            change_after(|f| f.layer_arns.clear()),
            update(false, &["layers"], false)
        );
        let change = change_after(|f| {
            f.timeout_s = 3;
            f.environment.insert("OUTPUT_PREFIX".into(), "x".into());
            f.tags.insert("kept".into(), "by someone else".into());
        });
        assert_eq!(change, update(false, &["timeout", "environment"], false));
    }

    #[test]
    fn a_changed_dependency_is_published_and_its_functions_follow() {
        let mut want = want();
        want.functions.get_mut("f").unwrap().layers[0].sha256 = "bmV3".into();
        let steps = steps(&deployed(), &want).unwrap();
        assert_eq!(
            steps.publish,
            [LayerId {
                sha256: "bmV3".into(),
                ..layer()
            }]
        );
        assert_eq!(steps.functions["f"], update(false, &["layers"], false));
    }

    #[test]
    fn what_a_run_changes_for_cold_starts_is_no_difference() {
        let change = change_after(|f| {
            f.environment.insert("DARKROOM_NONCE".into(), "7".into());
        });
        assert_eq!(change, Change::Keep);
    }

    #[test]
    fn a_function_whose_last_update_failed_gets_its_code_anew() {
        assert_eq!(
            change_after(|f| f.readiness = Readiness::Failed("disk".into())),
            update(true, &[], false)
        );
    }

    #[test]
    fn what_darkroom_did_not_tag_for_this_experiment_is_refused() {
        for tag in [None, Some("other")] {
            let mut have = deployed();
            let tags = &mut have.functions.get_mut("f").unwrap().tags;
            tags.clear();
            tags.extend(tag.map(|tag| (super::tags::EXPERIMENT.to_owned(), tag.to_owned())));
            let text = steps(&have, &want()).unwrap_err().to_string();
            assert!(
                text.contains("function f exists") && text.contains("darkroom:experiment"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_bucket_is_taken_over_only_if_tagged_for_this_experiment() {
        let step = |bucket: HaveBucket| {
            steps(
                &Have {
                    bucket,
                    ..deployed()
                },
                &want(),
            )
            .map(|steps| steps.bucket)
        };
        let tagged = |key: &str, value: &str| {
            HaveBucket::Tagged(BTreeMap::from([(key.into(), value.into())]))
        };
        assert_eq!(
            step(HaveBucket::Absent).unwrap(),
            BucketStep::Create("b".into())
        );
        assert_eq!(
            step(HaveBucket::Tagged(in_use())).unwrap(),
            BucketStep::Keep
        );
        // Its last session came to its end.
        assert_eq!(
            step(tagged(tags::EXPERIMENT, "smoke")).unwrap(),
            BucketStep::Tag("b".into())
        );
        for foreign in [
            HaveBucket::Untagged { empty: false },
            HaveBucket::Untagged { empty: true },
            tagged("owner", "someone"),
            tagged(tags::EXPERIMENT, "x"),
        ] {
            let text = step(foreign).unwrap_err().to_string();
            assert!(
                text.starts_with("bucket b exists, but Darkroom did not create it"),
                "{text}"
            );
        }
    }
}
