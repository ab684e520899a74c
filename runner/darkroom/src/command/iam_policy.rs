//! `darkroom iam-policy`: prints the minimal policies, in the form that `aws iam` takes.

use crate::cli::{Globals, IamPolicyArgs, PolicyOf};
use crate::deploy::role;
use crate::display;
use crate::exit::{Failure, Outcome};
use crate::permissions::Scope;

pub fn run(args: &IamPolicyArgs, _globals: Globals) -> Result<Outcome, Failure> {
    let IamPolicyArgs {
        who,
        experiment,
        account,
        region,
        boundary,
    } = args;
    let scope = Scope {
        partition: partition(region),
        account,
        region,
        experiment,
    };
    let policy = match who {
        PolicyOf::Person => scope.person(boundary.as_deref()),
        PolicyOf::Functions => scope.functions(),
        PolicyOf::Trust => role::trust(account),
        PolicyOf::Boundary => scope.boundary(),
    };
    display::answer_json(&policy)?;
    Ok(Outcome::Done)
}

/// Source: AWS General Reference, "Amazon Resource Names": the partitions.
fn partition(region: &str) -> &'static str {
    match region.split_once('-').map(|(first, _)| first) {
        Some("cn") => "aws-cn",
        Some("us") if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
