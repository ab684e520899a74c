//! Buckets: made, listed, listed into, configured, deleted.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::super::OWNER_ID;
use super::super::listing::{ListingPage, ListingQuery, MAX_KEYS, page};
use super::super::notification::{Invalid, NotificationSettings};
use super::super::object::timestamp;
use super::super::store::Settings;
use super::super::url::encode_key;
use super::access::OWNERSHIPS;
use super::errors::{invalid_argument, of_bucket};
use super::{Operations, on_disk, with_fields};

pub async fn create_bucket(
    this: &Operations,
    request: S3Request<CreateBucketInput>,
) -> S3Result<S3Response<CreateBucketOutput>> {
    let tags = request.extensions.get().cloned().unwrap_or_default();
    let input = request.input;
    let constraint = input
        .create_bucket_configuration
        .and_then(|configuration| configuration.location_constraint);
    let region = match constraint {
        None => this.region.clone(),
        Some(constraint) => check_constraint(&this.region, constraint.as_str())?.to_owned(),
    };
    let mut settings = Settings {
        region: region.clone(),
        tags: super::tags::of_new_bucket(tags)?,
        ..Settings::default()
    };
    if let Some(ownership) = &input.object_ownership {
        if !OWNERSHIPS.contains(&ownership.as_str()) {
            let message = format!(
                "Invalid x-amz-object-ownership header: {}",
                ownership.as_str()
            );
            return Err(invalid_argument(
                &message,
                "x-amz-object-ownership",
                ownership.as_str(),
            ));
        }
        settings.ownership = Some(ownership.as_str().to_owned());
    }
    let (shared, name) = (this.clone(), input.bucket.clone());
    let created = on_disk(move || {
        shared
            .store
            .create_bucket(&name, settings)
            .map_err(|error| of_bucket(error, &name))
    })
    .await;
    match created {
        // In us-east-1 making a bucket that one owns is no error; elsewhere it is.
        Err(error)
            if *error.code() == s3s::S3ErrorCode::BucketAlreadyOwnedByYou
                && region == "us-east-1" => {}
        created => created?,
    }
    Ok(S3Response::new(CreateBucketOutput {
        location: Some(format!("/{}", input.bucket)),
    }))
}

/// Returns the region that a location constraint means; one endpoint serves them all, so any real
/// one will do.
fn check_constraint<'a>(home: &str, constraint: &'a str) -> S3Result<&'a str> {
    // `us-east-1` is what no constraint means, and may not be said.
    let region = crate::lambda::is_region(constraint) && constraint != "us-east-1";
    if region || constraint == "EU" {
        return Ok(constraint);
    }
    if home != "us-east-1" {
        let code = s3s::S3ErrorCode::IllegalLocationConstraintException;
        let message = format!(
            "The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        return Err(s3s::S3Error::with_message(code, message));
    }
    Err(with_fields(
        s3_error!(
            InvalidLocationConstraint,
            "The specified location-constraint is not valid"
        ),
        &[("LocationConstraint", constraint)],
    ))
}

pub async fn head_bucket(
    this: &Operations,
    request: S3Request<HeadBucketInput>,
) -> S3Result<S3Response<HeadBucketOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    Ok(S3Response::new(HeadBucketOutput {
        bucket_region: Some(region_of(&bucket)),
        ..Default::default()
    }))
}

pub async fn delete_bucket(
    this: &Operations,
    request: S3Request<DeleteBucketInput>,
) -> S3Result<S3Response<DeleteBucketOutput>> {
    let (this, name) = (this.clone(), request.input.bucket);
    on_disk(move || {
        this.store
            .delete_bucket(&name)
            .map_err(|error| of_bucket(error, &name))?;
        this.uploads.remove_bucket(&name);
        Ok(())
    })
    .await?;
    Ok(S3Response::with_status(
        DeleteBucketOutput {},
        http::StatusCode::NO_CONTENT,
    ))
}

pub async fn list_buckets(
    this: &Operations,
    request: S3Request<ListBucketsInput>,
) -> S3Result<S3Response<ListBucketsOutput>> {
    let input = request.input;
    let prefix = input.prefix.clone().unwrap_or_default();
    let most = input
        .max_buckets
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(10_000);
    let after = input
        .continuation_token
        .as_deref()
        .map(read_token)
        .transpose()?
        .unwrap_or_default();
    let mut buckets: Vec<_> = this
        .store
        .buckets()
        .into_iter()
        .filter(|bucket| bucket.name.starts_with(&prefix))
        .collect();
    buckets.retain(|bucket| {
        bucket.name > after
            && input
                .bucket_region
                .as_ref()
                .is_none_or(|region| bucket.settings().region == *region)
    });
    let more = buckets.len() > most;
    buckets.truncate(most);
    Ok(S3Response::new(ListBucketsOutput {
        continuation_token: buckets
            .last()
            .filter(|_| more)
            .map(|bucket| token(&bucket.name)),
        buckets: Some(
            buckets
                .iter()
                .map(|bucket| Bucket {
                    name: Some(bucket.name.clone()),
                    creation_date: Some(timestamp(bucket.created_ms)),
                    bucket_region: Some(region_of(bucket)),
                })
                .collect(),
        ),
        owner: Some(owner()),
        prefix: input.prefix,
    }))
}

