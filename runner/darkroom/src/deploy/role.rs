//! The functions' execution role: its policy, and the calls that make it.
//!
//! Handlers may be untrusted code. They run with this role alone. It reads and writes the
//! experiment's bucket and writes to existing log groups; it cannot make any.

use std::collections::BTreeMap;

use aws_sdk_iam::error::ProvideErrorMetadata;
use serde_json::{Value, json};

use percent_encoding::percent_decode_str;

use super::clients::Clients;
use super::desired::{HaveRole, Role, RoleStep, Want};
use super::error::DeployError;
use super::names;
use super::observe::call;
use super::wanted::DeploySettings;

/// Names our inline policy.
pub const POLICY: &str = "darkroom";

/// Returns the ARN of the role that the functions get, and the role itself if it is Darkroom's to
/// make.
pub fn wanted(
    settings: &DeploySettings,
    bucket: &str,
) -> Result<(String, Option<Role>), DeployError> {
    if let Some(role_arn) = &settings.role_arn {
        names::account_of(role_arn)
            .filter(|_| role_arn.contains(":role/"))
            .ok_or_else(|| DeployError::Role {
                role_arn: role_arn.clone(),
            })?;
        return Ok((role_arn.clone(), None));
    }
    let DeploySettings {
        account_id,
        partition,
        region,
        experiment,
        ..
    } = settings;
    let name = names::role(experiment, region);
    let functions = names::functions_prefix(experiment);
    let role_arn = format!("arn:{partition}:iam::{account_id}:role/{name}");
    let groups =
        format!("arn:{partition}:logs:{region}:{account_id}:log-group:/aws/lambda/{functions}*");
    Ok((
        role_arn,
        Some(Role {
            name,
            policy: policy(&format!("arn:{partition}:s3:::{bucket}"), &groups),
        }),
    ))
}

/// Returns what functions may do, with a bucket and log groups as ARNs.
///
/// They can't change the packages in the bucket, and without `CreateLogGroup` a late log line
/// leaves no group behind.
pub fn policy(bucket_arn: &str, groups_arn: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Images",
                "Effect": "Allow",
                "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                "Resource": format!("{bucket_arn}/*"),
            },
            {
                "Sid": "NotThePackages",
                "Effect": "Deny",
                "Action": "s3:*",
                "Resource": format!("{bucket_arn}/{}*", names::PACKAGES_PREFIX),
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": format!("{groups_arn}:*"),
            },
        ],
    })
}

/// Returns who may take the role on: Lambda, for this account. Source of the condition:
/// aws/agent-toolkit-for-aws, a trust policy for Lambda; IAM user guide, "The confused deputy
/// problem".
pub fn trust(account_id: &str) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": { "Service": "lambda.amazonaws.com" },
        "Action": "sts:AssumeRole",
    });
    if account_id != "*" {
        statement["Condition"] = json!({ "StringEquals": { "aws:SourceAccount": account_id } });
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] })
}

/// Returns the role as the account has it, if Darkroom is to make one and it is there.
pub async fn observe(clients: &Clients, want: &Want) -> Result<Option<HaveRole>, DeployError> {
    let Some(Role { name, .. }) = &want.role else {
        return Ok(None);
    };
    let resource = || format!("role {name}");
    let tags = match clients.iam.get_role().role_name(name).send().await {
        Ok(found) => found
            .role()
            .map(aws_sdk_iam::types::Role::tags)
            .map(tags)
            .unwrap_or_default(),
        Err(error) if error.code() == Some("NoSuchEntity") => return Ok(None),
        Err(error) => return Err(call("reading", resource(), &error)),
    };
    let policy = match clients
        .iam
        .get_role_policy()
        .role_name(name)
        .policy_name(POLICY)
        .send()
        .await
    {
        Ok(found) => serde_json::from_str(&decoded(found.policy_document())).ok(),
        Err(error) if error.code() == Some("NoSuchEntity") => None,
        Err(error) => return Err(call("reading", resource(), &error)),
    };
    Ok(Some(HaveRole { tags, policy }))
}

fn tags(tags: &[aws_sdk_iam::types::Tag]) -> BTreeMap<String, String> {
    tags.iter()
        .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
        .collect()
}

/// IAM gives policies URL-encoded (API reference, `GetRolePolicy`); an endpoint that does not is
/// read as well.
fn decoded(document: &str) -> String {
    percent_decode_str(document)
        .decode_utf8_lossy()
        .into_owned()
}

/// Makes or fixes the role. Its tags come with its creation, so that it can be found from its first
/// moment.
pub async fn bring_about(
    clients: &Clients,
    want: &Want,
    step: &RoleStep,
) -> Result<(), DeployError> {
    let Some(Role { name, policy }) = &want.role else {
        return Ok(());
    };
    let resource = || format!("role {name}");
    let (policy_differs, tags_differ) = match step {
        RoleStep::Keep => return Ok(()),
        RoleStep::Create => {
            let create = clients
                .iam
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust(&want.account_id).to_string())
                .set_permissions_boundary(want.boundary.clone());
            let create = create.description("Lambda functions of Darkroom experiments run with it");
            match create.set_tags(Some(iam_tags(want, name)?)).send().await {
                Ok(_) => {}
                // Another deployment of the experiment was faster.
                Err(error) if error.code() == Some("EntityAlreadyExists") => {}
                Err(error) => return Err(call("creation", resource(), &error)),
            }
            (true, false)
        }
        RoleStep::Update { policy, tags } => (*policy, *tags),
    };
    if tags_differ {
        let sent = clients
            .iam
            .tag_role()
            .role_name(name)
            .set_tags(Some(iam_tags(want, name)?))
            .send()
            .await;
        sent.map_err(|error| call("tagging", resource(), &error))?;
    }
    if policy_differs {
        let put = clients
            .iam
            .put_role_policy()
            .role_name(name)
            .policy_name(POLICY);
        let sent = put.policy_document(policy.to_string()).send().await;
        sent.map_err(|error| call("policy", resource(), &error))?;
    }
    Ok(())
}

fn iam_tags(want: &Want, role: &str) -> Result<Vec<aws_sdk_iam::types::Tag>, DeployError> {
    let tag = |(key, value): (&String, &String)| {
        aws_sdk_iam::types::Tag::builder()
            .key(key)
            .value(value)
            .build()
    };
    want.tags
        .iter()
        .map(tag)
        .collect::<Result<_, _>>()
        .map_err(|error| DeployError::Call {
            operation: "tagging",
            resource: format!("role {role}"),
            reason: error.to_string(),
            help: None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_encoded_and_plain() {
        assert_eq!(decoded("%7B%22a%22%3A%20%22b%25%22%7D"), r#"{"a": "b%"}"#);
        assert_eq!(decoded(r#"{"a": "100%"}"#), r#"{"a": "100%"}"#);
    }
}
