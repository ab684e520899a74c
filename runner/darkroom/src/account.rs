//! Finds the AWS account: credentials by the SDK's own chain, and a plain error if there are none.
//!
//! Prints nothing and keeps no secret: it returns only where the credentials come from and when
//! they expire.

use std::error::Error;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_sts::config::ProvideCredentials;
use aws_sdk_sts::error::{DisplayErrorContext, ProvideErrorMetadata};

use crate::error_text::causes;

/// Who asks, as STS says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// 12 digits.
    pub account_id: String,
    pub arn: String,
    /// The part of the chain that gave the credentials, as the SDK names it: `EnvironmentVariable`,
    /// `Imds`, …
    pub source: String,
    /// When the credentials end; `None`: never, or not said.
    pub expires: Option<SystemTime>,
}

impl Caller {
    /// Returns the partition: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &str {
        self.arn
            .split(':')
            .nth(1)
            .filter(|partition| !partition.is_empty())
            .unwrap_or("aws")
    }
}

/// Why it can't be known who asks.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum AccountError {
    #[error("no AWS credentials found")]
    #[diagnostic(
        code(aws::no_credentials),
        help(
            "log in with `aws configure sso` and `aws sso login`, or set AWS_PROFILE, or set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; docs/aws.md shows each step"
        )
    )]
    None,
    #[error("the AWS profile `{name}` provides no credentials: {reason}")]
    #[diagnostic(
        code(aws::profile),
        help(
            "check AWS_PROFILE: `aws configure list-profiles` lists your profiles; check its \
             source_profile too, and if it uses Identity Center, log in with `aws sso login \
             --profile {name}`"
        )
    )]
    Profile { name: String, reason: String },
    #[error("no SSO session, or it has expired")]
    #[diagnostic(
        code(aws::sso_expired),
        help("log in: `aws sso login`, with --profile if you use one")
    )]
    SsoExpired,
    #[error("the AWS credentials have expired")]
    #[diagnostic(
        code(aws::expired),
        help("log in again, or set new credentials: a session token lasts a few hours")
    )]
    Expired,
    #[error("AWS rejects these credentials: {reason}")]
    #[diagnostic(
        code(aws::unknown_credentials),
        help(
            "check the access key and its secret, in the environment or in ~/.aws/credentials: \
             one of them is wrong"
        )
    )]
    Unknown { reason: String },
    #[error("this machine's clock is too far from AWS's: {reason}")]
    #[diagnostic(
        code(aws::clock),
        help("set the clock, for example with `timedatectl set-ntp true`")
    )]
    Clock { reason: String },
    #[error("the region `{region}` cannot be used: {reason}")]
    #[diagnostic(
        code(aws::region),
        help(
            "set a region that your account has enabled, in [target] region or with --region, \
             for example us-east-1"
        )
    )]
    Region { region: String, reason: String },
    #[error("cannot reach AWS: {reason}")]
    #[diagnostic(
        code(aws::unreachable),
        help("check the network, the proxy, and AWS_ENDPOINT_URL if it is set")
    )]
    Unreachable { reason: String },
    #[error("cannot read the AWS credentials: {reason}")]
    #[diagnostic(
        code(aws::credentials),
        help("check ~/.aws/config, ~/.aws/credentials and AWS_PROFILE")
    )]
    Unreadable { reason: String },
    #[error("AWS did not say which account this is: {reason}")]
    #[diagnostic(code(aws::identity))]
    Refused { reason: String },
}

/// Asks the chain for credentials and STS whose they are.
pub async fn caller(config: &SdkConfig) -> Result<Caller, AccountError> {
    let provider = config.credentials_provider().ok_or(AccountError::None)?;
    let credentials = provider.provide_credentials().await.map_err(|error| {
        let profile = std::env::var("AWS_PROFILE")
            .ok()
            .filter(|name| !name.is_empty());
        match (no_credentials(&error), profile) {
            (AccountError::None, Some(name)) => AccountError::Profile {
                name,
                reason: deepest(&error),
            },
            (error, _) => error,
        }
    })?;
    if credentials
        .expiry()
        .is_some_and(|end| end < SystemTime::now())
    {
        return Err(AccountError::Expired);
    }
    let sent = aws_sdk_sts::Client::new(config)
        .get_caller_identity()
        .send()
        .await;
    let identity = sent.map_err(|error| {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let code = error.code().map(str::to_owned);
        let reason = match (&code, error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            _ => deepest(&error),
        };
        credentials_error(
            code.as_deref(),
            error.as_service_error().is_some(),
            reason,
            region,
            &DisplayErrorContext(&error).to_string(),
        )
    })?;
    Ok(Caller {
        account_id: identity.account().unwrap_or_default().to_owned(),
        arn: identity.arn().unwrap_or_default().to_owned(),
        source: source(&format!("{credentials:?}")),
        expires: credentials.expiry(),
    })
}

/// Reads the provider's name: the SDK tells it in its debug text alone, in which the secret is
/// crossed out.
fn source(debug: &str) -> String {
    let name = debug
        .split_once("provider_name: \"")
        .and_then(|(_, rest)| rest.split('"').next());
    name.unwrap_or("not said").to_owned()
}

fn no_credentials(error: &(dyn Error + 'static)) -> AccountError {
    let low = causes(error).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    let over = [
        "expired",
        "cached sso token",
        "invalidgrant",
        "invalid_grant",
        "unauthorizedexception",
    ];
    if has(&["sso"]) && has(&over) {
        AccountError::SsoExpired
    } else if has(&["expired"]) {
        AccountError::Expired
    } else if has(&[
        "not enabled",
        "no providers in chain",
        "did not provide",
        "not loaded",
    ]) {
        AccountError::None
    } else {
        AccountError::Unreadable {
            reason: deepest(error),
        }
    }
}

/// Names STS's refusal by its code. Source: AWS, "Common error types" of the query APIs, and STS's
/// own.
fn credentials_error(
    code: Option<&str>,
    answered: bool,
    reason: String,
    region: String,
    whole: &str,
) -> AccountError {
    let low = reason.to_lowercase();
    match code {
        Some("ExpiredToken" | "ExpiredTokenException") => AccountError::Expired,
        Some("SignatureDoesNotMatch")
            if low.contains("signature expired") || low.contains("signature not yet current") =>
        {
            AccountError::Clock { reason }
        }
        Some("RequestExpired" | "RequestTimeTooSkewed") => AccountError::Clock { reason },
        Some("RegionDisabledException") => AccountError::Region { region, reason },
        // A region that has to be switched on first does not know an account's keys until it is.
        Some(
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId",
        ) => AccountError::Unknown { reason },
        None if !answered && whole.to_lowercase().contains("dns error") => AccountError::Region {
            reason: "its address is unknown: no such region, or no network".to_owned(),
            region,
        },
        None if !answered => AccountError::Unreachable { reason },
        _ => AccountError::Refused { reason },
    }
}

/// The cause at the end of the chain says it most plainly.
fn deepest(error: &(dyn Error + 'static)) -> String {
    let last = std::iter::successors(Some(error), |&error| error.source()).last();
    last.map(ToString::to_string).unwrap_or_default()
}
