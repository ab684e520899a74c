//! The objects a stage reads and writes, in S3.

use std::cell::Cell;
use std::env;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::Error;

pub struct Objects {
    client: Client,
    output_bucket: String,
    output_prefix: String,
    /// Time in S3 and calls of it since they were last taken.
    spent: Cell<(Duration, u64)>,
}

impl Objects {
    /// Takes region, credentials and endpoint from the variables that Lambda sets: no chain of
    /// providers to wait for.
    pub fn from_environment() -> Result<Self, Error> {
        let credentials = Credentials::new(
            env::var("AWS_ACCESS_KEY_ID")?,
            env::var("AWS_SECRET_ACCESS_KEY")?,
            env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let http = HttpBuilder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(env::var("AWS_REGION")?))
            .credentials_provider(credentials)
            .http_client(http);
        if let Ok(endpoint) =
            env::var("AWS_ENDPOINT_URL_S3").or_else(|_| env::var("AWS_ENDPOINT_URL"))
        {
            config = config.endpoint_url(endpoint).force_path_style(true);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            output_bucket: env::var("OUTPUT_BUCKET")?,
            output_prefix: env::var("OUTPUT_PREFIX")?,
            spent: Cell::default(),
        })
    }

    pub fn output_bucket(&self) -> &str {
        &self.output_bucket
    }

    /// Returns the time that calls of S3 took since the last time it was asked, and how many they
    /// were.
    pub fn take_spent(&self) -> (Duration, u64) {
        self.spent.take()
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let clock = Instant::now();
        let answer = call.await;
        let (spent, calls) = self.spent.get();
        self.spent.set((spent + clock.elapsed(), calls + 1));
        answer
    }

    pub async fn read(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Error> {
        let whole = async {
            let answer = self
                .client
                .get_object()
                .bucket(bucket)
                .key(key)
                .send()
                .await;
            let object = answer
                .map_err(|error| format!("GET {bucket}/{key}: {}", DisplayErrorContext(error)))?;
            Ok(object.body.collect().await?.to_vec())
        };
        self.timed(whole).await
    }

    /// Stores `body` under the input's file name with `extension`; returns its key.
    pub async fn write(
        &self,
        input_key: &str,
        body: Vec<u8>,
        extension: &str,
    ) -> Result<String, Error> {
        let key = output_key(&self.output_prefix, input_key, extension);
        let request = self
            .client
            .put_object()
            .bucket(&self.output_bucket)
            .key(&key);
        let content_type = if extension == "png" {
            "image/png"
        } else {
            "image/jpeg"
        };
        let answer = self
            .timed(
                request
                    .content_type(content_type)
                    .body(ByteStream::from(body))
                    .send(),
            )
            .await;
        answer.map_err(|error| {
            format!(
                "PUT {}/{key}: {}",
                self.output_bucket,
                DisplayErrorContext(error)
            )
        })?;
        Ok(key)
    }
}

fn output_key(prefix: &str, input_key: &str, extension: &str) -> String {
    let file = input_key.rsplit('/').next().unwrap_or(input_key);
    let name = file.rsplit_once('.').map_or(file, |(name, _)| name);
    format!("{prefix}{name}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_keeps_the_file_name_and_changes_the_extension() {
        assert_eq!(output_key("out/", "in/deep/a.b.png", "jpg"), "out/a.b.jpg");
        assert_eq!(output_key("", "plain", "png"), "plain.png");
    }
}
