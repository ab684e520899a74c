//! The part of IAM that a functions' role needs: roles, their inline policies, their tags.
//!
//! A role's policies say which calls its functions' code may make ([`crate::access`]). They are
//! parsed once, when the role changes. Managed policies are kept by name only, so a role that has
//! one limits nobody. One file holds all roles; every change writes it. Answers are IAM's documents
//! of the query protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::{Response, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ACCOUNT_ID;
use crate::access::Policy;
use crate::metrics::query;
use crate::server::wire::{self, Body, UNRESERVED};
use crate::xml::{Element, element, text};

const NAMESPACE: &str = "https://iam.amazonaws.com/doc/2010-05-08/";

/// All roles of the account.
#[derive(Clone)]
pub(crate) struct Iam {
    file: PathBuf,
    roles: Arc<Mutex<BTreeMap<String, Role>>>,
    /// What roles allow, by ARN. Roles that bind nobody are not in it.
    policies: Arc<RwLock<BTreeMap<String, Arc<[Policy]>>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Role {
    id: String,
    path: String,
    created: String,
    trust: String,
    description: String,
    max_session_s: u32,
    tags: BTreeMap<String, String>,
    policies: BTreeMap<String, String>,
    #[serde(default)]
    attached: BTreeMap<String, String>,
}

/// A refusal in IAM's form.
struct IamFault {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl IamFault {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    fn no_role(name: &str) -> Self {
        let message = format!("The role with name {name} cannot be found.");
        Self::new(StatusCode::NOT_FOUND, "NoSuchEntity", message)
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationError", message)
    }
}

impl Iam {
    /// Reads what the folder holds, made if need be.
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join("roles.json");
        let roles = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let policies = Arc::new(RwLock::new(policies(&roles)));
        Ok(Self {
            file,
            roles: Arc::new(Mutex::new(roles)),
            policies,
        })
    }

    /// Returns the policies that functions with this role are held to; `None` if they are held to
    /// none: the role is not kept here, has no policy, or has managed ones, whose contents are not
    /// known.
    pub fn policies(&self, role_arn: &str) -> Option<Arc<[Policy]>> {
        self.policies
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(role_arn)
            .cloned()
    }

    /// Answers one request of the query protocol.
    pub fn answer(&self, body: &[u8]) -> Response<Body> {
        let (operation, request) = query::read(&String::from_utf8_lossy(body));
        let request_id = uuid::Uuid::new_v4().to_string();
        match self.call(&operation, &request) {
            Ok(result) => {
                let result = result.map(|elements| element(format!("{operation}Result"), elements));
                wire::with_type(
                    StatusCode::OK,
                    "text/xml",
                    query::answer(NAMESPACE, &operation, result, &request_id),
                )
            }
            Err(IamFault {
                status,
                code,
                message,
            }) => wire::with_type(
                status,
                "text/xml",
                query::error(NAMESPACE, code, &message, &request_id),
            ),
        }
    }

    /// Carries out one operation; `None` is an answer without a result.
    fn call(&self, operation: &str, request: &Value) -> Result<Option<Vec<Element>>, IamFault> {
        let mut roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner);
        if operation == "ListRoles" {
            return Ok(Some(listed(&roles, request)));
        }
        if !OPERATIONS.contains(&operation) {
            let message = format!(
                "The local cloud does not know {operation} of IAM: it supports only \
                    roles."
            );
            return Err(IamFault::new(
                StatusCode::BAD_REQUEST,
                "InvalidAction",
                message,
            ));
        }
        let name = needed(request, "RoleName")?.to_owned();
        if operation == "CreateRole" {
            let role = created(&name, request, needed(request, "AssumeRolePolicyDocument")?)?;
            if roles.contains_key(&name) {
                let message = format!("Role with name {name} already exists.");
                return Err(IamFault::new(
                    StatusCode::CONFLICT,
                    "EntityAlreadyExists",
                    message,
                ));
            }
            let answer = vec![element("Role", described(&name, &role, true))];
            roles.insert(name, role);
            self.write(&roles)?;
            return Ok(Some(answer));
        }
        let role = roles
            .get_mut(&name)
            .ok_or_else(|| IamFault::no_role(&name))?;
        if let Some(answer) = looked_up(operation, &name, role, request)? {
            return Ok(Some(answer));
        }
        if operation == "DeleteRole" {
            if !role.policies.is_empty() || !role.attached.is_empty() {
                let message = "Cannot delete entity, must delete policies first.";
                return Err(IamFault::new(
                    StatusCode::CONFLICT,
                    "DeleteConflict",
                    message,
                ));
            }
            roles.remove(&name);
        } else {
            change(operation, &name, role, request)?;
        }
        self.write(&roles)?;
        Ok(None)
    }

