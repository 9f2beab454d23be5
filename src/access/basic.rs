//! Users with passwords (RFC 7617).
//!
//! A name that is not known costs as much as one that is: its password is checked against a hash of
//! some user's, and is wrong whatever comes out.

use super::cache::Cache;
use super::denial::Denial;
use super::digest::{Digest, Keyed, basis};
use super::hashing::{Busy, Hashing};
use super::query::One;
use super::request::AccessRequest;
use super::verdict::{Check, Verdict};
use crate::config::{BasicAccess, NamedSecret};
use crate::metrics::DenyReason;
use crate::quotas::{Grant, User};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Users whose password was checked a moment ago; and passwords that were found wrong.
const RIGHT_MAX: usize = 8192;
const WRONG_MAX: usize = 1024;
/// A right password stays right while its hash is in force; that it is checked anew now and then
/// only bounds how long a digest of it is kept.
const RIGHT_KEPT: Duration = Duration::from_secs(15 * 60);
const WRONG_KEPT: Duration = Duration::from_secs(60);

/// Longest user name and password together, in bytes: nothing that a person keeps is longer.
const USERPASS_BYTES_MAX: usize = 1024;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The users of a file.
pub(super) struct Basic(Arc<Users>);

struct Users {
    users: Vec<NamedSecret>,
    by_name: HashMap<String, usize>,
    keyed: Keyed,
    right: Cache<()>,
    wrong: Cache<()>,
    /// Being checked.
    checks: Cache<Result<bool, Busy>>,
    hashing: Arc<Hashing>,
}

/// What a request claims.
struct Claimed {
    name: String,
    password: String,
}

impl Basic {
    pub(super) fn new(access: &BasicAccess, hashing: Arc<Hashing>) -> Self {
        let users = access.users.entries.to_vec();
        let by_name = users.iter().enumerate();
        Self(Arc::new(Users {
            by_name: by_name.map(|(at, user)| (user.name.clone(), at)).collect(),
            users,
            keyed: Keyed::new(),
            right: Cache::new(RIGHT_MAX),
            wrong: Cache::new(WRONG_MAX),
            checks: Cache::new(0),
            hashing,
        }))
    }

    /// What grants may rest on.
    pub(super) fn bases(&self) -> impl Iterator<Item = Digest> {
        self.0.users.iter().map(basis_of)
    }

    pub(super) fn check(&self, request: &AccessRequest<'_>) -> Check {
        let claimed = match request.authorization("Basic") {
            One::Value(text) => claimed(text),
            One::None => return Check::denied(DenyReason::Missing),
            One::Many => None,
        };
        let Some(claimed) = claimed else {
            return Check::denied(DenyReason::Invalid);
        };
        let Some((known, user)) = self.0.find(&claimed.name) else {
            return Check::denied(DenyReason::Invalid);
        };
        let question = self.0.question(&claimed, user);
        if self.0.wrong.get(&question).is_some() {
            return Check::denied(DenyReason::Invalid);
        }
        if self.0.right.get(&question).is_some() {
            return Check::Now(verdict(known, user));
        }
        let (users, user) = (self.0.clone(), user.clone());
        Check::Later(Box::pin(async move {
            match users.verify(question, claimed, known, &user).await {
                Ok(true) => verdict(known, &user),
                Ok(false) => Verdict::Denied(Denial::new(DenyReason::Invalid)),
                Err(Busy) => Verdict::Denied(Denial::new(DenyReason::Busy)),
            }
        }))
    }
}

impl Users {
    /// The user of this name, and whether there is one: else some other, always the same one for a
    /// name. `None`: there are no users at all.
    fn find(&self, name: &str) -> Option<(bool, &NamedSecret)> {
        // Made for known names too.
        let digest = self.keyed.digest(&[b"name", name.as_bytes()]);
        let stand_in = u64::from_be_bytes(digest[..8].try_into().ok()?) % (self.users.len().max(1) as u64);
        let found = self.by_name.get(name).copied();
        let user = self.users.get(found.unwrap_or(stand_in as usize))?;
        Some((found.is_some(), user))
    }

    /// What is asked. The hash is part of it, so that a new one is a new question.
    fn question(&self, claimed: &Claimed, user: &NamedSecret) -> Digest {
        let parts = [&claimed.name, &claimed.password, &user.secret.0];
        self.keyed.digest(&parts.map(|part| part.as_bytes()))
    }

    async fn verify(&self, question: Digest, claimed: Claimed, known: bool, user: &NamedSecret) -> Result<bool, Busy> {
        let verify = async {
            let right = self.hashing.verify(claimed.password, user.secret.0.clone()).await? && known;
            match right {
                true => self.right.put(question, (), RIGHT_KEPT),
                false => self.wrong.put(question, (), WRONG_KEPT),
            }
            Ok(right)
        };
        self.checks.ask(question, verify).await
    }
}

fn verdict(known: bool, user: &NamedSecret) -> Verdict {
    match known {
        true => Verdict::Granted(Grant {
            basis: basis_of(user),
            user: Some(User {
                kind: "basic",
                name: user.name.as_str().into(),
            }),
            expires: None,
            further: Vec::new(),
        }),
        false => Verdict::Denied(Denial::new(DenyReason::Invalid)),
    }
}

fn basis_of(user: &NamedSecret) -> Digest {
    basis(&[b"basic", user.name.as_bytes(), user.secret.0.as_bytes()])
}

/// RFC 7617, 2: base64 of `name:password`, in UTF-8 (2.1), without control characters.
fn claimed(text: &str) -> Option<Claimed> {
    if text.len() > USERPASS_BYTES_MAX * 4 / 3 + 4 {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    let is_fit = decoded.len() <= USERPASS_BYTES_MAX && !decoded.chars().any(char::is_control);
    is_fit.then(|| Claimed {
        name: name.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_read_as_the_standard_says() {
        let of = |text: &str| claimed(&BASE64.encode(text)).map(|claimed| (claimed.name, claimed.password));
        let both = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        assert_eq!(of("Aladdin:open sesame"), both("Aladdin", "open sesame"));
        assert_eq!(of("a:b:c"), both("a", "b:c"));
        assert_eq!(of("ü:€"), both("ü", "€"));
        assert_eq!(of(":"), both("", ""));
        for wrong in ["", "a", "a:\0", "a\nb:c", &format!("a:{}", "x".repeat(2000))] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
        assert!(claimed("???").is_none() && claimed("/w==").is_none());
    }
}
