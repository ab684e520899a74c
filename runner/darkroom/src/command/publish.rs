//! `darkroom publish`: uploads a run's tables to S3, into a partitioned dataset of many runs.
//!
//! `<prefix>/<table>/experiment=<experiment>/run=<run id>/part-0.parquet` is the layout that
//! Athena, Spark, DuckDB, Polars and pyarrow read as one table. No column of the files has a
//! partition's name (`run` holds what `run_id` holds). The run's folder stays local, because a
//! journal must be appended to and flushed, and S3 cannot do that. Publishing again replaces the
//! same objects; nothing is deleted.

use std::path::{Path, PathBuf};

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use darkroom_tables::columns::TABLES;
use darkroom_tables::read::provenance;

use crate::cli::{Globals, PublishArgs};
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::s3_uri::S3Uri;
use crate::target;
use crate::threads;
use crate::which_run;

pub fn run(args: &PublishArgs, globals: Globals) -> Result<Outcome, Failure> {
    which_run::must_be_a_run(&args.run, &["publish", "{}", &args.to.to_string()])?;
    let objects = objects(&args.run, &args.to)?;
    threads::runtime()?.block_on(async {
        let s3 = target::s3_of(args.region.as_deref()).await;
        for (path, key) in &objects {
            let body = ByteStream::from_path(path).await.map_err(|error| {
                Failure::broken(miette::miette!("cannot read {}: {error}", path.display()))
            })?;
            let put = s3
                .put_object()
                .bucket(&args.to.bucket)
                .key(key)
                .content_type("application/vnd.apache.parquet");
            put.body(body)
                .send()
                .await
                .map_err(|error| upload_error(&args.to, key, &error))?;
            if !globals.quiet {
                display::note(&format!("s3://{}/{key}", args.to.bucket));
            }
        }
        Ok(())
    })?;
    Ok(Outcome::Done)
}

/// Returns the run's tables with the keys they get. Fails if there are none: `summary` is in every
/// run.
fn objects(run: &Path, to: &S3Uri) -> Result<Vec<(PathBuf, String)>, Failure> {
    let about = provenance(&run.join("summary.parquet")).map_err(|error| {
        Failure::wrong_request(miette::miette!(help = which_run::tables_of(run), "{error}"))
    })?;
    let named = |key: &str| {
        about.get(key).ok_or_else(|| {
            Failure::wrong_request(miette::miette!(
                "summary.parquet does not say its {key}, so it cannot join a dataset"
            ))
        })
    };
    let place = format!(
        "experiment={}/run={}",
        named("experiment")?,
        named("run_id")?
    );
    let of_table = |table: &&darkroom_tables::columns::Table| {
        let path = run.join(format!("{}.parquet", table.name));
        let key = format!("{}/{}/{place}/part-0.parquet", to.prefix, table.name);
        path.exists()
            .then(|| (path, key.trim_start_matches('/').to_owned()))
    };
    Ok(TABLES.iter().filter_map(of_table).collect())
}

fn upload_error(to: &S3Uri, key: &str, error: &SdkError<PutObjectError>) -> Failure {
    let bucket = &to.bucket;
    let told = DisplayErrorContext(error).to_string();
    let (what, help) = match error.code() {
        Some("NoSuchBucket") => (
            format!("no bucket `{bucket}`"),
            "create it first: Darkroom neither creates nor removes buckets for tables".to_owned(),
        ),
        Some("AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken") => (
            format!("S3 refused to write s3://{bucket}/{key}: {}", error.message().unwrap_or("access denied")),
            format!("allow these credentials s3:PutObject on arn:aws:s3:::{bucket}/*"),
        ),
        Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            (format!("the bucket `{bucket}` is in another region"), "set its region with --region".to_owned())
        }
        _ if told.contains("redentials") => (
            "no AWS credentials found".to_owned(),
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`"
                .to_owned(),
        ),
        _ => (
            format!("cannot write s3://{bucket}/{key}: {told}"),
            "publish again: it replaces the same objects".to_owned(),
        ),
    };
    Failure::broken(miette::miette!(help = help, "{what}"))
}
