//! Evaluates a role's policies for one call: allowed, not mentioned, or denied. Pure.
//!
//! Works as IAM evaluates identity policies: a Deny that applies outweighs every Allow, and a call
//! that no statement allows is refused. A statement that we cannot evaluate (a policy variable, a
//! condition) never gives a right: as an Allow it does not apply, as a Deny it does. Source: IAM
//! user guide, "Policy evaluation logic" and "IAM JSON policy elements reference".

use serde_json::Value;

use crate::wildcard;

/// A role's policy, read once.
#[derive(Clone, Debug, Default)]
pub struct Policy(Vec<PolicyStatement>);

/// What policies say of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyVerdict {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it.
    Denied,
}

/// What conditions can ask about the caller, as names and values.
pub type Context<'a> = [(&'a str, &'a str)];

#[derive(Clone, Debug)]
struct PolicyStatement {
    allows: bool,
    actions: Names,
    resources: Names,
    conditions: Vec<PolicyCondition>,
}

/// A list of patterns, or everything but them.
#[derive(Clone, Debug)]
struct Names {
    patterns: Vec<String>,
    inverted: bool,
}

#[derive(Clone, Debug)]
enum PolicyCondition {
    Compared {
        key: String,
        patterns: Vec<String>,
        wildcards: bool,
        negated: bool,
    },
    Absent {
        key: String,
        is: bool,
    },
    Unknown,
}

impl Policy {
    /// Reads a document. A statement that can't be read allows nothing; if it denies, it denies
    /// everything.
    pub fn read(document: &str) -> Self {
        let Ok(document) = serde_json::from_str::<Value>(document) else {
            return Self::default();
        };
        Self(
            one_or_more(&document["Statement"])
                .into_iter()
                .filter_map(PolicyStatement::read)
                .collect(),
        )
    }
}

/// Returns what the policies say of one action on one resource.
pub fn verdict(
    policies: &[Policy],
    action: &str,
    resource: &str,
    context: &Context<'_>,
) -> PolicyVerdict {
    let mut verdict = PolicyVerdict::NotAllowed;
    for statement in policies.iter().flat_map(|policy| &policy.0) {
        if !statement.applies(action, resource, context) {
            continue;
        }
        if !statement.allows {
            return PolicyVerdict::Denied;
        }
        verdict = PolicyVerdict::Allowed;
    }
    verdict
}

impl PolicyStatement {
    fn read(statement: &Value) -> Option<Self> {
        let allows = match statement["Effect"].as_str()? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        let actions = Names::read(statement, "Action", "NotAction");
        let resources = Names::read(statement, "Resource", "NotResource");
        let (Some(actions), Some(resources)) = (actions, resources) else {
            return (!allows).then(|| Self {
                allows,
                actions: Names::everything(),
                resources: Names::everything(),
                conditions: Vec::new(),
            });
        };
        let conditions = match &statement["Condition"] {
            Value::Null => Vec::new(),
            Value::Object(operators) => operators
                .iter()
                .flat_map(|(name, keys)| PolicyCondition::read(name, keys))
                .collect(),
            _ => vec![PolicyCondition::Unknown],
        };
        Some(Self {
            allows,
            actions,
            resources,
            conditions,
        })
    }

    fn applies(&self, action: &str, resource: &str, context: &Context<'_>) -> bool {
        let when_unknown = !self.allows;
        // Actions have no variables, and no case.
        self.actions
            .holds(&action.to_ascii_lowercase(), when_unknown)
            && self.resources.holds(resource, when_unknown)
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(context).unwrap_or(when_unknown))
    }
}

impl Names {
    fn everything() -> Self {
        Self {
            patterns: vec!["*".to_owned()],
            inverted: false,
        }
    }

    fn read(statement: &Value, name: &str, inverted_name: &str) -> Option<Self> {
        let inverted = statement[name].is_null();
        let listed = &statement[if inverted { inverted_name } else { name }];
        let mut patterns = texts(listed).filter(|patterns| !patterns.is_empty())?;
        if name == "Action" {
            for pattern in &mut patterns {
                pattern.make_ascii_lowercase();
            }
        }
        Some(Self { patterns, inverted })
    }

    fn holds(&self, text: &str, when_unknown: bool) -> bool {
        let named = self
            .patterns
            .iter()
            .any(|pattern| !has_variable(pattern) && wildcard::matches(pattern, text));
        if !named && self.patterns.iter().any(|pattern| has_variable(pattern)) {
            return when_unknown;
        }
        named != self.inverted
    }
}

