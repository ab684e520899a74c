//! Repeats a call while its error is temporary: AWS takes time to know what was just made.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_lambda::error::{ProvideErrorMetadata, SdkError};
use tokio::time::Instant;

use super::error::DeployError;
use super::observe::call;

/// How long a function may take to be ready, and a new role to be assumable. AWS: seconds, rarely a
/// minute.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// How long S3 may still be at work on an earlier change of a bucket, mostly its deletion. Sources:
/// aws-cli #2593, terraform-provider-aws #7628, artillery #2124: minutes, up to an hour.
const BUCKET_PATIENCE: Duration = Duration::from_hours(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Between two tries of what may take an hour.
const LONGEST_BUCKET_PAUSE: Duration = Duration::from_secs(20);
/// A wait that takes longer is said.
const SAID_AFTER: Duration = Duration::from_secs(5);

type Listener = Arc<dyn Fn(&str) + Send + Sync>;

/// Who hears of a long wait.
#[derive(Clone, Default)]
pub struct Waits(Option<Listener>);

impl Waits {
    pub fn told_to(say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(say)))
    }

    pub fn say(&self, text: &str) {
        if let Some(say) = &self.0 {
            say(text);
        }
    }

    /// Waits for `work`, and says `what` it is once that takes long.
    pub async fn said<T>(&self, what: impl Fn() -> String, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(SAID_AFTER, &mut work).await {
            return done;
        }
        self.say(&what());
        work.await
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "heard" } else { "unheard" })
    }
}

/// Returns the call's answer once only permanent errors remain.
pub async fn patiently<T, E, R>(
    operation: &'static str,
    resource: impl Fn() -> String,
    attempt: impl AsyncFn() -> Result<T, SdkError<E, R>>,
) -> Result<T, DeployError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    patiently_said(&Waits::default(), operation, resource, attempt).await
}

