//! Finds everything that Darkroom made in an account, by its tags and not by memory, and removes it.
//!
//! [`find`] → [`Found`], which a person can read first → [`remove`]. Works the same after a run that ended, broke or was
//! killed at any moment; a second time it finds nothing. Touches only what carries the tag. Two things can lack it and
//! are ours: layers, which can't be tagged (the description says it), and the log group of a tagged function, where Lambda
//! made it.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use futures::stream::{self, StreamExt, TryStreamExt};

use super::observe::call;
use super::{Clients, DeployError, log_groups, names, tags};

/// Calls under way at once.
const AT_ONCE: usize = 8;

/// Which of Darkroom's resources are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    Everything,
    /// Those of one experiment.
    Experiment(String),
    /// Those whose expiry date is before this one (UTC, `2026-12-24`).
    ExpiredBefore(String),
}

/// What there is to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub functions: Vec<FoundFunction>,
    pub layers: Vec<FoundLayer>,
    pub log_groups: Vec<FoundLogGroup>,
    pub roles: Vec<FoundRole>,
    pub buckets: Vec<FoundBucket>,
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
        self.functions.len() + self.layers.len() + self.log_groups.len() + self.roles.len() + self.buckets.len()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FoundFunction { name, experiment, code_bytes } in &self.functions {
            writeln!(f, "function  {name}  ({experiment}; {} of code)", size(*code_bytes))?;
        }
        for FoundLayer { name, version, experiment } in &self.layers {
            writeln!(f, "layer     {name}:{version}  ({experiment})")?;
        }
        for FoundLogGroup { name, experiment, bytes, .. } in &self.log_groups {
            writeln!(f, "log group {name}  ({experiment}; {})", size(*bytes))?;
        }
        for FoundRole { name, experiment } in &self.roles {
            writeln!(f, "role      {name}  ({experiment})")?;
        }
        for FoundBucket { name, experiment, objects, uploads, bytes } in &self.buckets {
            let uploads = if *uploads == 0 { String::new() } else { format!(", {uploads} unfinished uploads") };
            writeln!(f, "bucket    {name}  ({experiment}; {objects} objects{uploads}, {})", size(*bytes))?;
        }
        if !self.is_empty() {
            let stored: u64 = self.buckets.iter().map(|bucket| bucket.bytes).sum();
            let logged: u64 = self.log_groups.iter().map(|group| group.bytes).sum();
            let code: u64 = self.functions.iter().map(|function| function.code_bytes).sum();
            writeln!(
                f,
                "Kept, AWS bills the storage of {} in S3 and of {} of logs; functions, layers and roles that nobody calls \
                 cost nothing, and {} of code count against Lambda's code storage.",
                size(stored),
                size(logged),
                size(code)
            )?;
        }
        Ok(())
    }
}

/// Returns everything of Darkroom's that is meant.
pub async fn find(clients: &Clients, region: &str, which: &Which) -> Result<Found, DeployError> {
    let clients = &super::patient(clients);
    // Boxed: the calls under way at once are large.
    let found = async {
        futures::try_join!(functions(clients, which), buckets(clients, region, which), roles(clients, region, which))
    };
    let (functions, buckets, roles) = Box::pin(found).await?;
    // A layer has no expiry of its own: it expires with the last function of its experiment.
    let meant = |experiment: &str| match which {
        Which::Everything => true,
        Which::Experiment(name) => name == experiment,
        Which::ExpiredBefore(_) => {
            let left = |found: &FoundTagged| found.experiment == experiment && !found.meant;
            functions.iter().any(|f| f.1.meant && f.1.experiment == experiment) && !functions.iter().any(|f| left(&f.1))
        }
    };
    let layers = layers(clients).await?.into_iter().filter(|layer| meant(&layer.experiment)).collect();
    let functions: Vec<FoundFunction> =
        functions.into_iter().filter(|(_, tagged)| tagged.meant).map(|(function, _)| function).collect();
    let log_groups = groups(clients, &functions, which).await?;
    Ok(Found { functions, layers, log_groups, roles, buckets })
}