impl PolicyCondition {
    fn read(operator: &str, keys: &Value) -> Vec<Self> {
        let Value::Object(keys) = keys else {
            return vec![Self::Unknown];
        };
        // Whether a key that is not known here exists on AWS is not known either.
        let (wildcards, negated) = match operator.strip_suffix("IfExists").unwrap_or(operator) {
            "StringEquals" => (false, false),
            "StringNotEquals" => (false, true),
            "StringLike" | "ArnEquals" | "ArnLike" => (true, false),
            "StringNotLike" | "ArnNotEquals" | "ArnNotLike" => (true, true),
            "Null" => {
                let absent = |(key, value): (&String, &Value)| match flag(value) {
                    Some(is) => Self::Absent {
                        key: key.clone(),
                        is,
                    },
                    None => Self::Unknown,
                };
                return keys.iter().map(absent).collect();
            }
            _ => return vec![Self::Unknown],
        };
        let compared = |(key, value): (&String, &Value)| match texts(value) {
            Some(patterns) if !patterns.iter().any(|pattern| has_variable(pattern)) => {
                Self::Compared {
                    key: key.clone(),
                    patterns,
                    wildcards,
                    negated,
                }
            }
            _ => Self::Unknown,
        };
        keys.iter().map(compared).collect()
    }

    /// Returns whether it holds; `None` if that can't be known here.
    fn holds(&self, context: &Context<'_>) -> Option<bool> {
        let of = |key: &str| {
            context
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, value)| *value)
        };
        match self {
            Self::Unknown => None,
            // That a key is there is known for those that are; one that is not may be there on AWS.
            Self::Absent { key, is } => of(key).map(|_| !is),
            Self::Compared {
                key,
                patterns,
                wildcards,
                negated,
            } => {
                let value = of(key)?;
                let equal = |pattern: &String| {
                    if *wildcards {
                        wildcard::matches(pattern, value)
                    } else {
                        pattern == value
                    }
                };
                Some(patterns.iter().any(equal) != *negated)
            }
        }
    }
}