/// `EU` is an old name of `eu-west-1`; only the constraint itself is still shown with it.
fn region_of(bucket: &super::super::store::Bucket) -> String {
    let region = bucket.settings().region;
    if region == "EU" {
        "eu-west-1".to_owned()
    } else {
        region
    }
}

pub fn owner() -> Owner {
    Owner {
        display_name: None,
        id: Some(OWNER_ID.to_owned()),
    }
}

pub async fn get_bucket_location(
    this: &Operations,
    request: S3Request<GetBucketLocationInput>,
) -> S3Result<S3Response<GetBucketLocationOutput>> {
    let region = this.bucket(&request.input.bucket)?.settings().region;
    // us-east-1 is shown as nothing, for reasons of history.
    let location_constraint =
        (region != "us-east-1").then(|| BucketLocationConstraint::from(region));
    Ok(S3Response::new(GetBucketLocationOutput {
        location_constraint,
    }))
}

/// Buckets here have no versions; a bucket that was never versioned answers with an empty document.
pub async fn get_bucket_versioning(
    this: &Operations,
    request: S3Request<GetBucketVersioningInput>,
) -> S3Result<S3Response<GetBucketVersioningOutput>> {
    this.bucket(&request.input.bucket)?;
    Ok(S3Response::new(GetBucketVersioningOutput::default()))
}

pub async fn get_bucket_notification_configuration(
    this: &Operations,
    request: S3Request<GetBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<GetBucketNotificationConfigurationOutput>> {
    let bucket = this.bucket(&request.input.bucket)?;
    let (lambda_function_configurations, event_bridge_configuration) =
        bucket.settings().notifications.to_wire();
    Ok(S3Response::new(GetBucketNotificationConfigurationOutput {
        lambda_function_configurations,
        event_bridge_configuration,
        ..Default::default()
    }))
}

pub async fn put_bucket_notification_configuration(
    this: &Operations,
    request: S3Request<PutBucketNotificationConfigurationInput>,
) -> S3Result<S3Response<PutBucketNotificationConfigurationOutput>> {
    let input = request.input;
    let bucket = this.bucket(&input.bucket)?;
    let configuration = NotificationSettings::from_wire(input.notification_configuration)
        .map_err(invalid_configuration)?;
    if !input.skip_destination_validation.unwrap_or(false) {
        let bucket_arn = format!("arn:aws:s3:::{}", bucket.name);
        let stranger = configuration
            .rules
            .iter()
            .find(|rule| !this.functions.allows_s3(&rule.function_arn, &bucket_arn));
        if let Some(rule) = stranger {
            return Err(invalid_configuration(Invalid::destination(
                &rule.function_arn,
            )));
        }
    }
    on_disk(move || {
        let changed = bucket.configure(|settings| settings.notifications = configuration);
        changed.map_err(|error| of_bucket(error, &bucket.name))
    })
    .await?;
    Ok(S3Response::new(PutBucketNotificationConfigurationOutput {}))
}

fn invalid_configuration(invalid: Invalid) -> s3s::S3Error {
    let fields: Vec<(&str, &str)> = invalid
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    if invalid.malformed {
        return s3s::S3Error::with_message(s3s::S3ErrorCode::MalformedXML, invalid.message);
    }
    with_fields(
        s3s::S3Error::with_message(s3s::S3ErrorCode::InvalidArgument, invalid.message),
        &fields,
    )
}

pub async fn list_objects(
    this: &Operations,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let input = request.input;
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty()),
        max_keys: input.max_keys,
        encoding: input.encoding_type.as_ref(),
    };
    let page = asked.page(
        this,
        &input.bucket,
        input.marker.as_deref().unwrap_or_default(),
    )?;
    let contents = asked.contents(&page, true);
    // Version 1 names the next marker only where a delimiter makes it other than the last key.
    let next_marker = page
        .next
        .as_deref()
        .filter(|_| asked.delimiter.is_some())
        .map(|next| asked.encode(next));
    Ok(S3Response::new(ListObjectsOutput {
        name: Some(input.bucket.clone()),
        prefix: Some(asked.encode(asked.prefix)),
        marker: Some(asked.encode(input.marker.as_deref().unwrap_or_default())),
        max_keys: i32::try_from(asked.max_keys()?).ok(),
        is_truncated: Some(page.next.is_some()),
        contents,
        common_prefixes: asked.common_prefixes(&page),
        delimiter: asked.delimiter.map(|delimiter| asked.encode(delimiter)),
        next_marker: next_marker.or_else(|| {
            page.next
                .as_deref()
                .filter(|_| asked.encoding.is_none())
                .map(str::to_owned)
        }),
        encoding_type: input.encoding_type.clone(),
        ..Default::default()
    }))
}

