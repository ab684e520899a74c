//! Finds everything that Darkroom made in an account, by its tags. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_lambda::error::ProvideErrorMetadata;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::ToSpan;
use jiff::civil::Date;

use super::{
    AT_ONCE, Found, FoundBucket, FoundFunction, FoundLayer, FoundLogGroup, FoundRole, Left,
    Unneeded, Which,
};
use crate::deploy::clients::{Clients, patient};
use crate::deploy::error::DeployError;
use crate::deploy::observe::call;
use crate::deploy::wanted::LIFETIME_DAYS;
use crate::deploy::{log_groups, names, tags};
use crate::error_text::error_message;

/// Kinds of resources that are looked for.
const KINDS: usize = 5;

/// Something of Darkroom's, with what its tags say of it.
struct Tagged<T> {
    resource: T,
    experiment: String,
    meant: bool,
    /// Who owns it, where that is why it is not meant.
    others: Option<String>,
    /// When a session of its experiment was last seen, if one is running; of buckets.
    seen: Option<String>,
}

/// What is meant, and the experiments of which a session is running.
struct Chosen<'a> {
    which: &'a Which,
    running: BTreeSet<String>,
}

/// Returns everything of Darkroom's that is meant.
///
/// A kind of resource that can't be looked for keeps no other from being found: [`Found::unseen`]
/// says why. Where none can, that is an error.
pub async fn find(clients: &Clients, region: &str, which: &Which) -> Result<Found, DeployError> {
    let clients = &patient(clients);
    let mut chosen = Chosen {
        which,
        running: BTreeSet::new(),
    };
    let (mut spared, mut unseen) = (Spared::default(), Vec::new());
    // First: they say which sessions are running.
    let buckets = seen(buckets(clients, region, &chosen).await, &mut unseen);
    let running = buckets.iter().filter(|bucket| bucket.seen.is_some());
    chosen.running = running.map(|bucket| bucket.experiment.clone()).collect();
    // Boxed: the calls that run at once are large.
    let looked =
        async { futures::join!(functions(clients, &chosen), roles(clients, region, &chosen)) };
    let (functions, roles) = Box::pin(looked).await;
    let functions = meant(seen(functions, &mut unseen), &mut spared);
    let buckets = meant(buckets, &mut spared);
    let roles = meant(seen(roles, &mut unseen), &mut spared);
    let log_groups = seen(groups(clients, &functions, &chosen).await, &mut unseen);
    let Spared { spared, left } = spared;
    // A role needs no layer.
    let all_seen = unseen
        .iter()
        .all(|it| matches!(it, DeployError::RolesDenied { .. }));
    let layers = seen(layers(clients).await, &mut unseen).into_iter();
    let layers = layers
        .filter(|(layer, made)| layer_is_meant(&layer.experiment, *made, which, &spared, all_seen));
    let layers = layers.map(|(layer, _)| layer).collect();
    if unseen.len() == KINDS {
        return Err(unseen.swap_remove(0));
    }
    Ok(Found {
        functions,
        layers,
        log_groups,
        roles,
        buckets,
        spared,
        left,
        unseen,
    })
}

fn seen<T>(looked: Result<Vec<T>, DeployError>, unseen: &mut Vec<DeployError>) -> Vec<T> {
    looked.unwrap_or_else(|error| {
        unseen.push(error);
        Vec::new()
    })
}

/// What is not meant.
#[derive(Default)]
struct Spared {
    spared: BTreeMap<String, usize>,
    left: BTreeMap<String, Left>,
}

/// Returns what is meant, and counts by experiment what is not.
fn meant<T>(found: Vec<Tagged<T>>, spared: &mut Spared) -> Vec<T> {
    let (meant, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.meant);
    for other in others {
        if other.others.is_some() || other.seen.is_some() {
            let left = spared.left.entry(other.experiment.clone()).or_default();
            left.by.extend(other.others);
            left.seen = left.seen.take().or(other.seen);
        }
        *spared.spared.entry(other.experiment).or_default() += 1;
    }
    meant.into_iter().map(|found| found.resource).collect()
}

