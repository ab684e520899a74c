//! Errors of a deployment, each with what to do.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;

/// Why the wanted functions are not all in place.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum DeployError {
    #[error("the role `{role_arn}` is not the ARN of a role in an account")]
    #[diagnostic(
        code(deploy::role),
        help("set it in the form arn:aws:iam::123456789012:role/name")
    )]
    Role { role_arn: String },
    #[error("cannot read the package {}: {source}", zip.display())]
    #[diagnostic(code(deploy::package), help("remove {} and run again: Darkroom builds missing \
        packages anew", zip.display()))]
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
    #[error("roles were not checked: these credentials lack iam:ListRoles ({reason})")]
    #[diagnostic(
        code(deploy::roles_denied),
        help("if functions use a role of your own, Darkroom made none")
    )]
    RolesDenied { reason: String },
    #[error("{resource} exists, but Darkroom did not create it for this experiment: {found}")]
    #[diagnostic(
        code(deploy::foreign),
        help(
            "rename the experiment, or remove {resource} yourself: Darkroom changes only what \
             carries its tags"
        )
    )]
    Foreign { resource: String, found: String },
    #[error("the triggers of this deployment would start the wrong functions: {problem}")]
    #[diagnostic(
        code(deploy::triggers),
        help("rename the stage or the variant whose prefixes overlap")
    )]
    Triggers { problem: String },
    #[error(
        "the environment variables of function {function} take {bytes} bytes, but Lambda takes at \
         most {limit}"
    )]
    #[diagnostic(
        code(deploy::environment),
        help(
            "shorten the values of environment variables in variant.toml, or read them from a file"
        )
    )]
    Environment {
        function: String,
        bytes: usize,
        limit: usize,
    },
    #[error(
        "{needed} bytes of code do not fit: the account stores {used} of at most {limit} bytes \
         of functions and layers in this region"
    )]
    #[diagnostic(
        code(deploy::code_storage),
        help(
            "remove old functions and layers, for example with `darkroom clean`, or ask AWS for a \
             higher quota (Service Quotas, Lambda, function and layer storage)"
        )
    )]
    CodeStorage { needed: u64, used: u64, limit: u64 },
    #[error("function {function} did not become ready: {reason}")]
    #[diagnostic(
        code(deploy::not_ready),
        help("run it again; if that fails too, remove the function and run it once more")
    )]
    NotReady { function: String, reason: String },
    #[error("function {function} has no version to restore environments from: {reason}")]
    #[diagnostic(
        code(deploy::snapshot),
        help("run it again; if that fails too, take `snapstart` out of the manifest's matrix")
    )]
    Snapshot { function: String, reason: String },
    #[error(
        "{resource} holds other code than was packaged: its CodeSha256 is {found}, that of the \
         zip is {expected}"
    )]
    #[diagnostic(
        code(deploy::code_differs),
        help("run it again; something else changed the resource in between")
    )]
    CodeDiffers {
        resource: String,
        expected: String,
        found: String,
    },
    #[error(
        "function {function} differs from the configuration that Darkroom just set: {differences}"
    )]
    #[diagnostic(
        code(deploy::configuration_differs),
        help("run it again; something else changed the function in between")
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
