//! Every AWS operation that Darkroom calls, the permission that it needs, and on what. Pure.
//!
//! The person's policy and `doctor`'s questions come from this one table; a test compares it with
//! the calls that are made. `.ci/policies` checks the printed policies with parliament, which knows
//! AWS's actions, the resources that each takes, and its condition keys.

use serde_json::{Value, json};

use crate::deploy::{names, role};

/// What an action is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The action knows no resource.
    Everything,
    Functions,
    /// Functions, with Darkroom's tag in the call.
    NewFunctions,
    /// Functions that carry Darkroom's tag.
    TaggedFunctions,
    Layers,
    Roles,
    /// A role that is made, with Darkroom's tag in the call, and bounded where that is asked for.
    NewRoles,
    /// Roles, with Darkroom's tag in the call.
    RoleTags,
    /// What roles that carry Darkroom's tag may do; they are bounded where that is asked for.
    RolePolicies,
    /// Roles that carry Darkroom's tag.
    TaggedRoles,
    /// Handing the role to Lambda, and to nobody else.
    PassedRole,
    Buckets,
    Objects,
    LogGroups,
}

/// One operation that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As the SDK names it, after its service: `lambda:Invoke`.
    pub operation: &'static str,
    /// As IAM names it.
    pub actions: &'static [&'static str],
    pub on: On,
}

