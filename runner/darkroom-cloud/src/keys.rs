//! Access keys and their secrets: who may sign requests.
//!
//! An open local cloud accepts every access key whose secret equals it, such as `test` and `test`.
//! Anyone who reaches the port can then sign, even a page in a browser. A cloud with a secret
//! accepts only those who know it.

use std::collections::BTreeMap;
use std::fmt;

use parking_lot::RwLock;

/// The access keys that are let in. Keys come and go while the cloud runs.
pub struct Keys {
    secrets: RwLock<BTreeMap<String, String>>,
    open: bool,
}

/// Says how many there are, and never a secret.
impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Keys")
            .field("open", &self.open)
            .field("listed", &self.secrets.read().len())
            .finish()
    }
}

impl Keys {
    /// Lets in these keys, and every other with itself for a secret.
    pub fn open<const N: usize>(listed: [(&str, &str); N]) -> Self {
        Self::of(listed, true)
    }

    /// Lets in these keys and no other.
    pub fn closed<const N: usize>(listed: [(&str, &str); N]) -> Self {
        Self::of(listed, false)
    }

    fn of<const N: usize>(listed: [(&str, &str); N], open: bool) -> Self {
        let secrets = listed
            .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
            .into();
        Self {
            secrets: RwLock::new(secrets),
            open,
        }
    }

    /// Returns the secret of an access key that is let in.
    pub fn secret(&self, id: &str) -> Option<String> {
        let listed = self.secrets.read().get(id).cloned();
        listed.or_else(|| self.open.then(|| id.to_owned()))
    }

    /// Lets a key in from now on.
    pub fn admit(&self, id: &str, secret: &str) {
        self.secrets
            .write()
            .insert(id.to_owned(), secret.to_owned());
    }

    /// Lets it in no longer.
    pub fn forget(&self, id: &str) {
        self.secrets.write().remove(id);
    }
}

/// Characters of an access key, as AWS's have them.
const KEY_LENGTH: usize = 20;

/// Makes an access key that begins so, and a secret, which nobody can guess.
pub fn random_pair(prefix: &str) -> (String, String) {
    let random = random_text().to_ascii_uppercase();
    (
        format!("{prefix}{}", &random[..KEY_LENGTH - prefix.len()]),
        random_text(),
    )
}

/// 64 characters that nobody can guess.
pub fn random_text() -> String {
    let random = || uuid::Uuid::new_v4().simple();
    format!("{}{}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_cloud_lets_in_whom_it_was_given_to() {
        let keys = Keys::closed([("a", "secret")]);
        assert_eq!(keys.secret("a").as_deref(), Some("secret"));
        assert_eq!(keys.secret("test"), None);
        keys.admit("b", "other");
        assert_eq!(keys.secret("b").as_deref(), Some("other"));
        keys.forget("b");
        assert_eq!(keys.secret("b"), None);
        assert!(!format!("{keys:?}").contains("secret"));
    }

    #[test]
    fn an_open_one_lets_in_everybody() {
        let keys = Keys::open([("a", "secret")]);
        assert_eq!(
            (keys.secret("a"), keys.secret("test")),
            (Some("secret".into()), Some("test".into()))
        );
    }

    #[test]
    fn no_two_pairs_are_alike() {
        let (one, other) = (random_pair("LOCAL"), random_pair("LOCAL"));
        assert!(one.0 != other.0 && one.1 != other.1 && one.1.len() == 64 && one.0.len() == 20);
    }
}