    fn write(&self, roles: &BTreeMap<String, Role>) -> Result<(), IamFault> {
        let failed = |error: std::io::Error| {
            IamFault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "ServiceFailure",
                format!("The roles cannot be written: {error}"),
            )
        };
        let next = self.file.with_extension("new");
        std::fs::write(
            &next,
            serde_json::to_vec(roles).map_err(|error| failed(error.into()))?,
        )
        .map_err(failed)?;
        std::fs::rename(&next, &self.file).map_err(failed)?;
        *self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner) = policies(roles);
        Ok(())
    }
}

fn policies(roles: &BTreeMap<String, Role>) -> BTreeMap<String, Arc<[Policy]>> {
    let judged = roles
        .iter()
        .filter(|(_, role)| !role.policies.is_empty() && role.attached.is_empty());
    let read = |role: &Role| {
        role.policies
            .values()
            .map(|text| Policy::read(text))
            .collect()
    };
    judged
        .map(|(name, role)| (arn(name, role), read(role)))
        .collect()
}

fn arn(name: &str, role: &Role) -> String {
    format!("arn:aws:iam::{ACCOUNT_ID}:role{}{name}", role.path)
}

/// What is known of roles, `ListRoles` apart.
const OPERATIONS: [&str; 15] = [
    "CreateRole",
    "GetRole",
    "DeleteRole",
    "PutRolePolicy",
    "GetRolePolicy",
    "DeleteRolePolicy",
    "ListRolePolicies",
    "ListAttachedRolePolicies",
    "AttachRolePolicy",
    "DetachRolePolicy",
    "TagRole",
    "UntagRole",
    "ListRoleTags",
    "UpdateAssumeRolePolicy",
    "ListInstanceProfilesForRole",
];

