//! Tokens of a file (RFC 6750).
//!
//! They are known by keyed digests: finding one tells nothing by its time.

use super::digest::{Digest, Keyed, basis};
use super::query::One;
use super::request::AccessRequest;
use super::verdict::{Check, Verdict};
use crate::config::{BearerAccess, NamedSecret};
use crate::metrics::DenyReason;
use crate::quotas::{Grant, User};
use std::collections::HashMap;

/// The tokens of a file.
pub(super) struct Bearer {
    keyed: Keyed,
    grants: HashMap<Digest, Grant>,
}

impl Bearer {
    pub(super) fn new(access: &BearerAccess) -> Self {
        let keyed = Keyed::new();
        let entries = access.tokens.entries.iter();
        let grants = entries.map(|token| (keyed.digest(&[token.secret.0.as_bytes()]), grant_of(token)));
        Self {
            grants: grants.collect(),
            keyed,
        }
    }

    /// What grants may rest on.
    pub(super) fn bases(&self) -> impl Iterator<Item = Digest> {
        self.grants.values().map(|grant| grant.basis)
    }

    pub(super) fn check(&self, request: &AccessRequest<'_>) -> Check {
        let token = match request.authorization("Bearer") {
            One::Value(token) => token,
            One::None => return Check::denied(DenyReason::Missing),
            One::Many => return Check::denied(DenyReason::Invalid),
        };
        match self.grants.get(&self.keyed.digest(&[token.as_bytes()])) {
            Some(grant) => Check::Now(Verdict::Granted(grant.clone())),
            None => Check::denied(DenyReason::Invalid),
        }
    }
}

fn grant_of(token: &NamedSecret) -> Grant {
    Grant {
        basis: basis(&[b"bearer", token.name.as_bytes(), token.secret.0.as_bytes()]),
        user: Some(User {
            kind: "bearer",
            name: token.name.as_str().into(),
        }),
        expires: None,
        further: Vec::new(),
    }
}
