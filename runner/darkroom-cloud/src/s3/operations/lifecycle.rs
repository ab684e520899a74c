//! Lifecycle rules that remove old objects: stored and returned. Nothing expires here, because
//! `clean` removes things, but a deployer must be able to set a rule.

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::store::ExpiryRule;
use super::Operations;
use super::absent::not_configured;
use super::access::configure;

pub async fn get_bucket_lifecycle_configuration(
    this: &Operations,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<GetBucketLifecycleConfigurationOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let rules: Vec<LifecycleRule> = bucket
        .settings()
        .lifecycle
        .into_iter()
        .map(to_wire)
        .collect();
    if rules.is_empty() {
        let message = "The lifecycle configuration does not exist";
        return Err(not_configured(
            "NoSuchLifecycleConfiguration",
            message,
            &bucket.name,
        ));
    }
    Ok(S3Response::new(GetBucketLifecycleConfigurationOutput {
        rules: Some(rules),
        ..Default::default()
    }))
}

pub async fn put_bucket_lifecycle_configuration(
    this: &Operations,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<S3Response<PutBucketLifecycleConfigurationOutput>> {
    let input = request.input;
    let wanted = input
        .lifecycle_configuration
        .map(|configuration| configuration.rules)
        .unwrap_or_default();
    if wanted.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed"
        ));
    }
    let rules = wanted.into_iter().map(kept).collect::<S3Result<Vec<_>>>()?;
    configure(this, &input.bucket, move |settings| {
        settings.lifecycle = rules;
    })
    .await?;
    Ok(S3Response::new(
        PutBucketLifecycleConfigurationOutput::default(),
    ))
}

pub async fn delete_bucket_lifecycle(
    this: &Operations,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<S3Response<DeleteBucketLifecycleOutput>> {
    configure(this, &request.input.bucket, |settings| {
        settings.lifecycle.clear();
    })
    .await?;
    Ok(S3Response::with_status(
        DeleteBucketLifecycleOutput::default(),
        StatusCode::NO_CONTENT,
    ))
}

/// Takes a rule that expires by age and prefix; any other would be kept without being understood.
fn kept(rule: LifecycleRule) -> S3Result<ExpiryRule> {
    let unknown = || {
        s3_error!(
            NotImplemented,
            "The local cloud supports only lifecycle rules that expire by age and prefix."
        )
    };
    let filter = rule.filter.unwrap_or_default();
    let by_more = filter.and.is_some()
        || filter.tag.is_some()
        || filter.object_size_greater_than.is_some()
        || filter.object_size_less_than.is_some();
    let moves = rule.transitions.is_some()
        || rule.noncurrent_version_transitions.is_some()
        || rule.noncurrent_version_expiration.is_some();
    let objects_days = rule
        .expiration
        .map(|expiration| expiration.days.ok_or_else(unknown))
        .transpose()?;
    if by_more || moves {
        return Err(unknown());
    }
    Ok(ExpiryRule {
        id: rule.id,
        enabled: rule.status.as_str() == ExpirationStatus::ENABLED,
        prefix: filter.prefix.or(rule.prefix).unwrap_or_default(),
        objects_days,
        uploads_days: rule
            .abort_incomplete_multipart_upload
            .and_then(|abort| abort.days_after_initiation),
    })
}

fn to_wire(rule: ExpiryRule) -> LifecycleRule {
    let status = if rule.enabled {
        ExpirationStatus::ENABLED
    } else {
        ExpirationStatus::DISABLED
    };
    LifecycleRule {
        abort_incomplete_multipart_upload: rule.uploads_days.map(|days| {
            AbortIncompleteMultipartUpload {
                days_after_initiation: Some(days),
            }
        }),
        expiration: rule.objects_days.map(|days| LifecycleExpiration {
            days: Some(days),
            ..Default::default()
        }),
        filter: Some(LifecycleRuleFilter {
            prefix: Some(rule.prefix),
            ..Default::default()
        }),
        id: rule.id,
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        prefix: None,
        status: ExpirationStatus::from_static(status),
        transitions: None,
    }
}
