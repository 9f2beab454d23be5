//! URLs that someone has signed with one of the keys of a file.

use super::digest::{Digest, basis};
use super::query::One;
use super::request::AccessRequest;
use super::signing;
use super::verdict::{Check, Verdict};
use crate::config::SignedAccess;
use crate::metrics::DenyReason;
use crate::quotas::{Grant, User};
use aws_lc_rs::hmac;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The keys of a file.
pub(super) struct Signed {
    keys: HashMap<String, Key>,
    /// Verifies what names a key that is not there, so that it costs as much: nothing is signed by
    /// it.
    stand_in: Key,
}

struct Key {
    hmac: hmac::Key,
    basis: Digest,
}

impl Key {
    fn new(id: &str, bytes: &[u8]) -> Self {
        Self {
            hmac: hmac::Key::new(hmac::HMAC_SHA256, bytes),
            basis: basis(&[b"signed", id.as_bytes(), bytes]),
        }
    }
}

impl Signed {
    pub(super) fn new(access: &SignedAccess) -> Self {
        let keys = access.keys.entries.iter().filter_map(|key| {
            let bytes = SignedAccess::key_bytes(key)?;
            Some((key.name.clone(), Key::new(&key.name, &bytes)))
        });
        let mut random = [0; 32];
        getrandom::fill(&mut random).expect("the system gives random bytes once it has started");
        Self {
            keys: keys.collect(),
            stand_in: Key::new("", &random),
        }
    }

    /// What grants may rest on.
    pub(super) fn bases(&self) -> impl Iterator<Item = Digest> {
        self.keys.values().map(|key| key.basis)
    }

    pub(super) fn check(&self, request: &AccessRequest<'_>) -> Check {
        match self.decide(request, SystemTime::now()) {
            Ok(grant) => Check::Now(Verdict::Granted(grant)),
            Err(reason) => Check::denied(reason),
        }
    }

    fn decide(&self, request: &AccessRequest<'_>, now: SystemTime) -> Result<Grant, DenyReason> {
        let parameters = [signing::EXPIRES, signing::KEY, signing::SIGNATURE].map(|name| request.parameter(name));
        let [expires, key_id, signature] = match parameters {
            [One::Value(expires), One::Value(key_id), One::Value(signature)] => [expires, key_id, signature],
            // Without a signature the others may mean something else to someone else.
            [_, _, One::None] => return Err(DenyReason::Missing),
            _ => return Err(DenyReason::Invalid),
        };
        let read = (|| Some((signing::expires(&expires)?, String::from_utf8(key_id).ok()?)))();
        let (expires, key_id) = read.ok_or(DenyReason::Invalid)?;
        let signature = signing::signature(&signature).ok_or(DenyReason::Invalid)?;
        let text = signing::text(&request.path, expires, &key_id, request.query).ok_or(DenyReason::Invalid)?;
        let known = self.keys.get(&key_id);
        let key = known.unwrap_or(&self.stand_in);
        let is_signed = signing::is_signed(&key.hmac, &text, &signature);
        match (known.is_some(), is_signed) {
            (false, _) => return Err(DenyReason::UnknownKey),
            (true, false) => return Err(DenyReason::Invalid),
            (true, true) => {}
        }
        // A time that the clock can't name is never reached.
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(expires));
        if expires.is_some_and(|expires| expires <= now) {
            return Err(DenyReason::Expired);
        }
        Ok(Grant {
            basis: key.basis,
            user: Some(User {
                kind: "signed",
                name: key_id.into(),
            }),
            expires,
            further: Vec::new(),
        })
    }
}

#[cfg(test)]
#[path = "signed_tests.rs"]
mod tests;