fn needed<'a>(request: &'a Value, name: &str) -> Result<&'a str, IamFault> {
    request.get(name).and_then(Value::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
        IamFault::invalid(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// Makes a list, of which everything is given.
fn list(name: &str, members: impl Iterator<Item = Element>) -> Vec<Element> {
    vec![text("IsTruncated", "false"), element(name, members)]
}

fn listed(roles: &BTreeMap<String, Role>, request: &Value) -> Vec<Element> {
    let prefix = request
        .get("PathPrefix")
        .and_then(Value::as_str)
        .unwrap_or("/");
    let under = roles
        .iter()
        .filter(|(_, role)| role.path.starts_with(prefix));
    list(
        "Roles",
        under.map(|(name, role)| element("member", described(name, role, false))),
    )
}

/// Answers the operations that change nothing; `None` for the others.
fn looked_up(
    operation: &str,
    name: &str,
    role: &Role,
    request: &Value,
) -> Result<Option<Vec<Element>>, IamFault> {
    Ok(Some(match operation {
        "GetRole" => vec![element("Role", described(name, role, true))],
        "ListRoleTags" => list("Tags", tags_of(role)),
        "ListInstanceProfilesForRole" => list("InstanceProfiles", std::iter::empty()),
        "ListRolePolicies" => list(
            "PolicyNames",
            role.policies
                .keys()
                .map(|name| text("member", name.as_str())),
        ),
        "ListAttachedRolePolicies" => {
            let attached = |(arn, name): (&String, &String)| {
                element(
                    "member",
                    [
                        text("PolicyName", name.as_str()),
                        text("PolicyArn", arn.as_str()),
                    ],
                )
            };
            list("AttachedPolicies", role.attached.iter().map(attached))
        }
        "GetRolePolicy" => {
            let policy = needed(request, "PolicyName")?;
            let document = role
                .policies
                .get(policy)
                .ok_or_else(|| no_policy(name, policy))?;
            vec![
                text("RoleName", name),
                text("PolicyName", policy),
                text("PolicyDocument", encoded(document)),
            ]
        }
        _ => return Ok(None),
    }))
}

fn change(operation: &str, name: &str, role: &mut Role, request: &Value) -> Result<(), IamFault> {
    match operation {
        "PutRolePolicy" => {
            let text = json(needed(request, "PolicyDocument")?)?;
            role.policies
                .insert(needed(request, "PolicyName")?.to_owned(), text);
        }
        "DeleteRolePolicy" => {
            let policy = needed(request, "PolicyName")?;
            role.policies
                .remove(policy)
                .ok_or_else(|| no_policy(name, policy))?;
        }
        "AttachRolePolicy" => {
            let arn = needed(request, "PolicyArn")?;
            let short = arn.rsplit('/').next().unwrap_or(arn);
            role.attached.insert(arn.to_owned(), short.to_owned());
        }
        "DetachRolePolicy" => {
            let arn = needed(request, "PolicyArn")?;
            role.attached
                .remove(arn)
                .ok_or_else(|| no_policy(name, arn))?;
        }
        "UntagRole" => {
            let keys = request
                .get("TagKeys")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            keys.filter_map(Value::as_str).for_each(|key| {
                role.tags.remove(key);
            });
        }
        "UpdateAssumeRolePolicy" => role.trust = json(needed(request, "PolicyDocument")?)?,
        _ => role.tags.extend(tags(request)), // TagRole
    }
    Ok(())
}

fn no_policy(role: &str, policy: &str) -> IamFault {
    let message = format!("The role policy with name {policy} cannot be found for role {role}.");
    IamFault::new(StatusCode::NOT_FOUND, "NoSuchEntity", message)
}

fn created(name: &str, request: &Value, trust: &str) -> Result<Role, IamFault> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "+=,.@_-".contains(letter);
    if name.len() > 64 || !name.chars().all(allowed) {
        return Err(IamFault::invalid(format!(
            "The specified value for roleName is invalid: {name}"
        )));
    }
    let text = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
    Ok(Role {
        id: format!(
            "AROA{}",
            &uuid::Uuid::new_v4().simple().to_string().to_uppercase()[..17]
        ),
        path: text("Path").unwrap_or_else(|| "/".to_owned()),
        created: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        trust: json(trust)?,
        description: text("Description").unwrap_or_default(),
        max_session_s: text("MaxSessionDuration")
            .and_then(|value| value.parse().ok())
            .unwrap_or(3600),
        tags: tags(request),
        policies: BTreeMap::new(),
        attached: BTreeMap::new(),
    })
}

/// Returns a policy's text if it is JSON: IAM refuses any other.
fn json(text: &str) -> Result<String, IamFault> {
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.get("Statement").is_some() => Ok(text.to_owned()),
        Ok(_) => Err(IamFault::new(
            StatusCode::BAD_REQUEST,
            "MalformedPolicyDocument",
            "Missing required field Statement",
        )),
        Err(_) => Err(IamFault::new(
            StatusCode::BAD_REQUEST,
            "MalformedPolicyDocument",
            "This policy contains invalid Json",
        )),
    }
}

fn tags(request: &Value) -> BTreeMap<String, String> {
    let tags = request
        .get("Tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    tags.filter_map(|tag| {
        let text = |name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("Key")?, text("Value").unwrap_or_default()))
    })
    .collect()
}

fn described(name: &str, role: &Role, tagged: bool) -> Vec<Element> {
    let mut elements = vec![
        text("Path", role.path.as_str()),
        text("RoleName", name),
        text("RoleId", role.id.as_str()),
        text("Arn", arn(name, role)),
        text("CreateDate", role.created.as_str()),
        text("AssumeRolePolicyDocument", encoded(&role.trust)),
        text("MaxSessionDuration", role.max_session_s.to_string()),
    ];
    if !role.description.is_empty() {
        elements.push(text("Description", role.description.as_str()));
    }
    // ListRoles leaves tags out, as AWS's does.
    if tagged && !role.tags.is_empty() {
        elements.push(element("Tags", tags_of(role)));
    }
    elements
}

fn tags_of(role: &Role) -> impl Iterator<Item = Element> {
    role.tags.iter().map(|(key, value)| {
        element(
            "member",
            [text("Key", key.as_str()), text("Value", value.as_str())],
        )
    })
}

/// IAM gives policies back URL-encoded. Source: IAM API reference, `GetRolePolicy`.
fn encoded(policy: &str) -> String {
    utf8_percent_encode(policy, UNRESERVED).to_string()
}
