//! Clients of AWS's SDK that call an endpoint on this machine.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::{Credentials, SharedCredentialsProvider};

/// Returns the configuration of clients that call this endpoint in us-east-1 without TLS, signed
/// with this key and secret.
pub fn sdk_config(endpoint: &str, key: &str, secret: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            key, secret, None, None, "test",
        )))
        .build()
}

/// Returns a client of S3 at this endpoint, with buckets in the path.
pub fn s3(endpoint: &str, key: &str, secret: &str) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&sdk_config(endpoint, key, secret));
    aws_sdk_s3::Client::from_conf(config.force_path_style(true).build())
}
