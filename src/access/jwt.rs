//! Tokens that someone else signs (RFC 7519, 7515; RFC 8725 on what goes wrong with them).
//!
//! A token says by which key and algorithm it was signed. The key is looked up, and must be for that
//! algorithm by its own form; what the token brings or names as a key (`jwk`, `jku`, `x5u`) is not
//! looked at.

use super::claims::Claims;
use super::denial::Denial;
use super::digest::{Digest, basis};
use super::jwks::Jwks;
use super::key_keeper::KeyKeeper;
use super::key_set::{Found, Key, KeySet, named};
use super::query::One;
use super::request::AccessRequest;
use super::verdict::{Check, Verdict};
use crate::config::{JwtAccess, JwtAlgorithm, Target};
use crate::metrics::DenyReason;
use crate::quotas::{Grant, User};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde_json::{Map, Value as Json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Longest token that is looked at, in bytes: more fits into no cookie, and into few headers.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Key IDs that were looked for in vain and are remembered.
const ABSENT_MAX: usize = 256;

/// Tokens, and the keys that verify them.
pub(super) struct Jwt(Arc<Inner>);

struct Inner {
    access: JwtAccess,
    keys: Keys,
    basis: Digest,
}

enum Keys {
    /// `None`: the file's key can't be used, which was told when it was read.
    Fixed(Option<Arc<KeySet>>),
    Fetched {
        keeper: KeyKeeper,
        /// IDs that a fetch after they were named has not brought.
        absent: Mutex<HashSet<String>>,
    },
}

/// Why a token is not good.
enum Bad {
    Denied(DenyReason),
    /// There are no keys.
    NoKeys,
    /// It names this key, which is not here.
    Unknown(String),
}

impl Jwt {
    pub(super) fn new(source: &str, access: &JwtAccess) -> Self {
        let keys = match (&access.jwks, &access.key) {
            (Some(upstream), _) => Keys::Fetched {
                keeper: KeyKeeper::start(Jwks {
                    source: source.to_owned(),
                    upstream: upstream.clone(),
                }),
                absent: Mutex::default(),
            },
            (None, key) => Keys::Fixed(key.as_ref().and_then(KeySet::of_file).map(Arc::new)),
        };
        Self(Arc::new(Inner {
            keys,
            basis: basis_of(access),
            access: access.clone(),
        }))
    }

    pub(super) fn basis(&self) -> Digest {
        self.0.basis
    }

    pub(super) fn check(&self, request: &AccessRequest<'_>) -> Check {
        let (tokens, mut denial) = self.0.tokens(request);
        let mut waiting = Vec::new();
        for token in tokens {
            match self.0.decide(&token) {
                Ok(grant) => return Check::Now(Verdict::Granted(grant)),
                Err(Bad::Denied(reason)) => denial = denial.or(Denial::new(reason)),
                Err(Bad::NoKeys | Bad::Unknown(_)) => waiting.push(token),
            }
        }
        if waiting.is_empty() {
            return Check::Now(Verdict::Denied(denial));
        }
        let inner = self.0.clone();
        Check::Later(Box::pin(async move {
            for token in waiting {
                match inner.decide_again(&token).await {
                    Ok(grant) => return Verdict::Granted(grant),
                    Err(reason) => denial = denial.or(Denial::new(reason)),
                }
            }
            Verdict::Denied(denial)
        }))
    }
}

impl Inner {
    /// The tokens that a request brings: three at most. And what is to be said if none is good.
    fn tokens(&self, request: &AccessRequest<'_>) -> (Vec<String>, Denial) {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_default();
        let owned = |token: One<&str>| match token {
            One::Value(token) => One::Value(token.to_owned()),
            One::None => One::None,
            One::Many => One::Many,
        };
        let header = owned(request.authorization("Bearer"));
        let cookie = self.access.cookie.as_ref().map(|name| owned(request.cookie(name)));
        let query = self.access.query.as_ref().map(|name| match request.parameter(name) {
            One::Value(token) => One::Value(text(token)),
            One::None => One::None,
            One::Many => One::Many,
        });
        let (mut tokens, mut denial) = (Vec::new(), Denial::new(DenyReason::Missing));
        for found in [Some(header), cookie, query].into_iter().flatten() {
            match found {
                One::Value(token) => tokens.push(token),
                One::None => {}
                One::Many => denial = denial.or(Denial::new(DenyReason::Invalid)),
            }
        }
        (tokens, denial)
    }

    /// Decides by the keys that are here.
    fn decide(&self, token: &str) -> Result<Grant, Bad> {
        let header = readable(token).ok_or(Bad::Denied(DenyReason::Invalid))?;
        let algorithm = self.algorithm(&header).ok_or(Bad::Denied(DenyReason::Invalid))?;
        let keys = match &self.keys {
            Keys::Fixed(keys) => keys.clone(),
            Keys::Fetched { keeper, .. } => keeper.keys(),
        };
        let keys = keys.ok_or(Bad::NoKeys)?;
        match (keys.find(header.kid.as_deref(), algorithm), header.kid) {
            (Found::Keys(keys), _) => self.verify(token, &keys).map_err(Bad::Denied),
            (Found::UnknownId, kid) => Err(Bad::Unknown(kid.unwrap_or_default())),
        }
    }

    /// Decides once the keys were fetched, if they may be.
    async fn decide_again(&self, token: &str) -> Result<Grant, DenyReason> {
        let Keys::Fetched { keeper, absent } = &self.keys else {
            return Err(DenyReason::NoKeys);
        };
        let absent = || absent.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the keys are: what comes in between is looked at, and not fetched again.
        let (seen, before) = (keeper.attempts(), keeper.fetched());
        match self.decide(token) {
            Ok(grant) => return Ok(grant),
            Err(Bad::Denied(reason)) => return Err(reason),
            Err(Bad::Unknown(_) | Bad::NoKeys) => {}
        }
        match keeper.fetch_again(seen) {
            Some(fetched) => fetched.await,
            // One that was not looked for yet may be there: the next fetch tells.
            None => {
                return match self.decide(token) {
                    Ok(grant) => Ok(grant),
                    Err(Bad::Denied(reason)) => Err(reason),
                    Err(Bad::Unknown(id)) if absent().contains(&id) => Err(DenyReason::UnknownKey),
                    Err(Bad::Unknown(_) | Bad::NoKeys) => Err(DenyReason::NoKeys),
                };
            }
        }
        match self.decide(token) {
            Ok(grant) => Ok(grant),
            Err(Bad::Denied(reason)) => Err(reason),
            Err(Bad::NoKeys) => Err(DenyReason::NoKeys),
            // The fetch has failed.
            Err(Bad::Unknown(_)) if keeper.fetched() == before => Err(DenyReason::NoKeys),
            Err(Bad::Unknown(id)) => {
                let mut absent = absent();
                if absent.len() >= ABSENT_MAX {
                    absent.clear();
                }
                absent.insert(id);
                Err(DenyReason::UnknownKey)
            }
        }
    }

    /// The token's algorithm, if it is one that is taken.
    fn algorithm(&self, header: &Header) -> Option<JwtAlgorithm> {
        let taken = self.access.algorithms.iter();
        taken.copied().find(|&algorithm| named(algorithm) == header.alg)
    }

    fn verify(&self, token: &str, keys: &[&Key]) -> Result<Grant, DenyReason> {
        let mut reason = DenyReason::Invalid;
        for key in keys {
            match decode::<Map<String, Json>>(token, &key.decoding, &self.validation(key.algorithm)) {
                Ok(verified) => return self.grant(Claims(verified.claims)),
                Err(error) => match reason_of(error.kind()) {
                    DenyReason::Invalid => {}
                    other => reason = other,
                },
            }
        }
        Err(reason)
    }

    fn validation(&self, algorithm: JwtAlgorithm) -> Validation {
        let mut validation = Validation::new(named(algorithm));
        let mut required = vec!["exp"];
        validation.leeway = self.access.leeway.as_secs();
        validation.validate_nbf = true;
        if !self.access.audience.is_empty() {
            validation.set_audience(&self.access.audience);
            required.push("aud");
        }
        if !self.access.issuer.is_empty() {
            validation.set_issuer(&self.access.issuer);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }

    fn grant(&self, claims: Claims) -> Result<Grant, DenyReason> {
        let expires = claims.expires(self.access.leeway).ok_or(DenyReason::Invalid)?;
        if expires <= SystemTime::now() {
            return Err(DenyReason::Expired);
        }
        if !claims.have(&self.access.claims) {
            return Err(DenyReason::Insufficient);
        }
        let user = claims.user(&self.access.user_claim);
        Ok(Grant {
            basis: self.basis,
            user: user.map(|name| User { kind: "jwt", name }),
            expires: Some(expires),
            further: Vec::new(),
        })
    }
}

/// The header of what can be a token.
fn readable(token: &str) -> Option<Header> {
    let header = (token.len() <= TOKEN_BYTES_MAX)
        .then(|| decode_header(token).ok())
        .flatten()?;
    // RFC 7515, 4.1.11: what has to be understood, and is not.
    header.crit.is_none().then_some(header)
}

fn reason_of(kind: &ErrorKind) -> DenyReason {
    match kind {
        ErrorKind::ExpiredSignature => DenyReason::Expired,
        ErrorKind::ImmatureSignature => DenyReason::NotYet,
        ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => DenyReason::Audience,
        ErrorKind::MissingRequiredClaim(claim) if claim != "exp" => DenyReason::Audience,
        _ => DenyReason::Invalid,
    }
}

/// What lets in, and on which terms: a grant rests on all of it.
fn basis_of(access: &JwtAccess) -> Digest {
    let (url, key) = (access.jwks.as_ref(), access.key.as_ref());
    let url = match url.map(|url| &url.target) {
        Some(Target::Urls(urls)) => urls.concat(),
        _ => String::new(),
    };
    let key = key.map_or("", |key| &key.material.0);
    let terms = format!(
        "{:?}",
        (
            &access.algorithms,
            &access.issuer,
            &access.audience,
            &access.claims,
            &access.user_claim
        )
    );
    basis(&[b"jwt", url.as_bytes(), key.as_bytes(), terms.as_bytes()])
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
