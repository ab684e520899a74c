//! The tags on everything that Darkroom makes in an account, so that `clean` finds all of it and
//! nothing else. Pure.

use std::collections::BTreeMap;

use super::wanted::DeploySettings;

/// Which experiment a resource belongs to. Nothing without this tag is ever changed or removed.
pub const EXPERIMENT: &str = "darkroom:experiment";
/// UTC date after which nobody misses a resource.
pub const EXPIRES: &str = "darkroom:expires-on";

/// Who made or used a resource last: the caller's ARN, in the letters that a tag may have.
pub const BY: &str = "darkroom:by";
/// Which run made or used a resource last.
pub const RUN: &str = "darkroom:run";
/// On the bucket while a session of its run is running: when it was last seen. One that is killed
/// can't take it off.
pub const UNDER_WAY: &str = "darkroom:under-way";
/// Where the experiment ran: roles are the account's, not a region's.
pub const REGION: &str = "darkroom:region";

/// Returns the tags of everything that is made.
pub fn of(settings: &DeploySettings) -> BTreeMap<String, String> {
    let DeploySettings {
        experiment,
        by,
        expires_on,
        run_id,
        region,
        ..
    } = settings;
    [
        (EXPERIMENT, experiment),
        (BY, by),
        (EXPIRES, expires_on),
        (RUN, run_id),
        (REGION, region),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .into()
}

/// Returns a caller's ARN as a tag can hold it. Source: the services' API references: letters,
/// numbers, spaces and `+ - = . _ : / @`, at most 256 (S3, IAM, Lambda, CloudWatch Logs).
pub fn by(arn: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || " +-=._:/@".contains(c);
    let of = |c| if fits(c) { c } else { '_' };
    arn.chars().map(of).take(256).collect()
}

/// Returns what is written into a layer's description. Lambda can't tag layers, so this stands for
/// the tags.
pub fn layer_description(experiment: &str, sha256_base64: &str) -> String {
    format!("{EXPERIMENT}={experiment} sha256={sha256_base64}")
}

/// Returns the sha256 that a layer's description claims, if it is one of this experiment's.
pub fn layer_sha256<'a>(experiment: &str, description: &'a str) -> Option<&'a str> {
    description
        .strip_prefix(EXPERIMENT)?
        .strip_prefix('=')?
        .strip_prefix(experiment)?
        .strip_prefix(" sha256=")
}

/// Returns the experiment that a layer's description names, if it is one of Darkroom's.
pub fn layer_experiment(description: &str) -> Option<&str> {
    let (experiment, _) = description
        .strip_prefix(EXPERIMENT)?
        .strip_prefix('=')?
        .rsplit_once(" sha256=")?;
    Some(experiment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_name_is_written_in_the_letters_of_a_tag() {
        let arn = "arn:aws:sts::123456789012:assumed-role/Admin/me@lab.example";
        assert_eq!(by(arn), arn);
        assert_eq!(by("arn:aws:iam::1:user/a,b"), "arn:aws:iam::1:user/a_b");
        assert_eq!(by(&"x".repeat(300)).len(), 256);
    }

    #[test]
    fn a_layer_is_recognised_by_its_description_for_its_own_experiment_only() {
        let description = layer_description("smoke", "c2hh");
        assert_eq!(layer_sha256("smoke", &description), Some("c2hh"));
        assert_eq!(layer_experiment(&description), Some("smoke"));
        assert_eq!(layer_experiment("someone's layer"), None);
        assert_eq!(layer_sha256("smok", &description), None);
        assert_eq!(layer_sha256("smoke", "someone's layer"), None);
    }
}
