//! Clients of AWS's SDK that call what a test serves.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};

fn credentials(key: &str, secret: &str) -> Credentials {
    Credentials::new(key, secret, None, None, "test")
}

/// Returns a client of S3 at this endpoint, signed with this key and secret, with buckets in the
/// path.
pub fn s3(endpoint: &str, key: &str, secret: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials(key, secret))
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Returns a client of `CloudWatch` at this endpoint.
pub fn metrics(endpoint: &str) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials("test", "test"))
        .build();
    aws_sdk_cloudwatch::Client::from_conf(config)
}