/// Removes what was found, in the order that leaves nothing unfindable behind if it is cut off.
///
/// What is gone already is no error. `on_removed` is called with a line for each resource.
pub async fn remove(clients: &Clients, found: &Found, mut on_removed: impl FnMut(String)) -> Result<(), DeployError> {
    let clients = &super::patient(clients);
    for FoundLogGroup { name, .. } in found.log_groups.iter().filter(|group| !group.tagged) {
        remove_log_group(clients, name).await?;
    }
    let mut functions = stream::iter(&found.functions)
        .map(|function| async move {
            remove_function(clients, &function.name).await?;
            Ok::<_, DeployError>(format!("function {}", function.name))
        })
        .buffer_unordered(AT_ONCE);
    while let Some(line) = functions.try_next().await? {
        on_removed(line);
    }
    for FoundLogGroup { name, .. } in &found.log_groups {
        remove_log_group(clients, name).await?;
        on_removed(format!("log group {name}"));
    }
    for FoundRole { name, .. } in &found.roles {
        remove_role(clients, name).await?;
        on_removed(format!("role {name}"));
    }
    for FoundLayer { name, version, .. } in &found.layers {
        let sent = clients.lambda.delete_layer_version().layer_name(name).version_number(*version).send().await;
        gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("layer {name}:{version}"))?;
        on_removed(format!("layer {name}:{version}"));
    }
    for bucket in &found.buckets {
        remove_bucket(clients, &bucket.name).await?;
        on_removed(format!("bucket {}", bucket.name));
    }
    Ok(())
}

/// What a resource's tags say of it.
struct FoundTagged {
    experiment: String,
    meant: bool,
}

/// Returns whose a resource with these tags is; `None` if it is not Darkroom's.
fn tagged(tags: &BTreeMap<String, String>, which: &Which) -> Option<FoundTagged> {
    let experiment = tags.get(tags::EXPERIMENT)?.clone();
    let meant = match which {
        Which::Everything => true,
        Which::Experiment(name) => *name == experiment,
        Which::ExpiredBefore(date) => tags.get(tags::EXPIRES).is_some_and(|expires| expires < date),
    };
    Some(FoundTagged { experiment, meant })
}