/// Returns what these tags say of a `resource`, which is given its experiment's name; `None` if it
/// is not Darkroom's.
fn tagged<T>(
    tags: &BTreeMap<String, String>,
    chosen: &Chosen<'_>,
    resource: impl FnOnce(String) -> T,
) -> Option<Tagged<T>> {
    let experiment = tags.get(tags::EXPERIMENT)?.clone();
    let expired = |date: &String| tags.get(tags::EXPIRES).is_some_and(|it| it < date);
    let (mut others, mut seen) = (None, None);
    let meant = match chosen.which {
        Which::Everything => true,
        Which::Unneeded(Unneeded {
            by,
            expired_before,
            running_since,
        }) => {
            let owner = tags.get(tags::BY).cloned().unwrap_or_default();
            others = by.as_ref().is_some_and(|by| owner != *by).then_some(owner);
            seen = tags.get(tags::UNDER_WAY).filter(|seen| {
                running_since
                    .as_ref()
                    .is_some_and(|since| is_later(seen, since))
            });
            others.is_none()
                && seen.is_none()
                && !chosen.running.contains(&experiment)
                && expired_before.as_ref().is_none_or(expired)
        }
        Which::Experiment(name) => *name == experiment,
        Which::ExpiredBefore(date) => expired(date),
        Which::Run {
            experiment: name,
            run_id,
            ..
        } => *name == experiment && tags.get(tags::RUN) == Some(run_id),
    };
    Some(Tagged {
        resource: resource(experiment.clone()),
        experiment,
        meant,
        others,
        seen: seen.cloned(),
    })
}

/// Compares two times as tags say them. A mark of an earlier version, which says no time, is taken
/// for one of now.
fn is_later(seen: &str, since: &str) -> bool {
    seen.parse::<jiff::Timestamp>().is_err() || seen > since
}

/// Says whether a layer of this experiment is meant. It names neither a run nor an expiry of its
/// own: it is spared with anything else of its experiment, and expires so long after it was made as
/// everything does.
fn layer_is_meant(
    of: &str,
    made: Option<Date>,
    which: &Which,
    spared: &BTreeMap<String, usize>,
    all_seen: bool,
) -> bool {
    let unneeded = all_seen && !spared.contains_key(of);
    match which {
        Which::Everything => true,
        Which::Experiment(name) => name == of,
        Which::ExpiredBefore(date) => unneeded && expired_before(made, date),
        Which::Unneeded(Unneeded {
            expired_before: date,
            ..
        }) => {
            let expired = date.as_ref().is_none_or(|date| expired_before(made, date));
            unneeded && expired
        }
        Which::Run { experiment, .. } => unneeded && experiment == of,
    }
}

fn expired_before(made: Option<Date>, date: &str) -> bool {
    let expires = made.and_then(|made| made.checked_add(i64::from(LIFETIME_DAYS).days()).ok());
    expires.is_some_and(|expires| *expires.to_string() < *date)
}

/// Returns every function of Darkroom's, with what its tags say.
async fn functions(
    clients: &Clients,
    chosen: &Chosen<'_>,
) -> Result<Vec<Tagged<FoundFunction>>, DeployError> {
    let mut candidates = Vec::new();
    let mut marker = None;
    loop {
        let page = clients
            .lambda
            .list_functions()
            .set_marker(marker)
            .send()
            .await;
        let page = page.map_err(|error| call("listing", "functions".into(), &error))?;
        // Every name of ours begins so. Only the tags decide; this spares a call for each of the
        // account's others.
        candidates.extend(
            page.functions()
                .iter()
                .filter(|f| is_our_name(f.function_name()))
                .cloned(),
        );
        marker = page
            .next_marker()
            .filter(|marker| !marker.is_empty())
            .map(str::to_owned);
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
                let tags = found
                    .tags()
                    .cloned()
                    .unwrap_or_default()
                    .into_iter()
                    .collect();
                Ok(tagged(&tags, chosen, |experiment| FoundFunction {
                    name,
                    experiment,
                    code_bytes,
                }))
            }
            // Removed since it was listed.
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(call("reading the tags", format!("function {name}"), &error)),
        }
    });
    let mut found: Vec<_> = found
        .buffer_unordered(AT_ONCE)
        .try_filter_map(async |found| Ok(found))
        .try_collect()
        .await?;
    found.sort_by(|a, b| a.resource.name.cmp(&b.resource.name));
    Ok(found)
}

fn is_our_name(name: Option<&str>) -> bool {
    name.and_then(|name| name.strip_prefix(names::PREFIX))
        .is_some_and(|rest| rest.starts_with('-'))
}

