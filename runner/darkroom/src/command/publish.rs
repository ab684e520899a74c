//! `darkroom publish`: a run's tables in S3, where those of many runs are one partitioned dataset.
//!
//! `<prefix>/<table>/experiment=<experiment>/run=<run id>/part-0.parquet`: the layout that Athena, Spark, DuckDB, Polars and pyarrow
//! read as one table. The partitions' names are none of the files' columns (`run` is what `run_id` holds). The run's folder stays
//! where it is: a journal must be appended to and flushed, which S3 can't. Publishing again replaces the same objects; nothing
//! is deleted.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use darkroom_tables::columns::TABLES;
use darkroom_tables::read::provenance;

use crate::advice;
use crate::cli::{Globals, PublishArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::target;

/// `s3://bucket/prefix`, the prefix without slashes at its ends and perhaps empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    pub bucket: String,
    pub prefix: String,
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let between = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{between}{}", self.bucket, self.prefix)
    }
}

impl FromStr for S3Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no place in S3; write s3://BUCKET or s3://BUCKET/PREFIX");
        let rest = text.strip_prefix("s3://").ok_or_else(wanted)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(plain) {
            return Err(format!("`{bucket}` is no bucket's name: 3 to 63 of a-z, 0-9, `-` and `.`"));
        }
        let prefix = prefix.trim_matches('/');
        if prefix.split('/').any(|part| part.is_empty() || part.contains(['\\', '\n'])) && !prefix.is_empty() {
            return Err(wanted());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

pub fn run(args: &PublishArgs, globals: Globals) -> Result<Outcome, Failure> {
    advice::run_folder(&args.run, &["publish", "{}", &args.to.to_string()])?;
    let objects = objects(&args.run, &args.to)?;
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::broken(miette::miette!("no threads to talk to S3 on: {error}")))?;
    runtime.block_on(async {
        let s3 = target::s3_of(args.region.as_deref()).await;
        for (path, key) in &objects {
            let body = ByteStream::from_path(path)
                .await
                .map_err(|error| Failure::broken(miette::miette!("cannot read {}: {error}", path.display())))?;
            let put = s3.put_object().bucket(&args.to.bucket).key(key).content_type("application/vnd.apache.parquet");
            put.body(body).send().await.map_err(|error| refused(&args.to, key, &error))?;
            if !globals.quiet {
                display::note(&format!("s3://{}/{key}", args.to.bucket));
            }
        }
        Ok(())
    })?;
    Ok(Outcome::Done)
}

/// Returns the run's tables with the keys they get. Fails if there are none: `summary` is in every run.
fn objects(run: &Path, to: &S3Uri) -> Result<Vec<(PathBuf, String)>, Failure> {
    let about = provenance(&run.join("summary.parquet"))
        .map_err(|error| Failure::wrong_request(miette::miette!(help = advice::tables_of(run), "{error}")))?;
    let named = |key: &str| {
        about.get(key).ok_or_else(|| {
            Failure::wrong_request(miette::miette!(
                "summary.parquet does not say its {key}, so it has no place in a dataset"
            ))
        })
    };
    let place = format!("experiment={}/run={}", named("experiment")?, named("run_id")?);
    let of_table = |table: &&darkroom_tables::columns::Table| {
        let path = run.join(format!("{}.parquet", table.name));
        let key = format!("{}/{}/{place}/part-0.parquet", to.prefix, table.name);
        path.exists().then(|| (path, key.trim_start_matches('/').to_owned()))
    };
    Ok(TABLES.iter().filter_map(of_table).collect())
}

fn refused(to: &S3Uri, key: &str, error: &SdkError<PutObjectError>) -> Failure {
    let bucket = &to.bucket;
    let told = DisplayErrorContext(error).to_string();
    let (what, help) = match error.code() {
        Some("NoSuchBucket") => (
            format!("there is no bucket `{bucket}`"),
            "make it first: Darkroom makes no bucket for tables, and removes none".to_owned(),
        ),
        Some("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken") => (
            format!("S3 refused to write s3://{bucket}/{key}: {}", error.message().unwrap_or("access denied")),
            format!("the credentials need s3:PutObject on arn:aws:s3:::{bucket}/*"),
        ),
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            (format!("the bucket `{bucket}` is in another region"), "say which with --region".to_owned())
        }
        _ if told.contains("redentials") => (
            "no AWS credentials were found".to_owned(),
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`"
                .to_owned(),
        ),
        _ => (
            format!("s3://{bucket}/{key} could not be written: {told}"),
            "publishing again replaces the same objects".to_owned(),
        ),
    };
    Failure::broken(miette::miette!(help = help, "{what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_s3_is_a_bucket_and_perhaps_a_prefix() {
        let of = |text: &str| text.parse::<S3Uri>().map(|uri| (uri.bucket, uri.prefix));
        assert_eq!(of("s3://tables/a/b/"), Ok(("tables".into(), "a/b".into())));
        assert_eq!(of("s3://tables"), Ok(("tables".into(), String::new())));
        assert!(of("outputs").unwrap_err().contains("s3://BUCKET"));
        assert!(of("s3://Up/x").unwrap_err().contains("no bucket's name"));
        assert!(of("s3://tables/a//b").is_err());
    }
}
