//! What let a client in: who its user is, by what, and until when.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// What let a client in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Names what it rests on (this user with this password, this token, these keys), and says nothing
    /// of it: after a reload, a grant holds if what is in force still has that.
    pub basis: [u8; 32],
    /// `None`: not known.
    pub user: Option<User>,
    /// `None`: for as long as its basis is there.
    pub expires: Option<SystemTime>,
    /// What let it in to further sources, where it reads several.
    pub further: Vec<Grant>,
}

impl Grant {
    /// All of these as one, which expires with the first of them. `None`: there is none.
    pub fn all(grants: Vec<Arc<Self>>) -> Option<Arc<Self>> {
        let mut grants = grants.into_iter();
        let first = grants.next()?;
        let mut further: Vec<Self> = grants.map(|grant| Self::clone(&grant)).collect();
        further.retain(|grant| *grant != *first);
        if further.is_empty() {
            return Some(first);
        }
        let expires = further.iter().filter_map(|grant| grant.expires);
        Some(Arc::new(Self {
            expires: first.expires.into_iter().chain(expires).min(),
            further,
            ..Self::clone(&first)
        }))
    }

    /// Whether what it, or one that it holds, rests on is still there.
    pub fn rests_on(&self, is_there: &impl Fn(&[u8; 32]) -> bool) -> bool {
        is_there(&self.basis) || self.further.iter().any(|grant| grant.rests_on(is_there))
    }
}

/// A user, as what let it in calls it: the same name from two kinds of credentials is two users.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// `basic`, `bearer`, `jwt`, `signed` or `ask`.
    pub kind: &'static str,
    /// Its name there.
    pub name: Box<str>,
}

impl User {
    /// What there is as `kind`.
    pub const KINDS: [&'static str; 5] = ["basic", "bearer", "jwt", "signed", "ask"];
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}
