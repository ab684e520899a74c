//! Names of deployed resources: readable, deterministic, within the cloud's limits. Pure.

use darkroom_core::cell::{Start, Trigger};
use sha2::{Digest, Sha256};

use super::wanted::FunctionKey;

/// First part of every name that Darkroom gives in an account.
pub const PREFIX: &str = "dkr";

/// Where the bucket keeps large packages. No function's `OUTPUT_PREFIX` begins so: those begin with
/// a variant's name and its architecture.
pub const PACKAGES_PREFIX: &str = "packages/";

/// Where the bucket keeps what the runner uploads to start a chain.
const UPLOADS_PREFIX: &str = "upload/";

/// Lambda's limit for a function's name, characters.
const FUNCTION_LIMIT: usize = 64;
/// S3's limit for a bucket's name, characters.
const BUCKET_LIMIT: usize = 63;
/// Characters of the hash at the end of a shortened name.
const HASH: usize = 8;
/// IAM's limit for a role's name, characters.
const ROLE_LIMIT: usize = 64;
/// Lambda's limit for a layer's name is 140; its ARN in a function's configuration stays readable
/// with this.
const LAYER_LIMIT: usize = 64;

/// Returns a function's name:
/// `dkr-<experiment>-<variant>-<architecture>-<memory>-<stage>-d<deployment>`, followed by the
/// trigger and the start where these are not `direct` and `warm`, by the runtime where the matrix
/// names one (`python314`), and by `snapstart` where that is on.
///
/// Characters that Lambda does not allow become `-`. A name that was changed or is too long ends in
/// a hash of the whole, so that two functions never share one.
pub fn function(experiment: &str, key: &FunctionKey) -> String {
    let FunctionKey {
        variant,
        architecture,
        memory_mb,
        deployment,
        stage,
        ..
    } = key;
    let levels = levels(key);
    let plain = format!(
        "{PREFIX}-{experiment}-{variant}-{architecture}-{memory_mb}-{stage}-d{deployment}{levels}"
    );
    within(&plain, FUNCTION_LIMIT, |c| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_'
    })
}

/// Returns where a function writes: one folder per function, ending in `/`, so that no two
/// functions share an output key.
pub fn output_prefix(key: &FunctionKey) -> String {
    format!("{}/{}/", group(key), key.stage)
}

/// Returns where an upload starts the chain that `key` is a stage of, ends in `/`.
pub fn uploads_prefix(key: &FunctionKey) -> String {
    format!("{UPLOADS_PREFIX}{}/", group(key))
}

/// Names the functions that are one deployment of a pipeline.
fn group(key: &FunctionKey) -> String {
    let FunctionKey {
        variant,
        architecture,
        memory_mb,
        deployment,
        ..
    } = key;
    format!(
        "{variant}-{architecture}-{memory_mb}-d{deployment}{}",
        levels(key)
    )
}

/// Spells trigger and start where they are not what a plain call of a warm function is, a runtime
/// that the matrix names, and SnapStart.
fn levels(key: &FunctionKey) -> String {
    let trigger = if key.trigger == Trigger::Direct {
        String::new()
    } else {
        format!("-{}", key.trigger)
    };
    let start = if key.start == Start::Warm {
        String::new()
    } else {
        format!("-{}", key.start)
    };
    let runtime = key.runtime.as_ref();
    let runtime = runtime.map(|runtime| format!("-{}", plain_runtime(runtime)));
    let snapstart = if key.snapstart.is_on() {
        "-snapstart"
    } else {
        ""
    };
    trigger + &start + &runtime.unwrap_or_default() + snapstart
}

/// Spells a runtime without its dot, which no function's name may hold: `python314`.
pub fn plain_runtime(runtime: &str) -> String {
    runtime.replace('.', "")
}

/// Says whether an account has a namespace of its own for buckets in a region, in which nobody else
/// can make one. Source: S3 user guide, "Namespaces for general purpose buckets": all regions but
/// Middle East (Bahrain) and Middle East (UAE).
pub fn has_namespace(region: &str) -> bool {
    !["me-south-1", "me-central-1"].contains(&region)
}

/// Returns the bucket of an experiment in the account's own namespace:
/// `dkr-<experiment>-<account>-<region>-an`.
pub fn bucket(experiment: &str, account_id: &str, region: &str) -> String {
    let suffix = format!("-{account_id}-{region}-an");
    let limit = BUCKET_LIMIT.saturating_sub(suffix.len());
    within(&format!("{PREFIX}-{experiment}"), limit, of_buckets) + &suffix
}

/// Returns a name for an experiment's bucket in the namespace that all accounts share. Nobody can
/// know it before the run.
pub fn shared_bucket(experiment: &str, account_id: &str, run_id: &str) -> String {
    let random = hex::encode(&Sha256::digest(format!("{account_id}/{run_id}"))[..8]);
    format!("{}{random}", buckets_prefix(experiment))
}

/// Returns what the names of all buckets of an experiment begin with.
pub fn buckets_prefix(experiment: &str) -> String {
    // The longest that all regions leave room for.
    within(&format!("{PREFIX}-{experiment}"), 32, of_buckets) + "-"
}