fn flag(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

fn one_or_more(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(all) => all.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// Returns a text or a list of texts; `None` if anything in it is no text.
fn texts(value: &Value) -> Option<Vec<String>> {
    one_or_more(value)
        .into_iter()
        .map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// Tells whether IAM would fill in something: `${aws:username}`.
fn has_variable(pattern: &str) -> bool {
    pattern.contains("${")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CONTEXT: &Context<'static> = &[(
        "lambda:SourceFunctionArn",
        "arn:aws:lambda:us-east-1:000000000000:function:dkr-a",
    )];

    fn said(statements: &Value, action: &str, resource: &str) -> PolicyVerdict {
        let policy =
            Policy::read(&json!({ "Version": "2012-10-17", "Statement": statements }).to_string());
        verdict(&[policy], action, resource, CONTEXT)
    }

    /// What `darkroom iam-policy functions` prints, in short.
    fn functions() -> Value {
        json!([
            { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::dkr-x/*" },
            { "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::dkr-x/packages/*" },
            { "Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": "arn:aws:logs:*:*:log-group:/aws/lambda/dkr-*:*" },
        ])
    }

    #[test]
    fn only_what_a_statement_allows_is_allowed() {
        let policy = functions();
        assert_eq!(
            said(&policy, "s3:GetObject", "arn:aws:s3:::dkr-x/a/b.png"),
            PolicyVerdict::Allowed
        );
        assert_eq!(
            said(&policy, "S3:getobject", "arn:aws:s3:::dkr-x/a/b.png"),
            PolicyVerdict::Allowed
        );
        for (action, resource) in [
            ("s3:ListBucket", "arn:aws:s3:::dkr-x"),
            ("s3:DeleteObject", "arn:aws:s3:::dkr-x/a"),
            ("s3:GetObject", "arn:aws:s3:::dkr-xy/a"),
            ("s3:GetObjectTagging", "arn:aws:s3:::dkr-x/a"),
            (
                "lambda:CreateFunction",
                "arn:aws:lambda:us-east-1:000000000000:function:h",
            ),
            (
                "logs:FilterLogEvents",
                "arn:aws:logs:us-east-1:0:log-group:/aws/lambda/dkr-a:log-stream:",
            ),
        ] {
            assert_eq!(
                said(&policy, action, resource),
                PolicyVerdict::NotAllowed,
                "{action}"
            );
        }
    }

    #[test]
    fn a_deny_outweighs_an_allow_wherever_it_stands() {
        let policy = functions();
        assert_eq!(
            said(&policy, "s3:GetObject", "arn:aws:s3:::dkr-x/packages/p.zip"),
            PolicyVerdict::Denied
        );
        let first = json!([
            { "Effect": "Deny", "Action": "s3:Put*", "Resource": "*" },
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
        ]);
        assert_eq!(
            said(&first, "s3:PutObject", "arn:aws:s3:::b/k"),
            PolicyVerdict::Denied
        );
        assert_eq!(
            said(&first, "s3:GetObject", "arn:aws:s3:::b/k"),
            PolicyVerdict::Allowed
        );
    }

    #[test]
    fn one_statement_needs_no_list_and_not_lists_are_the_rest() {
        let one = json!({ "Effect": "Allow", "NotAction": ["iam:*", "s3:Delete*"], "NotResource": "arn:aws:s3:::secret/*" });
        assert_eq!(
            said(&one, "s3:GetObject", "arn:aws:s3:::open/k"),
            PolicyVerdict::Allowed
        );
        assert_eq!(
            said(&one, "s3:DeleteObject", "arn:aws:s3:::open/k"),
            PolicyVerdict::NotAllowed
        );
        assert_eq!(
            said(&one, "s3:GetObject", "arn:aws:s3:::secret/k"),
            PolicyVerdict::NotAllowed
        );
    }

    #[test]
    fn a_variable_gives_no_right_and_takes_no_deny_away() {
        let mine = "arn:aws:s3:::b/${aws:username}/*";
        let allow = json!([{ "Effect": "Allow", "Action": "s3:*", "Resource": mine }]);
        assert_eq!(
            said(&allow, "s3:GetObject", "arn:aws:s3:::b/me/k"),
            PolicyVerdict::NotAllowed
        );
        let inverted = json!([{ "Effect": "Allow", "Action": "s3:*", "NotResource": mine }]);
        assert_eq!(
            said(&inverted, "s3:GetObject", "arn:aws:s3:::b/me/k"),
            PolicyVerdict::NotAllowed
        );
        let deny = json!([
            { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
            { "Effect": "Deny", "Action": "s3:*", "Resource": mine },
        ]);
        assert_eq!(
            said(&deny, "s3:GetObject", "arn:aws:s3:::b/me/k"),
            PolicyVerdict::Denied
        );
    }

    #[test]
    fn conditions_on_the_function_are_read_and_others_give_no_right() {
        let allow = |condition: Value| {
            let policy = json!([{ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition }]);
            said(&policy, "s3:GetObject", "arn:aws:s3:::b/k")
        };
        let key = "lambda:SourceFunctionArn";
        assert_eq!(
            allow(json!({ "ArnLike": { key: "arn:aws:lambda:*:*:function:dkr-*" } })),
            PolicyVerdict::Allowed
        );
        assert_eq!(
            allow(json!({ "ArnEquals": { key: ["arn:aws:lambda:*:*:function:other"] } })),
            PolicyVerdict::NotAllowed
        );
        assert_eq!(
            allow(json!({ "StringEquals": { key: "arn:*" } })),
            PolicyVerdict::NotAllowed,
            "no wildcard there"
        );
        assert_eq!(
            allow(json!({ "Null": { key: "false" } })),
            PolicyVerdict::Allowed
        );
        assert_eq!(
            allow(json!({ "Null": { key: true } })),
            PolicyVerdict::NotAllowed
        );
        assert_eq!(
            allow(json!({ "Null": { "aws:TokenIssueTime": "true" } })),
            PolicyVerdict::NotAllowed
        );
        assert_eq!(
            allow(json!({ "IpAddress": { "aws:SourceIp": "0.0.0.0/0" } })),
            PolicyVerdict::NotAllowed
        );
        assert_eq!(
            allow(json!({ "StringNotEquals": { "aws:PrincipalTag/team": "x" } })),
            PolicyVerdict::NotAllowed
        );
        let deny = json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": { "Bool": { "aws:SecureTransport": "false" } } },
        ]);
        assert_eq!(
            said(&deny, "s3:GetObject", "arn:aws:s3:::b/k"),
            PolicyVerdict::Denied
        );
    }

    #[test]
    fn what_cannot_be_read_gives_no_right() {
        for statement in [
            json!({ "Effect": "Allow", "Action": "*" }),
            json!({ "Effect": "allow", "Action": "*", "Resource": "*" }),
            json!({ "Effect": "Allow", "Action": [1], "Resource": "*" }),
            json!({ "Effect": "Allow", "Action": [], "Resource": "*" }),
            json!("*"),
        ] {
            assert_eq!(
                said(&statement, "s3:GetObject", "arn:aws:s3:::b/k"),
                PolicyVerdict::NotAllowed,
                "{statement}"
            );
        }
        assert_eq!(
            verdict(&[Policy::read("{")], "s3:GetObject", "x", CONTEXT),
            PolicyVerdict::NotAllowed
        );
        let deny = json!([
            { "Effect": "Allow", "Action": "*", "Resource": "*" },
            { "Effect": "Deny", "Action": "*" },
        ]);
        assert_eq!(
            said(&deny, "s3:GetObject", "arn:aws:s3:::b/k"),
            PolicyVerdict::Denied
        );
    }
}
