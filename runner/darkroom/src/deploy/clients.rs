//! The clients of one cloud, and how long a deployment waits for it.

use aws_sdk_cloudwatchlogs::config::retry::RetryConfig as LogsRetries;
use aws_sdk_iam::config::retry::RetryConfig as IamRetries;
use aws_sdk_lambda::config::retry::RetryConfig as LambdaRetries;
use aws_sdk_s3::config::retry::RetryConfig as S3Retries;

use super::patience::Waits;

/// How often a call to the control plane is made before its refusal counts.
const ATTEMPTS: u32 = 10;

/// The cloud to deploy to. Their retry settings don't matter: deployment sets its own.
#[derive(Clone, Debug)]
pub struct Clients {
    pub lambda: aws_sdk_lambda::Client,
    pub s3: aws_sdk_s3::Client,
    pub iam: aws_sdk_iam::Client,
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Who hears of long waits.
    pub waits: Waits,
}

impl Clients {
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self {
            lambda: aws_sdk_lambda::Client::new(config),
            s3: aws_sdk_s3::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            waits: Waits::default(),
        }
    }

    /// Tells `say` what is waited for where that takes long.
    #[must_use]
    pub fn saying(self, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            waits: Waits::told_to(say),
            ..self
        }
    }
}

/// Returns the clients with retries that pace themselves by the account's rate limits.
pub fn patient(clients: &Clients) -> Clients {
    let lambda = clients.lambda.config().to_builder();
    let lambda = lambda
        .retry_config(LambdaRetries::adaptive().with_max_attempts(ATTEMPTS))
        .build();
    let s3 = clients
        .s3
        .config()
        .to_builder()
        .retry_config(S3Retries::standard().with_max_attempts(ATTEMPTS))
        .build();
    let iam = clients
        .iam
        .config()
        .to_builder()
        .retry_config(IamRetries::standard().with_max_attempts(ATTEMPTS))
        .build();
    let logs = clients
        .logs
        .config()
        .to_builder()
        .retry_config(LogsRetries::adaptive().with_max_attempts(ATTEMPTS))
        .build();
    Clients {
        lambda: aws_sdk_lambda::Client::from_conf(lambda),
        s3: aws_sdk_s3::Client::from_conf(s3),
        iam: aws_sdk_iam::Client::from_conf(iam),
        logs: aws_sdk_cloudwatchlogs::Client::from_conf(logs),
        waits: clients.waits.clone(),
    }
}