/// Returns every function of Darkroom's, with what its tags say.
async fn functions(clients: &Clients, which: &Which) -> Result<Vec<(FoundFunction, FoundTagged)>, DeployError> {
    let mut candidates = Vec::new();
    let mut marker = None;
    loop {
        let page = clients.lambda.list_functions().set_marker(marker).send().await;
        let page = page.map_err(|error| call("listing", "functions".into(), &error))?;
        // Every name of ours begins so. Only the tags decide; this spares a call for each of the account's others.
        candidates.extend(page.functions().iter().filter(|f| is_our_name(f.function_name())).cloned());
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    let found = stream::iter(candidates).map(async |function| {
        let arn = function.function_arn().unwrap_or_default();
        let name = function.function_name().unwrap_or_default().to_owned();
        let code_bytes = u64::try_from(function.code_size()).unwrap_or_default();
        match clients.lambda.list_tags().resource(arn).send().await {
            Ok(found) => {
                let tags = found.tags().cloned().unwrap_or_default().into_iter().collect();
                Ok(tagged(&tags, which)
                    .map(|tagged| (FoundFunction { name, experiment: tagged.experiment.clone(), code_bytes }, tagged)))
            }
            // Removed since it was listed.
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(call("reading the tags", format!("function {name}"), &error)),
        }
    });
    let mut found: Vec<_> =
        found.buffer_unordered(AT_ONCE).try_filter_map(async |found| Ok(found)).try_collect().await?;
    found.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    Ok(found)
}

fn is_our_name(name: Option<&str>) -> bool {
    name.and_then(|name| name.strip_prefix(names::PREFIX)).is_some_and(|rest| rest.starts_with('-'))
}

/// Returns every layer version of Darkroom's.
async fn layers(clients: &Clients) -> Result<Vec<FoundLayer>, DeployError> {
    let mut layer_names = Vec::new();
    let mut marker = None;
    loop {
        let page = clients.lambda.list_layers().set_marker(marker).send().await;
        let page = page.map_err(|error| call("listing", "layers".into(), &error))?;
        let ours = page.layers().iter().filter_map(|layer| layer.layer_name()).filter(|name| is_our_name(Some(*name)));
        layer_names.extend(ours.map(str::to_owned));
        marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    let mut found = Vec::new();
    for name in layer_names {
        let mut marker = None;
        loop {
            let page = clients.lambda.list_layer_versions().layer_name(&name).set_marker(marker).send().await;
            let page = page.map_err(|error| call("listing", format!("layer {name}"), &error))?;
            found.extend(page.layer_versions().iter().filter_map(|version| {
                let experiment = tags::layer_experiment(version.description()?)?.to_owned();
                Some(FoundLayer { name: name.clone(), version: version.version(), experiment })
            }));
            marker = page.next_marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Returns every log group of Darkroom's: those that are tagged, and those of the functions that go.
async fn groups(
    clients: &Clients,
    functions: &[FoundFunction],
    which: &Which,
) -> Result<Vec<FoundLogGroup>, DeployError> {
    let going: BTreeMap<String, &FoundFunction> =
        functions.iter().map(|function| (log_groups::of_function(&function.name), function)).collect();
    let all = log_groups::list(&clients.logs, &format!("{}-", names::PREFIX)).await?;
    let found = stream::iter(all).map(|group| {
        let function = going.get(&group.name).copied();
        async move {
            let log_groups::Group { ref name, bytes, .. } = group;
            let Some(tags) = log_groups::tags(&clients.logs, &group).await? else { return Ok(None) };
            let by_tag = tagged(&tags, which).filter(|tagged| tagged.meant).map(|tagged| tagged.experiment);
            // A group with someone else's tag is theirs, whatever it is called.
            let by_function = function.filter(|_| tags.is_empty()).map(|function| function.experiment.clone());
            let tagged = by_tag.is_some();
            let experiment = by_tag.or(by_function);
            Ok(experiment.map(|experiment| FoundLogGroup { name: name.clone(), experiment, tagged, bytes }))
        }
    });
    // `ListTagsForResource` of Logs allows 5 calls a second.
    let mut found: Vec<_> = found.buffer_unordered(4).try_filter_map(async |found| Ok(found)).try_collect().await?;
    found.sort_by(|a: &FoundLogGroup, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Returns every role of Darkroom's that is for this region.
async fn roles(clients: &Clients, region: &str, which: &Which) -> Result<Vec<FoundRole>, DeployError> {
    let mut candidates = Vec::new();
    let mut pages = clients.iam.list_roles().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call("listing", "roles".into(), &error))?;
        let ours = page.roles().iter().map(aws_sdk_iam::types::Role::role_name).filter(|name| is_our_name(Some(*name)));
        candidates.extend(ours.map(str::to_owned));
    }
    let mut found = Vec::new();
    for name in candidates {
        let tags: BTreeMap<String, String> = match clients.iam.list_role_tags().role_name(&name).send().await {
            Ok(found) => found.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
            Err(error) if error.code() == Some("NoSuchEntity") => continue,
            Err(error) => return Err(call("reading the tags", format!("role {name}"), &error)),
        };
        if tags.get(tags::REGION).is_some_and(|of| of == region)
            && let Some(FoundTagged { experiment, meant: true }) = tagged(&tags, which)
        {
            found.push(FoundRole { name, experiment });
        }
    }
    Ok(found)
}

async fn buckets(clients: &Clients, region: &str, which: &Which) -> Result<Vec<FoundBucket>, DeployError> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = clients.s3.list_buckets().prefix(format!("{}-", names::PREFIX)).set_continuation_token(token);
        let page = page.send().await.map_err(|error| call("listing", "buckets".into(), &error))?;
        // An endpoint may give the region or leave it out; a bucket elsewhere is for a `clean` there.
        let here = page.buckets().iter().filter(|bucket| bucket.bucket_region().is_none_or(|of| of == region));
        for name in here.filter_map(|bucket| bucket.name()).filter(|name| is_our_name(Some(*name))) {
            found.extend(bucket(clients, name, which).await?);
        }
        token = page.continuation_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
}

async fn bucket(clients: &Clients, name: &str, which: &Which) -> Result<Option<FoundBucket>, DeployError> {
    let tags: BTreeMap<String, String> = match clients.s3.get_bucket_tagging().bucket(name).send().await {
        Ok(tagging) => tagging.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect(),
        Err(error) if error.code() == Some("NoSuchTagSet") => BTreeMap::new(),
        Err(error) if error.code() == Some("NoSuchBucket") => return Ok(None),
        // A bucket whose name looks like ours, and that belongs to someone else.
        Err(error) if error.code() == Some("AccessDenied") => return Ok(None),
        Err(error) => return Err(call("reading the tags", format!("bucket {name}"), &error)),
    };
    let Some(FoundTagged { experiment, meant: true }) = tagged(&tags, which) else { return Ok(None) };
    let (mut objects, mut bytes) = (0, 0);
    let mut pages = clients.s3.list_objects_v2().bucket(name).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call("listing", format!("bucket {name}"), &error))?;
        objects += page.contents().len() as u64;
        let sizes = page.contents().iter().filter_map(aws_sdk_s3::types::Object::size);
        bytes += sizes.filter_map(|size| u64::try_from(size).ok()).sum::<u64>();
    }
    let uploads = uploads(clients, name).await?.len() as u64;
    Ok(Some(FoundBucket { name: name.to_owned(), experiment, objects, uploads, bytes }))
}

/// Returns key and id of every multipart upload that nobody finished.
async fn uploads(clients: &Clients, name: &str) -> Result<Vec<(String, String)>, DeployError> {
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let page = clients.s3.list_multipart_uploads().bucket(name).set_key_marker(key).set_upload_id_marker(id);
        let page = match page.send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(found),
            Err(error) => return Err(call("listing", format!("unfinished uploads of bucket {name}"), &error)),
        };
        let one = |upload: &aws_sdk_s3::types::MultipartUpload| {
            Some((upload.key()?.to_owned(), upload.upload_id()?.to_owned()))
        };
        found.extend(page.uploads().iter().filter_map(one));
        (key, id) = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        if !page.is_truncated().unwrap_or(false) || key.is_none() {
            return Ok(found);
        }
    }
}

