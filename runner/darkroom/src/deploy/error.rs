//! What can go wrong while deploying, each with its mend.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

/// Why the wanted functions are not all in place.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DeployError {
    #[error("the role `{role_arn}` is not the ARN of a role in an account")]
    #[diagnostic(
        code(deploy::role),
        help("it looks like arn:aws:iam::123456789012:role/name")
    )]
    Role { role_arn: String },
    #[error("can't read the package {}: {source}", zip.display())]
    #[diagnostic(code(deploy::package), help("packages are made anew when {} is removed", zip.display()))]
    Package { zip: PathBuf, source: io::Error },
    #[error("{operation} of {resource} failed: {reason}")]
    #[diagnostic(code(deploy::call))]
    Call {
        operation: &'static str,
        resource: String,
        reason: String,
        #[help]
        help: Option<String>,
    },
    #[error("roles were not checked, as these credentials may not list them: {reason}")]
    #[diagnostic(
        code(deploy::roles_denied),
        help("where functions get a role of your own, none is made")
    )]
    RolesDenied { reason: String },
    #[error("{resource} exists, but Darkroom did not make it for this experiment: {found}")]
    #[diagnostic(
        code(deploy::foreign),
        help(
            "give the experiment another name, or remove {resource} yourself: Darkroom changes only what it tagged"
        )
    )]
    Foreign { resource: String, found: String },
    #[error("the triggers of this deployment would start what they must not: {problem}")]
    #[diagnostic(
        code(deploy::triggers),
        help("rename the stage or the variant that makes these prefixes meet")
    )]
    Triggers { problem: String },
    #[error("function {function} did not get ready: {reason}")]
    #[diagnostic(
        code(deploy::not_ready),
        help("run it again; if it stays so, remove the function and run it once more")
    )]
    NotReady { function: String, reason: String },
    #[error(
        "{resource} does not hold what was packaged: CodeSha256 is {found}, the zip's is {expected}"
    )]
    #[diagnostic(
        code(deploy::code_differs),
        help("something else changed it meanwhile; run it again")
    )]
    CodeDiffers {
        resource: String,
        expected: String,
        found: String,
    },
    #[error(
        "function {function} is not configured as it was just told to be; different: {differences}"
    )]
    #[diagnostic(
        code(deploy::configuration_differs),
        help("something else changed it meanwhile; run it again")
    )]
    ConfigurationDiffers {
        function: String,
        differences: String,
    },
}

impl DeployError {
    /// Puts the region into the commands that it suggests, so that they work as they stand.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        if let Self::Call {
            help: Some(help), ..
        } = &mut self
        {
            *help = help.replace("--target aws`", &format!("--target aws --region {region}`"));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggested_command_says_the_region_that_the_deployment_was_in() {
        let help =
            Some("remove old functions and layers: `darkroom clean --target aws`".to_owned());
        let error = DeployError::Call {
            operation: "creating",
            resource: "x".into(),
            reason: "y".into(),
            help,
        };
        let DeployError::Call { help, .. } = error.in_region("eu-central-1") else {
            unreachable!()
        };
        assert_eq!(
            help.unwrap(),
            "remove old functions and layers: `darkroom clean --target aws --region eu-central-1`"
        );
    }
}