pub async fn list_objects_v2(
    this: &Operations,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let input = request.input;
    let asked = Asked {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input
            .delimiter
            .as_deref()
            .filter(|delimiter| !delimiter.is_empty()),
        max_keys: input.max_keys,
        encoding: input.encoding_type.as_ref(),
    };
    let token_given = input.continuation_token.as_deref();
    let after = match token_given {
        Some(token) => read_token(token)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let page = asked.page(this, &input.bucket, &after)?;
    let contents = asked.contents(&page, input.fetch_owner.unwrap_or(false));
    Ok(S3Response::new(ListObjectsV2Output {
        name: Some(input.bucket.clone()),
        prefix: Some(asked.encode(asked.prefix)),
        max_keys: i32::try_from(asked.max_keys()?).ok(),
        key_count: i32::try_from(page.objects.len() + page.common_prefixes.len()).ok(),
        continuation_token: input.continuation_token.clone(),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_deref().map(token),
        contents,
        common_prefixes: asked.common_prefixes(&page),
        delimiter: asked.delimiter.map(|delimiter| asked.encode(delimiter)),
        encoding_type: input.encoding_type.clone(),
        // With a token, where the listing once began no longer matters.
        start_after: input
            .start_after
            .as_deref()
            .filter(|_| token_given.is_none())
            .map(|after| asked.encode(after)),
        ..Default::default()
    }))
}

/// What both versions of a listing ask for.
pub struct Asked<'a> {
    pub prefix: &'a str,
    pub delimiter: Option<&'a str>,
    pub max_keys: Option<i32>,
    pub encoding: Option<&'a EncodingType>,
}

impl Asked<'_> {
    pub fn max_keys(&self) -> S3Result<usize> {
        let asked = self.max_keys.unwrap_or(1000);
        let asked = usize::try_from(asked).map_err(|_| {
            invalid_argument(
                "Argument maxKeys must be an integer between 0 and 2147483647",
                "maxKeys",
                &asked.to_string(),
            )
        })?;
        Ok(asked.min(MAX_KEYS))
    }

    pub fn page(&self, this: &Operations, bucket: &str, after: &str) -> S3Result<ListingPage> {
        if let Some(unknown) = self.encoding.filter(|encoding| encoding.as_str() != "url") {
            return Err(invalid_argument(
                "Invalid Encoding Method specified in Request",
                "encoding-type",
                unknown.as_str(),
            ));
        }
        let query = ListingQuery {
            prefix: self.prefix,
            delimiter: self.delimiter,
            after,
            max_keys: self.max_keys()?,
        };
        Ok(this
            .bucket(bucket)?
            .with_objects(|objects| page(objects, query)))
    }

    pub fn encode(&self, text: &str) -> String {
        if self.encoding.is_some() {
            encode_key(text)
        } else {
            text.to_owned()
        }
    }

    fn contents(&self, page: &ListingPage, with_owner: bool) -> Option<ObjectList> {
        let entry = |object: &std::sync::Arc<super::super::object::Object>| Object {
            key: Some(self.encode(&object.key)),
            e_tag: Some(ETag::Strong(object.etag.clone())),
            last_modified: Some(timestamp(object.modified_ms)),
            size: i64::try_from(object.size).ok(),
            storage_class: Some(ObjectStorageClass::from(class(object))),
            owner: with_owner.then(owner),
            checksum_algorithm: algorithm(object),
            checksum_type: object.checksums.to_wire().checksum_type,
            ..Default::default()
        };
        (!page.objects.is_empty()).then(|| page.objects.iter().map(entry).collect())
    }

    pub fn common_prefixes(&self, page: &ListingPage) -> Option<CommonPrefixList> {
        let prefixes = page.common_prefixes.iter().map(|prefix| CommonPrefix {
            prefix: Some(self.encode(prefix)),
        });
        (!page.common_prefixes.is_empty()).then(|| prefixes.collect())
    }
}

/// Returns the storage class to show in a listing.
pub fn class(object: &super::super::object::Object) -> String {
    object
        .attributes
        .storage_class
        .clone()
        .unwrap_or_else(|| "STANDARD".to_owned())
}

pub fn algorithm(object: &super::super::object::Object) -> Option<ChecksumAlgorithmList> {
    let names = super::super::hashes::ALGORITHMS
        .into_iter()
        .zip(object.checksums.values());
    let given: Vec<_> = names
        .filter(|(_, value)| value.is_some())
        .map(|(name, _)| ChecksumAlgorithm::from_static(name))
        .collect();
    (!given.is_empty()).then_some(given)
}

/// Continuation tokens are opaque to clients: the last key, in hex.
fn token(last: &str) -> String {
    format!("1{}", hex::encode(last))
}

fn read_token(token: &str) -> S3Result<String> {
    let bytes = token
        .strip_prefix('1')
        .and_then(|hex| hex::decode(hex).ok());
    bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| {
            let error = s3_error!(
                InvalidArgument,
                "The continuation token provided is incorrect"
            );
            with_fields(error, &[("ArgumentName", "continuation-token")])
        })
}
