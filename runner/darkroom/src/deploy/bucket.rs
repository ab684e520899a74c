//! The experiment's bucket: tagged, closed to the public, encrypted, with objects that expire.
//!
//! It is in the account's own namespace, where nobody else can make a bucket. A region without one
//! gets a name that nobody can know before; there the tags of the account's buckets tell which it
//! is. Nothing is adopted that is not tagged for the experiment.

use std::collections::BTreeMap;

use aws_sdk_s3::error::{BuildError, ProvideErrorMetadata};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketNamespace, CreateBucketConfiguration, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleFilter, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging,
};

use super::clients::Clients;
use super::desired::{BucketStep, HaveBucket};
use super::error::DeployError;
use super::patience::patiently_said;
use super::wanted::{DeploySettings, LIFETIME_DAYS};
use super::{names, observe, tags};

/// Days after which S3 drops an upload that nobody finished.
const UPLOAD_DAYS: i32 = 1;

/// What a bucket's creation is refused with where its tags are: by an organisation's policy, a
/// partition, an endpoint.
const NO_TAGS_HERE: [&str; 4] = [
    "AccessDenied",
    "MalformedXML",
    "NotImplemented",
    "InvalidArgument",
];

/// Returns the name of an experiment's bucket; one that is yet to be made in the shared namespace is
/// named after the run.
pub async fn name(
    clients: &Clients,
    experiment: &str,
    account_id: &str,
    region: &str,
    run_id: &str,
) -> Result<String, DeployError> {
    if names::has_namespace(region) {
        return Ok(names::bucket(experiment, account_id, region));
    }
    let prefix = names::buckets_prefix(experiment);
    let mut pages = clients
        .s3
        .list_buckets()
        .prefix(&prefix)
        .bucket_region(region)
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| observe::call("listing", "buckets".into(), &error))?;
        for bucket in page.buckets().iter().filter_map(|bucket| bucket.name()) {
            if let HaveBucket::Tagged(tags) = observe::bucket(clients, bucket).await?
                && tags.get(tags::EXPERIMENT).map(String::as_str) == Some(experiment)
            {
                return Ok(bucket.to_owned());
            }
        }
    }
    Ok(names::shared_bucket(experiment, account_id, run_id))
}

/// Carries out the step. Settings are written whenever tags are: whoever had changed them is put
/// right.
pub async fn bring_about(
    clients: &Clients,
    settings: &DeploySettings,
    step: &BucketStep,
) -> Result<(), DeployError> {
    let name = match step {
        BucketStep::Keep => return Ok(()),
        BucketStep::Create(name) => {
            create(clients, settings, name).await?;
            name
        }
        BucketStep::Tag(name) => {
            // Removed a moment ago, a bucket can still be seen.
            let seen = clients.s3.get_bucket_tagging().bucket(name).send().await;
            if seen.is_err_and(|error| error.code() == Some("NoSuchBucket")) {
                create(clients, settings, name).await?;
            }
            name
        }
    };
    tag(clients, settings, name).await?;
    close(clients, name).await?;
    expire(clients, name).await
}

async fn create(
    clients: &Clients,
    settings: &DeploySettings,
    name: &str,
) -> Result<(), DeployError> {
    // Tags in this call leave no moment in which the bucket is there without them. An endpoint that
    // does not know them here gets them in the next call.
    let mut tagged =
        CreateBucketConfiguration::builder().set_tags(Some(bucket_tags(settings, name)?));
    let mut plain = None;
    // The oldest region is spelt by silence: a configuration that says nothing is malformed.
    // Sources: S3 API reference, CreateBucket; cloudify-aws-plugin #475.
    if settings.region != "us-east-1" {
        let region = BucketLocationConstraint::from(settings.region.as_str());
        let located = CreateBucketConfiguration::builder().location_constraint(region.clone());
        plain = Some(located.build());
        tagged = tagged.location_constraint(region);
    }
    let tagged = Some(tagged.build());
    let own = names::has_namespace(&settings.region);
    let namespace = own.then_some(BucketNamespace::AccountRegional);
    patiently_said(
        &clients.waits,
        "creation",
        || resource(name),
        async || {
            let create = |configuration: &Option<CreateBucketConfiguration>| {
                let create = clients.s3.create_bucket().bucket(name);
                create
                    .set_bucket_namespace(namespace.clone())
                    .set_create_bucket_configuration(configuration.clone())
                    .send()
            };
            match create(&tagged).await {
                Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
                // Where tags may not be set in this call, the next one sets them.
                Err(error) if NO_TAGS_HERE.iter().any(|code| error.code() == Some(code)) => {
                    create(&plain).await.map(|_| ())
                }
                sent => sent.map(|_| ()),
            }
        },
    )
    .await
}

async fn tag(clients: &Clients, settings: &DeploySettings, name: &str) -> Result<(), DeployError> {
    let tagging = Tagging::builder()
        .set_tag_set(Some(bucket_tags(settings, name)?))
        .build();
    let tagging = tagging.map_err(|error| malformed(name, &error))?;
    patiently_said(
        &clients.waits,
        "tagging",
        || resource(name),
        async || {
            clients
                .s3
                .put_bucket_tagging()
                .bucket(name)
                .tagging(tagging.clone())
                .send()
                .await
        },
    )
    .await
    .map(|_| ())
}