/// Returns every layer version of Darkroom's, with the day it was made on where that is said.
async fn layers(clients: &Clients) -> Result<Vec<(FoundLayer, Option<Date>)>, DeployError> {
    let mut layer_names = Vec::new();
    let mut marker = None;
    loop {
        let page = clients.lambda.list_layers().set_marker(marker).send().await;
        let page = page.map_err(|error| call("listing", "layers".into(), &error))?;
        let ours = page
            .layers()
            .iter()
            .filter_map(|layer| layer.layer_name())
            .filter(|name| is_our_name(Some(*name)));
        layer_names.extend(ours.map(str::to_owned));
        marker = page
            .next_marker()
            .filter(|marker| !marker.is_empty())
            .map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    let mut found = Vec::new();
    for name in layer_names {
        let mut marker = None;
        loop {
            let page = clients
                .lambda
                .list_layer_versions()
                .layer_name(&name)
                .set_marker(marker)
                .send()
                .await;
            let page = page.map_err(|error| call("listing", format!("layer {name}"), &error))?;
            found.extend(page.layer_versions().iter().filter_map(|version| {
                let experiment = tags::layer_experiment(version.description()?)?.to_owned();
                let made = version
                    .created_date()
                    .and_then(|at| at.get(..10)?.parse().ok());
                Some((
                    FoundLayer {
                        name: name.clone(),
                        version: version.version(),
                        experiment,
                    },
                    made,
                ))
            }));
            marker = page
                .next_marker()
                .filter(|marker| !marker.is_empty())
                .map(str::to_owned);
            if marker.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Returns every log group of Darkroom's: those that are tagged, and those of the functions that
/// go.
async fn groups(
    clients: &Clients,
    functions: &[FoundFunction],
    chosen: &Chosen<'_>,
) -> Result<Vec<FoundLogGroup>, DeployError> {
    let going: BTreeMap<String, &FoundFunction> = functions
        .iter()
        .map(|function| (log_groups::of_function(&function.name), function))
        .collect();
    let all = log_groups::list(&clients.logs, &format!("{}-", names::PREFIX)).await?;
    let found = stream::iter(all).map(|group| {
        let function = going.get(&group.name).copied();
        async move {
            let log_groups::ExistingLogGroup {
                ref name, bytes, ..
            } = group;
            let Some(tags) = log_groups::tags(&clients.logs, &group).await? else {
                return Ok(None);
            };
            let by_tag = tagged(&tags, chosen, |experiment| experiment)
                .filter(|it| it.meant)
                .map(|it| it.resource);
            // A group with someone else's tag is theirs, whatever it is called.
            let by_function = function
                .filter(|_| tags.is_empty())
                .map(|function| function.experiment.clone());
            let tagged = by_tag.is_some();
            let experiment = by_tag.or(by_function);
            Ok(experiment.map(|experiment| FoundLogGroup {
                name: name.clone(),
                experiment,
                tagged,
                bytes,
            }))
        }
    });
    // `ListTagsForResource` of Logs allows 5 calls a second.
    let mut found: Vec<_> = found
        .buffer_unordered(4)
        .try_filter_map(async |found| Ok(found))
        .try_collect()
        .await?;
    found.sort_by(|a: &FoundLogGroup, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Returns every role of Darkroom's that is for this region.
async fn roles(
    clients: &Clients,
    region: &str,
    chosen: &Chosen<'_>,
) -> Result<Vec<Tagged<FoundRole>>, DeployError> {
    // Whoever named a role of their own may lack the permission to look at roles.
    if matches!(
        chosen.which,
        Which::Run {
            made_role: false,
            ..
        }
    ) {
        return Ok(Vec::new());
    }
    let mut candidates = Vec::new();
    let mut pages = clients.iam.list_roles().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| match error.code() {
            Some("AccessDenied") => DeployError::RolesDenied {
                reason: error_message(&error),
            },
            _ => call("listing", "roles".into(), &error),
        })?;
        let ours = page
            .roles()
            .iter()
            .map(aws_sdk_iam::types::Role::role_name)
            .filter(|name| is_our_name(Some(*name)));
        candidates.extend(ours.map(str::to_owned));
    }
    let mut found = Vec::new();
    for name in candidates {
        let tags: BTreeMap<String, String> =
            match clients.iam.list_role_tags().role_name(&name).send().await {
                Ok(found) => found
                    .tags()
                    .iter()
                    .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                    .collect(),
                Err(error) if error.code() == Some("NoSuchEntity") => continue,
                Err(error) => return Err(call("reading the tags", format!("role {name}"), &error)),
            };
        if tags.get(tags::REGION).is_some_and(|of| of == region) {
            found.extend(tagged(&tags, chosen, |experiment| FoundRole {
                name,
                experiment,
            }));
        }
    }
    Ok(found)
}

async fn buckets(
    clients: &Clients,
    region: &str,
    chosen: &Chosen<'_>,
) -> Result<Vec<Tagged<FoundBucket>>, DeployError> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = clients
            .s3
            .list_buckets()
            .prefix(format!("{}-", names::PREFIX))
            .set_continuation_token(token);
        let page = page
            .send()
            .await
            .map_err(|error| call("listing", "buckets".into(), &error))?;
        // An endpoint may give the region or leave it out; a bucket elsewhere is for a `clean`
        // there.
        let here = page
            .buckets()
            .iter()
            .filter(|bucket| bucket.bucket_region().is_none_or(|of| of == region));
        for name in here
            .filter_map(|bucket| bucket.name())
            .filter(|name| is_our_name(Some(*name)))
        {
            found.extend(bucket(clients, name, chosen).await?);
        }
        token = page
            .continuation_token()
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// Returns a bucket if it is Darkroom's; what is in it is counted only where it is meant.
async fn bucket(
    clients: &Clients,
    name: &str,
    chosen: &Chosen<'_>,
) -> Result<Option<Tagged<FoundBucket>>, DeployError> {
    let tags: BTreeMap<String, String> =
        match clients.s3.get_bucket_tagging().bucket(name).send().await {
            Ok(tagging) => tagging
                .tag_set()
                .iter()
                .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
                .collect(),
            Err(error) if error.code() == Some("NoSuchTagSet") => BTreeMap::new(),
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(None),
            // A bucket whose name looks like ours, and that belongs to someone else.
            Err(error) if error.code() == Some("AccessDenied") => return Ok(None),
            Err(error) => return Err(call("reading the tags", format!("bucket {name}"), &error)),
        };
    let empty = |experiment| FoundBucket {
        name: name.to_owned(),
        experiment,
        objects: 0,
        uploads: 0,
        bytes: 0,
    };
    let Some(mut found) = tagged(&tags, chosen, empty) else {
        return Ok(None);
    };
    if !found.meant {
        return Ok(Some(found));
    }
    let contents = &mut found.resource;
    let mut pages = clients
        .s3
        .list_objects_v2()
        .bucket(name)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| call("listing", format!("bucket {name}"), &error))?;
        contents.objects += page.contents().len() as u64;
        let sizes = page
            .contents()
            .iter()
            .filter_map(aws_sdk_s3::types::Object::size);
        contents.bytes += sizes
            .filter_map(|size| u64::try_from(size).ok())
            .sum::<u64>();
    }
    contents.uploads = uploads(clients, name).await?.len() as u64;
    Ok(Some(found))
}

/// Returns key and id of every multipart upload that nobody finished.
pub(super) async fn uploads(
    clients: &Clients,
    name: &str,
) -> Result<Vec<(String, String)>, DeployError> {
    let mut found = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let page = clients
            .s3
            .list_multipart_uploads()
            .bucket(name)
            .set_key_marker(key)
            .set_upload_id_marker(id);
        let page = match page.send().await {
            Ok(page) => page,
            Err(error) if error.code() == Some("NoSuchBucket") => return Ok(found),
            Err(error) => {
                return Err(call(
                    "listing",
                    format!("unfinished uploads in bucket {name}"),
                    &error,
                ));
            }
        };
        let one = |upload: &aws_sdk_s3::types::MultipartUpload| {
            Some((upload.key()?.to_owned(), upload.upload_id()?.to_owned()))
        };
        found.extend(page.uploads().iter().filter_map(one));
        (key, id) = (
            page.next_key_marker().map(str::to_owned),
            page.next_upload_id_marker().map(str::to_owned),
        );
        if !page.is_truncated().unwrap_or(false) || key.is_none() {
            return Ok(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tagged<T>(
        tags: &BTreeMap<String, String>,
        which: &Which,
        resource: impl FnOnce(String) -> T,
    ) -> Option<Tagged<T>> {
        let running = BTreeSet::from(["busy".to_owned()]);
        super::tagged(tags, &Chosen { which, running }, resource)
    }

    #[test]
    fn what_others_made_or_a_session_uses_is_left_and_why_is_known() {
        let unneeded = Unneeded {
            by: Some("me".into()),
            running_since: Some("2026-11-25T11:00:00Z".into()),
            expired_before: None,
        };
        let of = |experiment: &str, more: &[(&str, &str)]| {
            let own = [(tags::EXPERIMENT, experiment)];
            let all = own.iter().chain(more);
            let tags = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let found = tagged(&tags.collect(), &Which::Unneeded(unneeded.clone()), |_| ());
            found.map(|found| (found.meant, found.others, found.seen))
        };
        let (mine, theirs) = ((tags::BY, "me"), (tags::BY, "you"));
        assert_eq!(of("smoke", &[mine]), Some((true, None, None)));
        assert_eq!(of("busy", &[mine]), Some((false, None, None)));
        let other = of("smoke", &[theirs]).unwrap();
        assert_eq!(other, (false, Some("you".into()), None));
        // An earlier version did not say who.
        assert_eq!(of("smoke", &[]).unwrap().1.as_deref(), Some(""));
        let seen = |at| of("smoke", &[mine, (tags::UNDER_WAY, at)]).unwrap().0;
        assert!(seen("2026-11-25T10:59:59Z"));
        assert!(!seen("2026-11-25T11:00:01Z") && !seen("yes"));
    }

    fn tags_of(experiment: &str, expires: &str) -> BTreeMap<String, String> {
        BTreeMap::from([
            (tags::EXPERIMENT.into(), experiment.into()),
            (tags::EXPIRES.into(), expires.into()),
        ])
    }

    #[test]
    fn only_what_is_tagged_is_darkrooms_whatever_it_is_called() {
        assert!(tagged(&BTreeMap::new(), &Which::Everything, |_| ()).is_none());
        assert!(
            tagged(
                &BTreeMap::from([("owner".into(), "someone".into())]),
                &Which::Everything,
                |_| ()
            )
            .is_none()
        );
        assert!(
            tagged(&tags_of("smoke", "2026-12-24"), &Which::Everything, |_| ())
                .is_some_and(|found| found.meant)
        );
        assert!(
            is_our_name(Some("dkr-smoke")) && !is_our_name(Some("dkrone")) && !is_our_name(None)
        );
    }

    #[test]
    fn one_experiment_or_the_expired_can_be_meant() {
        let meant = |which: Which| {
            tagged(&tags_of("smoke", "2026-12-24"), &which, |_| ()).is_some_and(|found| found.meant)
        };
        assert!(meant(Which::Experiment("smoke".into())));
        assert!(!meant(Which::Experiment("smok".into())));
        assert!(!meant(Which::ExpiredBefore("2026-12-24".into())));
        assert!(meant(Which::ExpiredBefore("2026-12-25".into())));
    }

    #[test]
    fn a_runs_own_things_are_those_that_no_later_run_took_over() {
        let which = |run_id: &str| Which::Run {
            experiment: "smoke".into(),
            run_id: run_id.into(),
            made_role: true,
        };
        let mut tags = tags_of("smoke", "2026-12-24");
        tags.insert(tags::RUN.into(), "the-later-run".into());
        assert!(tagged(&tags, &which("the-later-run"), |_| ()).is_some_and(|found| found.meant));
        assert!(tagged(&tags, &which("the-run-before"), |_| ()).is_some_and(|found| !found.meant));
        tags.insert(tags::EXPERIMENT.into(), "other".into());
        assert!(tagged(&tags, &which("the-later-run"), |_| ()).is_some_and(|found| !found.meant));
    }

    #[test]
    fn a_layer_goes_with_the_last_that_could_need_it() {
        let made = Some(jiff::civil::date(2026, 11, 25));
        let nothing = BTreeMap::new();
        let spared = BTreeMap::from([("smoke".to_owned(), 1)]);
        let expired = |date: &str| Which::ExpiredBefore(date.into());
        let meant = |which: &Which, spared| layer_is_meant("smoke", made, which, spared, true);
        assert!(
            !meant(&expired("2026-12-25"), &nothing),
            "30 days on it is not over yet"
        );
        assert!(
            meant(&expired("2026-12-26"), &nothing),
            "without any function, which a run that was cut off never made"
        );
        assert!(!meant(&expired("2026-12-26"), &spared));
        assert!(!layer_is_meant(
            "smoke",
            None,
            &expired("2026-12-26"),
            &nothing,
            true
        ));
        assert!(
            !layer_is_meant("smoke", made, &expired("2026-12-26"), &nothing, false),
            "what can't be seen may need it"
        );
        let run = Which::Run {
            experiment: "smoke".into(),
            run_id: "r".into(),
            made_role: true,
        };
        assert!(meant(&run, &nothing) && !meant(&run, &spared));
        assert!(
            meant(&Which::Experiment("smoke".into()), &spared)
                && meant(&Which::Everything, &spared)
        );
        assert!(!layer_is_meant("other", made, &run, &nothing, true));
    }
}
