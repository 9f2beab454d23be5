//! What let a client in: who its user is, by what, and until when.

use std::fmt;
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