/// Removes a function. Its log group follows by its own tag; one that Lambda made has none, and goes before the function
/// whose tag leads to it.
async fn remove_function(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let sent = clients.lambda.delete_function().function_name(name).send().await;
    gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("function {name}"))
}

async fn remove_log_group(clients: &Clients, group: &str) -> Result<(), DeployError> {
    let sent = clients.logs.delete_log_group().log_group_name(group).send().await;
    gone(sent.map(|_| ()), &["ResourceNotFoundException"], "removal", || format!("log group {group}"))
}

/// IAM removes a role only once its policies are gone. They are read, not remembered; one that somebody attached is
/// theirs, and IAM then says that it is in the way.
async fn remove_role(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("role {name}");
    let policies = match clients.iam.list_role_policies().role_name(name).send().await {
        Ok(found) => found.policy_names().to_vec(),
        Err(error) if error.code() == Some("NoSuchEntity") => return Ok(()),
        Err(error) => return Err(call("reading", resource(), &error)),
    };
    for policy in policies {
        let sent = clients.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
        gone(sent.map(|_| ()), &["NoSuchEntity"], "removal of the policy", resource)?;
    }
    let sent = clients.iam.delete_role().role_name(name).send().await;
    gone(sent.map(|_| ()), &["NoSuchEntity"], "removal", resource)
}