/// Keeps the public out, encrypts what lies in it, and leaves no object to anyone but the account.
async fn close(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let blocked = PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let by_default = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::Aes256)
        .build();
    let by_default = by_default.map_err(|error| malformed(name, &error))?;
    let rule = ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(by_default)
        .build();
    let encrypted = ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build();
    let encrypted = encrypted.map_err(|error| malformed(name, &error))?;
    let rule = OwnershipControlsRule::builder()
        .object_ownership(ObjectOwnership::BucketOwnerEnforced)
        .build();
    let owned = rule.and_then(|rule| OwnershipControls::builder().rules(rule).build());
    let owned = owned.map_err(|error| malformed(name, &error))?;
    patiently_said(
        &clients.waits,
        "closing to the public",
        || resource(name),
        async || {
            let put = clients.s3.put_public_access_block().bucket(name);
            put.public_access_block_configuration(blocked.clone())
                .send()
                .await
        },
    )
    .await?;
    patiently_said(
        &clients.waits,
        "encryption",
        || resource(name),
        async || {
            let put = clients.s3.put_bucket_encryption().bucket(name);
            put.server_side_encryption_configuration(encrypted.clone())
                .send()
                .await
        },
    )
    .await?;
    patiently_said(
        &clients.waits,
        "ownership",
        || resource(name),
        async || {
            clients
                .s3
                .put_bucket_ownership_controls()
                .bucket(name)
                .ownership_controls(owned.clone())
                .send()
                .await
        },
    )
    .await
    .map(|_| ())
}

/// A bucket that nobody cleans empties itself.
async fn expire(clients: &Clients, name: &str) -> Result<(), DeployError> {
    let days = LIFETIME_DAYS.try_into().unwrap_or(i32::MAX);
    let rule = LifecycleRule::builder()
        .id("darkroom-expiry")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(days).build())
        .abort_incomplete_multipart_upload(
            AbortIncompleteMultipartUpload::builder()
                .days_after_initiation(UPLOAD_DAYS)
                .build(),
        )
        .build();
    let rules = rule.and_then(|rule| BucketLifecycleConfiguration::builder().rules(rule).build());
    let rules = rules.map_err(|error| malformed(name, &error))?;
    patiently_said(
        &clients.waits,
        "lifecycle",
        || resource(name),
        async || {
            clients
                .s3
                .put_bucket_lifecycle_configuration()
                .bucket(name)
                .lifecycle_configuration(rules.clone())
                .send()
                .await
        },
    )
    .await
    .map(|_| ())
}

/// Removes the mark of a running session from the bucket, if it is a session of this run.
pub async fn session_over(clients: &Clients, name: &str, run_id: &str) -> Result<(), DeployError> {
    let marked = change_mark(clients, name, run_id, |tags| {
        tags.remove(tags::UNDER_WAY).is_some()
    });
    marked.await.map(|_| ())
}

/// Writes when the session was last seen, if it is a session of this run; returns whether it is.
pub async fn still_under_way(
    clients: &Clients,
    name: &str,
    run_id: &str,
) -> Result<bool, DeployError> {
    let marked = change_mark(clients, name, run_id, |tags| {
        let marked = tags.contains_key(tags::UNDER_WAY);
        if marked {
            tags.insert(tags::UNDER_WAY.to_owned(), now());
        }
        marked
    });
    marked.await
}

/// Changes the tags of a bucket that this run used last; returns whether it did.
async fn change_mark(
    clients: &Clients,
    name: &str,
    run_id: &str,
    change: impl FnOnce(&mut BTreeMap<String, String>) -> bool,
) -> Result<bool, DeployError> {
    let HaveBucket::Tagged(mut tags) = observe::bucket(clients, name).await? else {
        return Ok(false);
    };
    let is_ours = tags.get(tags::RUN).is_some_and(|of| of == run_id);
    if !is_ours || !change(&mut tags) {
        return Ok(false);
    }
    let tagging = Tagging::builder()
        .set_tag_set(Some(tag_set(tags, name)?))
        .build();
    let tagging = tagging.map_err(|error| malformed(name, &error))?;
    patiently_said(
        &clients.waits,
        "tagging",
        || resource(name),
        async || {
            let put = clients.s3.put_bucket_tagging().bucket(name);
            match put.tagging(tagging.clone()).send().await {
                // Whoever removed it ended the session too.
                Err(error) if error.code() == Some("NoSuchBucket") => Ok(false),
                sent => sent.map(|_| true),
            }
        },
    )
    .await
}

fn bucket_tags(settings: &DeploySettings, name: &str) -> Result<Vec<Tag>, DeployError> {
    let mut tags = tags::of(settings);
    tags.insert(tags::UNDER_WAY.to_owned(), now());
    tag_set(tags, name)
}

fn tag_set(tags: BTreeMap<String, String>, name: &str) -> Result<Vec<Tag>, DeployError> {
    let tag = |(key, value): (String, String)| Tag::builder().key(key).value(value).build();
    tags.into_iter()
        .map(tag)
        .collect::<Result<_, _>>()
        .map_err(|error| malformed(name, &error))
}

/// UTC now, in the letters that a tag may have.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn resource(name: &str) -> String {
    format!("bucket {name}")
}

fn malformed(name: &str, error: &BuildError) -> DeployError {
    DeployError::Call {
        operation: "tagging",
        resource: resource(name),
        reason: error.to_string(),
        help: None,
    }
}
