//! Which environment a request comes from, whether it is allowed, and how often it was not.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use parking_lot::RwLock;

use super::caller::{Caller, Credentials};
use super::names::OwnNames;
use super::policy::{self, PolicyVerdict};
use super::question::Question;
use crate::ACCOUNT_ID;
use crate::iam::Iam;
use crate::keys::{Keys, random_pair, random_text};
use crate::lambda::environment::FunctionSpec;

/// Different calls that are counted for one function; a handler can make up names without end.
const COUNTED: usize = 64;

/// Characters of a secret, as AWS's have them.
const SECRET_LENGTH: usize = 40;

/// Longest name of an action or a resource that is kept, characters.
const KEPT: usize = 256;

/// Keys that environments were given, the policies that hold for them, and what was refused. Cheap
/// to clone.
#[derive(Clone)]
pub struct Access {
    iam: Iam,
    keys: Arc<Keys>,
    /// By access key.
    callers: Callers,
    /// By function: the names that its code is held to.
    own_names: Arc<RwLock<BTreeMap<String, Arc<OwnNames>>>>,
    refused: Arc<Mutex<Refused>>,
}

type Callers = Arc<Mutex<HashMap<String, Arc<Caller>>>>;

/// By function and action: how often, and the resource asked for first.
type Refused = BTreeMap<(String, String), (u64, String)>;

/// The keys of one environment, good for as long as this is kept.
pub struct Lease {
    pub credentials: Credentials,
    pub caller: Arc<Caller>,
    access: Access,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.access.keys.forget(&self.credentials.access_key_id);
        self.access
            .callers()
            .remove(&self.credentials.access_key_id);
    }
}

/// Calls of a function's code that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function's name.
    pub function: String,
    /// As IAM names it: `lambda:CreateFunction`.
    pub action: String,
    /// The ARN that the first of them was about.
    pub resource: String,
    pub calls: u64,
}

impl Access {
    pub(crate) fn new(iam: Iam, keys: Arc<Keys>) -> Self {
        Self {
            iam,
            keys,
            callers: Arc::default(),
            own_names: Arc::default(),
            refused: Arc::default(),
        }
    }

    /// Holds a function's code to names of its own, beside those that its events tell.
    pub(crate) fn hold_to(&self, function: &str, names: OwnNames) {
        self.own_names
            .write()
            .insert(function.to_owned(), Arc::new(names));
    }

    /// Returns the names that a function's code is held to; `None` if it may use any.
    pub(crate) fn own_names(&self, function: &str) -> Option<Arc<OwnNames>> {
        self.own_names.read().get(function).cloned()
    }

    /// Tells whether an object is the output of a function other than this one.
    pub(crate) fn is_of_another(&self, function: &str, key: &str) -> bool {
        self.own_names
            .read()
            .iter()
            .any(|(name, names)| name != function && names.hold(key))
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<String, Arc<Caller>>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an environment of the function keys of its own, in the shape of AWS's temporary ones.
    pub(crate) fn issue(&self, spec: &FunctionSpec) -> Lease {
        let (access_key_id, mut secret_access_key) = random_pair("ASIA");
        secret_access_key.truncate(SECRET_LENGTH);
        let credentials = Credentials {
            access_key_id,
            secret_access_key,
            session_token: random_text(),
        };
        let caller = Arc::new(Caller {
            function_arn: spec.arn.clone(),
            function_name: spec.name.clone(),
            role_arn: spec.role_arn.clone(),
            work: Mutex::default(),
            has_answered: AtomicBool::new(false),
        });
        self.keys
            .admit(&credentials.access_key_id, &credentials.secret_access_key);
        self.callers()
            .insert(credentials.access_key_id.clone(), Arc::clone(&caller));
        Lease {
            credentials,
            caller,
            access: self.clone(),
        }
    }

    /// Returns whose environment was given this access key.
    pub(crate) fn caller(&self, access_key_id: &str) -> Option<Arc<Caller>> {
        self.callers().get(access_key_id).cloned()
    }

    /// Judges a call, and counts it if it is refused; the error is AWS's message.
    pub(crate) fn judge(&self, caller: &Caller, asked: &Question) -> Result<(), String> {
        self.allows(caller, asked)
            .inspect_err(|_| self.count(caller, asked))
    }

    /// Returns whether a call would be allowed, and counts nothing.
    pub(crate) fn allows(&self, caller: &Caller, asked: &Question) -> Result<(), String> {
        let Some(policies) = self.iam.policies(&caller.role_arn) else {
            return Ok(());
        };
        let context = [
            ("lambda:SourceFunctionArn", caller.function_arn.as_str()),
            ("aws:PrincipalArn", caller.role_arn.as_str()),
            ("aws:PrincipalAccount", ACCOUNT_ID),
        ];
        let (why, policy) =
            match policy::verdict(&policies, &asked.action, &asked.resource, &context) {
                PolicyVerdict::Allowed if !asked.writes_a_functions_log() => return Ok(()),
                // Lambda itself writes it, and what it writes is read as its word.
                PolicyVerdict::Allowed => ("with an explicit deny", "the local cloud".to_owned()),
                PolicyVerdict::Denied => (
                    "with an explicit deny",
                    "an identity-based policy".to_owned(),
                ),
                PolicyVerdict::NotAllowed => {
                    let why = "because no identity-based policy allows";
                    return Err(
                        caller.denial_message(asked, &format!("{why} the {} action", asked.action))
                    );
                }
            };
        Err(caller.denial_message(asked, &format!("{why} in {policy}")))
    }

    /// Counts a call that was refused elsewhere on the same grounds.
    pub(crate) fn count(&self, caller: &Caller, asked: &Question) {
        // A handler chooses them, and people read them.
        let shown = |letter: char| {
            if letter.is_ascii_graphic() || letter == ' ' {
                letter
            } else {
                '?'
            }
        };
        let short = |text: &str| text.chars().take(KEPT).map(shown).collect::<String>();
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let of_function = refused
            .keys()
            .filter(|(function, _)| *function == caller.function_name)
            .count();
        let mut key = (caller.function_name.clone(), short(&asked.action));
        if of_function >= COUNTED && !refused.contains_key(&key) {
            "others".clone_into(&mut key.1);
        }
        refused
            .entry(key)
            .or_insert_with(|| (0, short(&asked.resource)))
            .0 += 1;
    }

    /// Returns what was refused since the last time, and forgets it.
    pub fn take_refusals(&self) -> Vec<Refusal> {
        let refused =
            std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let refusal = |((function, action), (calls, resource))| Refusal {
            function,
            action,
            resource,
            calls,
        };
        refused.into_iter().map(refusal).collect()
    }
}