fn of_buckets(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

/// Returns what an experiment's role is called. Roles are the account's, not a region's, hence the
/// region.
pub fn role(experiment: &str, region: &str) -> String {
    within(
        &format!("{PREFIX}-{experiment}-{region}"),
        ROLE_LIMIT,
        |c| c.is_ascii_alphanumeric() || c == '-' || c == '_',
    )
}

/// Returns what the names of all functions of an experiment begin with.
pub fn functions_prefix(experiment: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let clean = format!("{PREFIX}-{experiment}-")
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .collect::<String>();
    // A name that is too long is cut here, and continues with a hash.
    let limit = FUNCTION_LIMIT - HASH - 1;
    if clean.len() < limit {
        clean
    } else {
        clean
            .chars()
            .take(limit)
            .collect::<String>()
            .trim_end_matches('-')
            .to_owned()
    }
}

/// Returns what a layer, `<variant>-<architecture>` for example, is called in an experiment.
pub fn layer(experiment: &str, layer: &str) -> String {
    let plain = format!("{PREFIX}-{experiment}-{layer}");
    within(&plain, LAYER_LIMIT, |c| {
        c.is_ascii_alphanumeric() || c == '-' || c == '_'
    })
}

/// Returns the account id in an ARN (`arn:partition:service:region:account:…`), if it has one.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.split(':')
        .nth(4)
        .filter(|account| account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns `plain` if it fits as it is, else a shortened copy with a hash of `plain` at its end.
fn within(plain: &str, limit: usize, allowed: impl Fn(char) -> bool) -> String {
    if plain.len() <= limit && plain.chars().all(&allowed) {
        return plain.to_owned();
    }
    let hash = hex::encode(&Sha256::digest(plain)[..HASH / 2]);
    let lower = plain.chars().flat_map(|c| {
        if allowed(c) {
            vec![c]
        } else {
            c.to_lowercase().collect()
        }
    });
    let clean: String = lower
        .map(|c| if allowed(c) { c } else { '-' })
        .take(limit - hash.len() - 1)
        .collect();
    format!("{}-{hash}", clean.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use darkroom_core::cell::{Architecture, SnapStart};
    use proptest::prelude::*;

    fn key(variant: &str, stage: &str) -> FunctionKey {
        FunctionKey {
            runtime: None,
            variant: variant.into(),
            architecture: Architecture::X86_64,
            memory_mb: 1024,
            deployment: 2,
            trigger: Trigger::Direct,
            start: Start::Warm,
            snapstart: SnapStart::Off,
            stage: stage.into(),
        }
    }

    #[test]
    fn a_name_that_fits_is_spelt_out() {
        assert_eq!(
            function("smoke", &key("pillow", "greyscale")),
            "dkr-smoke-pillow-x86_64-1024-greyscale-d2"
        );
        assert_eq!(
            output_prefix(&key("pillow", "resize")),
            "pillow-x86_64-1024-d2/resize/"
        );
        assert_eq!(
            bucket("smoke", "000000000000", "us-east-1"),
            "dkr-smoke-000000000000-us-east-1-an"
        );
    }

    #[test]
    fn functions_of_other_triggers_and_starts_are_other_functions() {
        let triggered = FunctionKey {
            trigger: Trigger::S3,
            start: Start::Cold,
            ..key("pillow", "resize")
        };
        assert_eq!(
            function("smoke", &triggered),
            "dkr-smoke-pillow-x86_64-1024-resize-d2-s3-cold"
        );
        assert_eq!(
            output_prefix(&triggered),
            "pillow-x86_64-1024-d2-s3-cold/resize/"
        );
        assert_eq!(
            uploads_prefix(&triggered),
            "upload/pillow-x86_64-1024-d2-s3-cold/"
        );
        let on_runtime = FunctionKey {
            runtime: Some("python3.14".into()),
            ..triggered
        };
        assert_eq!(
            function("smoke", &on_runtime),
            "dkr-smoke-pillow-x86_64-1024-resize-d2-s3-cold-python314"
        );
        assert_eq!(
            output_prefix(&on_runtime),
            "pillow-x86_64-1024-d2-s3-cold-python314/resize/"
        );
        let restored = FunctionKey {
            snapstart: SnapStart::On,
            ..key("pillow", "resize")
        };
        assert_eq!(
            function("smoke", &restored),
            "dkr-smoke-pillow-x86_64-1024-resize-d2-snapstart"
        );
    }

    #[test]
    fn the_account_is_read_from_the_role() {
        assert_eq!(
            account_of("arn:aws:iam::123456789012:role/darkroom"),
            Some("123456789012")
        );
        assert_eq!(account_of("darkroom"), None);
        assert_eq!(account_of("arn:aws:s3:::bucket"), None);
    }

    #[test]
    fn names_that_were_shortened_or_cleaned_alike_still_differ() {
        let long = "a-model-with-a-very-long-name.and-a-sample-number";
        let names = [
            function("llm-study", &key(&format!("{long}.1"), "colour-depth")),
            function("llm-study", &key(&format!("{long}.2"), "colour-depth")),
            function("llm-study", &key("claude.1", "resize")),
            function("llm-study", &key("claude-1", "resize")),
        ];
        for (i, a) in names.iter().enumerate() {
            assert!(names[i + 1..].iter().all(|b| a != b), "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_keeps_to_the_clouds_rules(experiment in "[a-zA-Z0-9 ._é-]{1,80}", variant in "\\PC{1,60}", stage in "[a-z-]{1,30}") {
            let name = function(&experiment, &key(&variant, &stage));
            prop_assert!(name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)), "{}", name);
            let name = bucket(&experiment, "123456789012", "ap-southeast-3");
            prop_assert!((3..=63).contains(&name.len()), "{}", name);
            prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{}", name);
            prop_assert!(name.ends_with("-123456789012-ap-southeast-3-an"), "{}", name);
            prop_assert!(name.starts_with(&buckets_prefix(&experiment)), "{}", name);
            let name = shared_bucket(&experiment, "123456789012", "20261125-000000-abcdef");
            prop_assert!(name.len() <= 63 && name.chars().all(of_buckets), "{}", name);
        }
    }
}