const fn needs(operation: &'static str, actions: &'static [&'static str], on: On) -> Permission {
    Permission {
        operation,
        actions,
        on,
    }
}

/// Every operation that is called, each once. `sts:GetCallerIdentity` is always allowed.
pub const PERMISSIONS: &[Permission] = &[
    needs("sts:GetCallerIdentity", &[], On::Everything),
    needs(
        "iam:SimulatePrincipalPolicy",
        &["iam:SimulatePrincipalPolicy"],
        On::Everything,
    ),
    needs("iam:ListRoles", &["iam:ListRoles"], On::Everything),
    needs("iam:GetRole", &["iam:GetRole"], On::Roles),
    needs("iam:CreateRole", &["iam:CreateRole"], On::NewRoles),
    // What CreateRole asks for too, because it sets tags.
    needs("iam:TagRole", &["iam:TagRole"], On::RoleTags),
    needs("iam:GetRolePolicy", &["iam:GetRolePolicy"], On::Roles),
    needs(
        "iam:PutRolePolicy",
        &["iam:PutRolePolicy"],
        On::RolePolicies,
    ),
    needs("iam:ListRoleTags", &["iam:ListRoleTags"], On::Roles),
    needs("iam:ListRolePolicies", &["iam:ListRolePolicies"], On::Roles),
    needs(
        "iam:DeleteRolePolicy",
        &["iam:DeleteRolePolicy"],
        On::TaggedRoles,
    ),
    needs("iam:DeleteRole", &["iam:DeleteRole"], On::TaggedRoles),
    needs(
        "lambda:GetAccountSettings",
        &["lambda:GetAccountSettings"],
        On::Everything,
    ),
    needs(
        "lambda:ListFunctions",
        &["lambda:ListFunctions"],
        On::Everything,
    ),
    needs("lambda:ListLayers", &["lambda:ListLayers"], On::Everything),
    needs(
        "lambda:ListLayerVersions",
        &["lambda:ListLayerVersions"],
        On::Everything,
    ),
    needs(
        "lambda:CreateFunction",
        &["lambda:CreateFunction", "lambda:TagResource"],
        On::NewFunctions,
    ),
    // What CreateFunction asks besides: that the role may be handed on.
    needs("iam:PassRole", &["iam:PassRole"], On::PassedRole),
    needs("lambda:GetFunction", &["lambda:GetFunction"], On::Functions),
    needs(
        "lambda:GetFunctionConfiguration",
        &["lambda:GetFunctionConfiguration"],
        On::Functions,
    ),
    needs("lambda:ListTags", &["lambda:ListTags"], On::Functions),
    needs(
        "lambda:TagResource",
        &["lambda:TagResource"],
        On::NewFunctions,
    ),
    // What environments are restored from where SnapStart is on.
    needs(
        "lambda:PublishVersion",
        &["lambda:PublishVersion"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:ListVersionsByFunction",
        &["lambda:ListVersionsByFunction"],
        On::Functions,
    ),
    needs("lambda:GetAlias", &["lambda:GetAlias"], On::Functions),
    needs(
        "lambda:CreateAlias",
        &["lambda:CreateAlias"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:UpdateAlias",
        &["lambda:UpdateAlias"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:AddPermission",
        &["lambda:AddPermission"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:PutFunctionEventInvokeConfig",
        &["lambda:PutFunctionEventInvokeConfig"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:Invoke",
        &["lambda:InvokeFunction"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:UpdateFunctionCode",
        &["lambda:UpdateFunctionCode"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:UpdateFunctionConfiguration",
        &["lambda:UpdateFunctionConfiguration"],
        On::TaggedFunctions,
    ),
    // What stops a function that starts itself, and frees it again.
    needs(
        "lambda:PutFunctionConcurrency",
        &["lambda:PutFunctionConcurrency"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:DeleteFunctionConcurrency",
        &["lambda:DeleteFunctionConcurrency"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:DeleteFunction",
        &["lambda:DeleteFunction"],
        On::TaggedFunctions,
    ),
    needs(
        "lambda:PublishLayerVersion",
        &["lambda:PublishLayerVersion"],
        On::Layers,
    ),
    needs(
        "lambda:GetLayerVersion",
        &["lambda:GetLayerVersion"],
        On::Layers,
    ),
    needs(
        "lambda:DeleteLayerVersion",
        &["lambda:DeleteLayerVersion"],
        On::Layers,
    ),
    needs("s3:ListBuckets", &["s3:ListAllMyBuckets"], On::Everything),
    needs(
        "s3:CreateBucket",
        &["s3:CreateBucket", "s3:TagResource"],
        On::Buckets,
    ),
    needs("s3:HeadBucket", &["s3:ListBucket"], On::Buckets),
    needs("s3:ListObjectsV2", &["s3:ListBucket"], On::Buckets),
    needs(
        "s3:ListObjectVersions",
        &["s3:ListBucketVersions"],
        On::Buckets,
    ),
    needs(
        "s3:ListMultipartUploads",
        &["s3:ListBucketMultipartUploads"],
        On::Buckets,
    ),
    needs("s3:GetBucketTagging", &["s3:GetBucketTagging"], On::Buckets),
    needs("s3:PutBucketTagging", &["s3:PutBucketTagging"], On::Buckets),
    needs(
        "s3:PutPublicAccessBlock",
        &["s3:PutBucketPublicAccessBlock"],
        On::Buckets,
    ),
    needs(
        "s3:PutBucketEncryption",
        &["s3:PutEncryptionConfiguration"],
        On::Buckets,
    ),
    needs(
        "s3:PutBucketOwnershipControls",
        &["s3:PutBucketOwnershipControls"],
        On::Buckets,
    ),
    needs(
        "s3:PutBucketLifecycleConfiguration",
        &["s3:PutLifecycleConfiguration"],
        On::Buckets,
    ),
    needs(
        "s3:GetBucketNotificationConfiguration",
        &["s3:GetBucketNotification"],
        On::Buckets,
    ),
    needs(
        "s3:PutBucketNotificationConfiguration",
        &["s3:PutBucketNotification"],
        On::Buckets,
    ),
    needs("s3:DeleteBucket", &["s3:DeleteBucket"], On::Buckets),
    needs("s3:HeadObject", &["s3:GetObject"], On::Objects),
    needs("s3:GetObject", &["s3:GetObject"], On::Objects),
    needs("s3:PutObject", &["s3:PutObject"], On::Objects),
    needs(
        "s3:DeleteObjects",
        &["s3:DeleteObject", "s3:DeleteObjectVersion"],
        On::Objects,
    ),
    needs(
        "s3:AbortMultipartUpload",
        &["s3:AbortMultipartUpload"],
        On::Objects,
    ),
    needs(
        "logs:DescribeLogGroups",
        &["logs:DescribeLogGroups"],
        On::Everything,
    ),
    needs(
        "logs:CreateLogGroup",
        &["logs:CreateLogGroup", "logs:TagResource"],
        On::LogGroups,
    ),
    needs("logs:TagResource", &["logs:TagResource"], On::LogGroups),
    needs(
        "logs:ListTagsForResource",
        &["logs:ListTagsForResource"],
        On::LogGroups,
    ),
    needs(
        "logs:PutRetentionPolicy",
        &["logs:PutRetentionPolicy"],
        On::LogGroups,
    ),
    needs(
        "logs:FilterLogEvents",
        &["logs:FilterLogEvents"],
        On::LogGroups,
    ),
    needs(
        "logs:DeleteLogGroup",
        &["logs:DeleteLogGroup"],
        On::LogGroups,
    ),
    needs(
        "cloudwatch:GetMetricData",
        &["cloudwatch:GetMetricData"],
        On::Everything,
    ),
];

/// Whose and where; `*` is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    pub partition: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    pub experiment: &'a str,
}

impl Scope<'_> {
    /// Returns the ARNs of Darkroom's own of this kind, and only of these.
    pub fn resources(&self, on: On) -> Vec<String> {
        let Scope {
            partition,
            account,
            region,
            ..
        } = self;
        let any = self.experiment == "*";
        let prefix = if any {
            format!("{}-", names::PREFIX)
        } else {
            names::functions_prefix(self.experiment)
        };
        let arn = |service: &str, region: &str, account: &str, rest: &str| {
            format!("arn:{partition}:{service}:{region}:{account}:{rest}")
        };
        // Buckets and roles have one name an experiment; a bucket's name takes fewer letters than
        // the others.
        let bucket = if any || account.contains('*') || region.contains('*') {
            format!("{}*", prefix.to_lowercase().replace('_', "-"))
        } else if names::has_namespace(region) {
            names::bucket(self.experiment, account, region)
        } else {
            format!("{}*", names::buckets_prefix(self.experiment))
        };
        match on {
            On::Everything => vec!["*".to_owned()],
            On::Functions | On::NewFunctions | On::TaggedFunctions => vec![arn(
                "lambda",
                region,
                account,
                &format!("function:{prefix}*"),
            )],
            On::Layers => {
                let layer =
                    |rest: &str| arn("lambda", region, account, &format!("layer:{prefix}*{rest}"));
                vec![layer(""), layer(":*")]
            }
            On::Roles
            | On::NewRoles
            | On::RoleTags
            | On::RolePolicies
            | On::TaggedRoles
            | On::PassedRole => {
                vec![arn("iam", "", account, &format!("role/{prefix}*"))]
            }
            On::Buckets => vec![arn("s3", "", "", &bucket)],
            On::Objects => vec![arn("s3", "", "", &format!("{bucket}/*"))],
            On::LogGroups => {
                let group = |rest: &str| {
                    arn(
                        "logs",
                        region,
                        account,
                        &format!("log-group:/aws/lambda/{prefix}*{rest}"),
                    )
                };
                vec![group(""), group(":*")]
            }
        }
    }

    /// Returns what a person needs who runs Darkroom. With the ARN of a boundary, roles without it
    /// can be neither made nor given a policy.
    pub fn person(&self, boundary: Option<&str>) -> Value {
        let mut kinds: Vec<On> = PERMISSIONS.iter().map(|permission| permission.on).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let statement = |on| self.statement(on, boundary);
        let statements: Vec<Value> = kinds.into_iter().map(statement).collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }

    fn statement(&self, on: On, boundary: Option<&str>) -> Value {
        let of_kind = PERMISSIONS.iter().filter(|permission| permission.on == on);
        let mut actions: Vec<&str> = of_kind
            .flat_map(|permission| permission.actions)
            .copied()
            .collect();
        actions.sort_unstable();
        actions.dedup();
        let mut statement = json!({
            "Sid": format!("{on:?}"),
            "Effect": "Allow",
            "Action": actions,
            "Resource": self.resources(on),
        });
        let tagged = json!({ "aws:ResourceTag/darkroom:experiment": "false" });
        let tagging = json!({ "aws:RequestTag/darkroom:experiment": "false" });
        let bounded = boundary.map(|arn| json!({ "iam:PermissionsBoundary": arn }));
        let condition = match on {
            On::PassedRole => {
                Some(json!({ "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } }))
            }
            On::TaggedFunctions | On::TaggedRoles => Some(json!({ "Null": tagged })),
            On::NewFunctions | On::RoleTags => Some(json!({ "Null": tagging })),
            On::NewRoles => Some(with_boundary(json!({ "Null": tagging }), bounded)),
            On::RolePolicies => Some(with_boundary(json!({ "Null": tagged }), bounded)),
            On::Everything
            | On::Functions
            | On::Layers
            | On::Roles
            | On::Buckets
            | On::Objects
            | On::LogGroups => None,
        };
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statement
    }

    /// Returns what the functions need, as Darkroom gives it to a role that it makes.
    pub fn functions(&self) -> Value {
        let first = |on| self.resources(on).swap_remove(0);
        role::policy(&first(On::Buckets), &first(On::LogGroups))
    }

    /// Returns the most that any role of functions may do, whatever its own policy says.
    pub fn boundary(&self) -> Value {
        self.functions()
    }
}

fn with_boundary(mut condition: Value, bounded: Option<Value>) -> Value {
    if let Some(bounded) = bounded {
        condition["ArnEquals"] = bounded;
    }
    condition
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ANY: Scope<'_> = Scope {
        partition: "aws",
        account: "*",
        region: "*",
        experiment: "*",
    };

    #[test]
    fn every_operation_is_listed_once_and_every_action_is_in_the_policy() {
        let operations: BTreeSet<&str> = PERMISSIONS
            .iter()
            .map(|permission| permission.operation)
            .collect();
        assert_eq!(operations.len(), PERMISSIONS.len());
        let policy = ANY.person(None).to_string();
        for action in PERMISSIONS.iter().flat_map(|permission| permission.actions) {
            assert!(policy.contains(&format!("\"{action}\"")), "{action}");
        }
    }

    #[test]
    fn only_what_knows_no_resource_is_allowed_on_everything() {
        let policy = ANY.person(None);
        for statement in policy["Statement"].as_array().unwrap() {
            let open = statement["Resource"]
                .as_array()
                .unwrap()
                .iter()
                .any(|resource| resource == "*");
            assert_eq!(open, statement["Sid"] == "Everything", "{statement}");
            let ours = statement["Resource"].to_string().contains("dkr-");
            assert_eq!(ours, !open, "{statement}");
        }
        let reads = ["Get", "List", "Describe", "Simulate"];
        for permission in PERMISSIONS
            .iter()
            .filter(|permission| permission.on == On::Everything)
        {
            let name = permission.operation.split(':').nth(1).unwrap();
            assert!(
                reads.iter().any(|read| name.starts_with(read)),
                "{name} changes something, on everything"
            );
        }
    }

    #[test]
    fn the_role_can_be_handed_to_lambda_alone() {
        let policy = ANY.person(None);
        let statements = policy["Statement"].as_array().unwrap();
        let passing = statements
            .iter()
            .find(|statement| statement["Action"].to_string().contains("PassRole"))
            .unwrap();
        assert_eq!(
            passing["Condition"]["StringEquals"]["iam:PassedToService"],
            "lambda.amazonaws.com"
        );
        assert_eq!(passing["Action"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn what_changes_asks_for_our_tag_and_roles_for_the_boundary_that_is_named() {
        let arn = "arn:aws:iam::123456789012:policy/darkroom-boundary";
        let policy = ANY.person(Some(arn));
        let of = |action: &str| {
            let has = |statement: &&Value| {
                let actions = statement["Action"].as_array().unwrap();
                actions.iter().any(|it| it == action)
            };
            let found: Vec<&Value> = policy["Statement"]
                .as_array()
                .unwrap()
                .iter()
                .filter(has)
                .collect();
            assert_eq!(found.len(), 1, "{action}");
            found[0]["Condition"].clone()
        };
        let (tagged, tagging) = (
            "aws:ResourceTag/darkroom:experiment",
            "aws:RequestTag/darkroom:experiment",
        );
        for action in [
            "lambda:AddPermission",
            "lambda:InvokeFunction",
            "lambda:DeleteFunction",
            "iam:DeleteRole",
            "iam:PutRolePolicy",
        ] {
            assert_eq!(of(action)["Null"][tagged], "false", "{action}");
        }
        for action in [
            "lambda:CreateFunction",
            "lambda:TagResource",
            "iam:TagRole",
            "iam:CreateRole",
        ] {
            assert_eq!(of(action)["Null"][tagging], "false", "{action}");
        }
        for action in ["iam:CreateRole", "iam:PutRolePolicy"] {
            assert_eq!(
                of(action)["ArnEquals"]["iam:PermissionsBoundary"],
                arn,
                "{action}"
            );
        }
        assert_eq!(of("iam:TagRole")["ArnEquals"], Value::Null);
        let open = ANY.person(None).to_string();
        assert!(!open.contains("PermissionsBoundary"));
    }

    #[test]
    fn a_policy_is_within_iams_limit() {
        // Source: IAM quotas: a managed policy has at most 6,144 characters, white space apart.
        let scope = Scope {
            partition: "aws",
            account: "123456789012",
            region: "eu-central-1",
            experiment: "llm-study",
        };
        assert!(
            scope
                .person(Some("arn:aws:iam::123456789012:policy/darkroom-boundary"))
                .to_string()
                .len()
                < 6_144,
            "{}",
            scope.person(None).to_string().len()
        );
    }

    #[test]
    fn a_policy_of_one_experiment_names_its_bucket() {
        let scope = Scope {
            partition: "aws",
            account: "123456789012",
            region: "us-east-1",
            experiment: "smoke",
        };
        assert_eq!(
            scope.resources(On::Buckets),
            ["arn:aws:s3:::dkr-smoke-123456789012-us-east-1-an"]
        );
        assert_eq!(
            scope.resources(On::Functions),
            ["arn:aws:lambda:us-east-1:123456789012:function:dkr-smoke-*"]
        );
    }
}