/// Empties and removes a bucket.
async fn remove_bucket(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let resource = || format!("bucket {name}");
    loop {
        let page = match clients.s3.list_objects_v2().bucket(name).send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(()),
            Err(error) => return Err(call("listing", resource(), &error)),
        };
        let keys: Result<Vec<ObjectIdentifier>, _> = page
            .contents()
            .iter()
            .filter_map(|object| object.key())
            .map(|key| ObjectIdentifier::builder().key(key).build())
            .collect();
        let delete = keys.and_then(|keys| Delete::builder().set_objects(Some(keys)).quiet(true).build());
        let refused =
            |reason: String| DeployError::Call { operation: "emptying", resource: resource(), reason, help: None };
        let delete = delete.map_err(|error| refused(error.to_string()))?;
        if delete.objects().is_empty() {
            break;
        }
        let sent = clients.s3.delete_objects().bucket(name).delete(delete).send().await;
        let sent = sent.map_err(|error| call("emptying", resource(), &error))?;
        if let Some(error) = sent.errors().first() {
            return Err(refused(format!("{}: {}", error.key().unwrap_or("?"), error.message().unwrap_or("refused"))));
        }
    }
    for (key, id) in uploads(clients, name).await? {
        let sent = clients.s3.abort_multipart_upload().bucket(name).key(&key).upload_id(id).send().await;
        gone(sent.map(|_| ()), &["NoSuchUpload", "NoSuchBucket"], "ending an upload of", resource)?;
    }
    let sent = clients.s3.delete_bucket().bucket(name).send().await;
    gone(sent.map(|_| ()), &["NoSuchBucket"], "removal", resource)
}

/// Turns "it is not there" into success: that is what removal is for.
fn gone<E, R>(
    sent: Result<(), aws_sdk_lambda::error::SdkError<E, R>>,
    not_there: &[&str],
    operation: &'static str,
    resource: impl FnOnce() -> String,
) -> Result<(), DeployError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: fmt::Debug + 'static,
{
    match sent {
        Err(error) if !error.code().is_some_and(|code| not_there.contains(&code)) => {
            Err(call(operation, resource(), &error))
        }
        _ => Ok(()),
    }
}

fn size(bytes: u64) -> String {
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

    fn tags_of(experiment: &str, expires: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(tags::EXPERIMENT.into(), experiment.into()), (tags::EXPIRES.into(), expires.into())])
    }

    #[test]
    fn only_what_is_tagged_is_darkrooms_whatever_it_is_called() {
        assert!(tagged(&BTreeMap::new(), &Which::Everything).is_none());
        assert!(tagged(&BTreeMap::from([("owner".into(), "someone".into())]), &Which::Everything).is_none());
        assert!(tagged(&tags_of("smoke", "2026-12-24"), &Which::Everything).is_some_and(|found| found.meant));
        assert!(is_our_name(Some("dkr-smoke")) && !is_our_name(Some("dkrone")) && !is_our_name(None));
    }

    #[test]
    fn one_experiment_or_the_expired_can_be_meant() {
        let meant = |which: Which| tagged(&tags_of("smoke", "2026-12-24"), &which).is_some_and(|found| found.meant);
        assert!(meant(Which::Experiment("smoke".into())));
        assert!(!meant(Which::Experiment("smok".into())));
        assert!(!meant(Which::ExpiredBefore("2026-12-24".into())));
        assert!(meant(Which::ExpiredBefore("2026-12-25".into())));
    }

    #[test]
    fn what_will_be_removed_is_listed_with_what_keeping_it_means() {
        let found = Found {
            functions: vec![FoundFunction { name: "dkr-a".into(), experiment: "smoke".into(), code_bytes: 2_500_000 }],
            layers: vec![FoundLayer { name: "dkr-l".into(), version: 3, experiment: "smoke".into() }],
            log_groups: vec![FoundLogGroup {
                name: "/aws/lambda/dkr-a".into(),
                experiment: "smoke".into(),
                tagged: true,
                bytes: 0,
            }],
            roles: vec![FoundRole { name: "dkr-r".into(), experiment: "smoke".into() }],
            buckets: vec![FoundBucket {
                name: "dkr-b".into(),
                experiment: "smoke".into(),
                objects: 2,
                uploads: 1,
                bytes: 1_500,
            }],
        };
        assert_eq!(
            found.to_string(),
            "function  dkr-a  (smoke; 2.5 MB of code)\n\
             layer     dkr-l:3  (smoke)\n\
             log group /aws/lambda/dkr-a  (smoke; 0 B)\n\
             role      dkr-r  (smoke)\n\
             bucket    dkr-b  (smoke; 2 objects, 1 unfinished uploads, 1.5 kB)\n\
             Kept, AWS bills the storage of 1.5 kB in S3 and of 0 B of logs; functions, layers and roles that nobody calls \
             cost nothing, and 2.5 MB of code count against Lambda's code storage.\n"
        );
    }
}