/// The same, and says what takes long.
pub async fn patiently_said<T, E, R>(
    waits: &Waits,
    operation: &'static str,
    resource: impl Fn() -> String,
    attempt: impl AsyncFn() -> Result<T, SdkError<E, R>>,
) -> Result<T, DeployError>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut said = false;
    loop {
        let error = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(longest) = waited_for(error.code(), error.message(), began.elapsed()) else {
            return Err(call(operation, resource(), &error));
        };
        if !said && began.elapsed() >= SAID_AFTER {
            waits.say(&format!(
                "{operation} of {}: still waiting; {}",
                resource(),
                why(error.code())
            ));
            said = true;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Returns the longest pause before the next try; `None` once nothing is waited for any more.
fn waited_for(code: Option<&str>, message: Option<&str>, waited: Duration) -> Option<Duration> {
    let (patience, pause) = if code == Some("OperationAborted") {
        (BUCKET_PATIENCE, LONGEST_BUCKET_PAUSE)
    } else {
        (PATIENCE, LONGEST_PAUSE)
    };
    (passes_by_itself(code, message) && waited < patience).then_some(pause)
}

/// Says why something takes long, and how long at most.
fn why(code: Option<&str>) -> String {
    match code {
        Some("OperationAborted") => format!(
            "S3 has not finished an earlier change of it, mostly its deletion; this takes minutes, \
             and Darkroom waits up to {} minutes",
            BUCKET_PATIENCE.as_secs() / 60
        ),
        code => format!(
            "AWS answered {}; Darkroom waits up to {} minutes",
            code.unwrap_or("an error"),
            PATIENCE.as_secs() / 60
        ),
    }
}

/// Waits until a policy that was put at `put` has had so long to be known everywhere; time that
/// went by since then counts.
///
/// `on_wait` is called with what is left, if that is anything.
pub async fn in_force(put: Option<Instant>, settles: Duration, on_wait: impl FnOnce(Duration)) {
    let left = put.map_or(Duration::ZERO, |put| left(settles, put.elapsed()));
    if !left.is_zero() {
        on_wait(left);
        tokio::time::sleep(left).await;
    }
}

fn left(settles: Duration, gone_by: Duration) -> Duration {
    settles.saturating_sub(gone_by)
}

/// Says whether Lambda refused to make something because there is one of the name already. The same
/// code says that something else changes at the moment.
pub fn is_there(code: Option<&str>, message: Option<&str>) -> bool {
    code == Some("ResourceConflictException")
        && message.is_some_and(|text| text.contains("already exist"))
}

/// Returns whether a refusal is one of those that end without anyone's doing.
///
/// A role that is so new that Lambda does not know it (only the text tells it from other wrong
/// parameters); another change of the function, the bucket or the log group still in progress; a
/// permission that S3 does not see yet. Sources: the services' API references (errors of
/// `CreateFunction`, `PutBucketNotificationConfiguration`, `CreateLogGroup`).
fn passes_by_itself(code: Option<&str>, message: Option<&str>) -> bool {
    let says = |part: &str| message.is_some_and(|text| text.contains(part));
    match code {
        Some("InvalidParameterValueException") => {
            // The last is what a new role looks like to KMS, with which environment variables are
            // encrypted.
            says("cannot be assumed by Lambda")
                || says("execution role does not have permissions")
                || says("KMS key is invalid for CreateGrant")
        }
        Some("ResourceConflictException") => !is_there(code, message),
        Some("InvalidArgument") => {
            says("Unable to validate the following destination configurations")
        }
        // Right after its creation a bucket is not known everywhere.
        Some(
            "NoSuchBucket"
            | "OperationAborted"
            | "OperationAbortedException"
            | "ConcurrentModification",
        ) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_policy_is_given_time_less_what_deploying_took() {
        let s = Duration::from_secs;
        assert_eq!(left(s(10), s(3)), s(7));
        assert_eq!(
            [
                left(s(10), s(10)),
                left(s(10), s(60)),
                left(Duration::ZERO, s(0))
            ],
            [s(0); 3]
        );
    }

    #[tokio::test]
    async fn only_who_really_waits_says_so() {
        let mut said = None;
        in_force(Some(Instant::now()), Duration::from_millis(20), |left| {
            said = Some(left);
        })
        .await;
        assert!(
            said.is_some_and(|left| left <= Duration::from_millis(20)),
            "{said:?}"
        );
        let silent = |_| panic!("there is nothing to wait for");
        in_force(None, Duration::from_hours(1), silent).await;
        in_force(Some(Instant::now()), Duration::ZERO, silent).await;
    }

    #[test]
    fn a_bucket_that_is_being_deleted_is_waited_for_an_hour_and_nothing_else_is() {
        let waits = |code, minutes| {
            waited_for(Some(code), Some(""), Duration::from_mins(minutes)).is_some()
        };
        assert!(waits("OperationAborted", 59) && !waits("OperationAborted", 60));
        assert!(waits("NoSuchBucket", 2) && !waits("NoSuchBucket", 3));
        assert!(!waits("AccessDenied", 0));
    }

    #[test]
    fn only_what_ends_by_itself_is_waited_for() {
        let passes = |code, message| passes_by_itself(Some(code), Some(message));
        assert!(passes(
            "InvalidParameterValueException",
            "The role defined for the function cannot be assumed by Lambda."
        ));
        assert!(passes(
            "ResourceConflictException",
            "An update is in progress for resource: f"
        ));
        assert!(passes(
            "InvalidArgument",
            "Unable to validate the following destination configurations"
        ));
        assert!(passes(
            "InvalidParameterValueException",
            "Lambda was unable to configure access to your environment variables because the KMS key is invalid for \
             CreateGrant. Please check your KMS key settings. KMS Exception: InvalidArnException KMS Message: ARN does not \
             refer to a valid principal"
        ));
        assert!(passes(
            "NoSuchBucket",
            "The specified bucket does not exist"
        ));
        assert!(passes(
            "OperationAborted",
            "A conflicting conditional operation is currently in progress"
        ));
        assert!(!passes(
            "InvalidParameterValueException",
            "Unzipped size must be smaller than 262144000 bytes"
        ));
        assert!(!passes(
            "ResourceConflictException",
            "Function already exist: f"
        ));
        assert!(!passes("AccessDeniedException", "not authorized"));
    }
}
