//! What stands before a source: its ways in, any of which lets in.

use super::ask::Ask;
use super::basic::Basic;
use super::bearer::Bearer;
use super::denial::Denial;
use super::digest::Digest;
use super::hashing::Hashing;
use super::jwt::Jwt;
use super::request::AccessRequest;
use super::signed::Signed;
use super::signing;
use super::verdict::{Check, Verdict};
use crate::config::Access;
use crate::metrics::{AccessMetrics, DenyReason};
use crate::quotas::Grant;
use hyper::header::HeaderValue;
use std::collections::HashSet;
use std::sync::Arc;

/// What stands before a source, or the admin.
pub struct Gate {
    name: Arc<str>,
    ways: Vec<(Access, Arc<Way>)>,
    /// What a grant may rest on.
    bases: HashSet<Digest>,
    /// The query parameters that hold credentials.
    secrets: Arc<[String]>,
    challenges: Vec<HeaderValue>,
    metrics: Arc<AccessMetrics>,
}

enum Way {
    Basic(Basic),
    Bearer(Bearer),
    Jwt(Jwt),
    Signed(Signed),
    Ask(Ask),
}

impl Gate {
    /// Before the source of this name. What was there before lends what it knows (keys, answers) to
    /// the ways that did not change. To be called within a runtime, where keys are fetched.
    pub(super) fn new(
        name: &str,
        access: &[Access],
        before: Option<&Gate>,
        hashing: &Arc<Hashing>,
        metrics: Arc<AccessMetrics>,
    ) -> Self {
        let unchanged = |access: &Access| {
            let mut ways = before.into_iter().flat_map(|before| &before.ways);
            ways.find(|(old, _)| old == access).map(|(_, way)| way.clone())
        };
        let way_of = |access: &Access| {
            let way = unchanged(access).unwrap_or_else(|| Arc::new(Way::new(name, access, hashing)));
            (access.clone(), way)
        };
        let ways: Vec<_> = access.iter().map(way_of).collect();
        metrics.announce(|reason| access.iter().any(|access| may_deny(access, reason)));
        Self {
            name: name.into(),
            bases: ways.iter().flat_map(|(_, way)| way.bases()).collect(),
            secrets: secrets(access).into(),
            challenges: challenges(access),
            ways,
            metrics,
        }
    }

    /// Whether it is made of these ways.
    pub(super) fn is_of(&self, access: &[Access]) -> bool {
        self.ways.iter().map(|(access, _)| access).eq(access)
    }

    /// Decides on a request.
    pub fn check(&self, request: &AccessRequest<'_>) -> Check {
        let (mut denial, mut later) = (None, Vec::new());
        for (_, way) in &self.ways {
            match way.check(request, &self.secrets) {
                Check::Now(Verdict::Granted(grant)) => return Check::Now(Verdict::Granted(grant)),
                Check::Now(Verdict::Denied(why)) => denial = nearer(denial, why),
                Check::Later(check) => later.push(check),
            }
        }
        let (name, metrics) = (self.name.clone(), self.metrics.clone());
        let decide = move |denial: Option<Denial>| {
            // Without any way in there is none.
            let denial = denial.unwrap_or_else(|| Denial::new(DenyReason::Missing));
            metrics.denied(denial.reason);
            tracing::debug!(source = &*name, reason = denial.reason.label(), "request not let in");
            Verdict::Denied(denial)
        };
        if later.is_empty() {
            return Check::Now(decide(denial));
        }
        Check::Later(Box::pin(async move {
            for check in later {
                match check.await {
                    Verdict::Granted(grant) => return Verdict::Granted(grant),
                    Verdict::Denied(why) => denial = nearer(denial, why),
                }
            }
            decide(denial)
        }))
    }

    /// Whether a client may stay whom this let in: before the last reload, perhaps.
    pub fn holds(&self, grant: &Grant) -> bool {
        grant.rests_on(&|basis| self.bases.contains(basis))
    }

    /// What a 401 says about which credentials are taken (RFC 9110, 11.6.1).
    pub fn challenges(&self) -> &[HeaderValue] {
        &self.challenges
    }

    /// The name that it was made with.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn nearer(denial: Option<Denial>, other: Denial) -> Option<Denial> {
    Some(denial.map_or(other, |denial| denial.or(other)))
}

impl Way {
    fn new(name: &str, access: &Access, hashing: &Arc<Hashing>) -> Self {
        match access {
            Access::Basic(access) => Self::Basic(Basic::new(access, hashing.clone())),
            Access::Bearer(access) => Self::Bearer(Bearer::new(access)),
            Access::Jwt(access) => Self::Jwt(Jwt::new(name, access)),
            Access::Signed(access) => Self::Signed(Signed::new(access)),
            Access::Ask(access) => Self::Ask(Ask::new(name, access)),
        }
    }

    fn check(&self, request: &AccessRequest<'_>, secrets: &[String]) -> Check {
        match self {
            Self::Basic(basic) => basic.check(request),
            Self::Bearer(bearer) => bearer.check(request),
            Self::Jwt(jwt) => jwt.check(request),
            Self::Signed(signed) => signed.check(request),
            Self::Ask(ask) => ask.check(request, secrets),
        }
    }

    fn bases(&self) -> Vec<Digest> {
        match self {
            Self::Basic(basic) => basic.bases().collect(),
            Self::Bearer(bearer) => bearer.bases().collect(),
            Self::Jwt(jwt) => vec![jwt.basis()],
            Self::Signed(signed) => signed.bases().collect(),
            Self::Ask(ask) => vec![ask.basis()],
        }
    }
}

/// Query parameters that no one else is told of.
fn secrets(access: &[Access]) -> Vec<String> {
    // RFC 6750, 2.3: so clients call it, also where it is not asked for.
    let mut secrets = vec!["access_token".to_owned()];
    for access in access {
        match access {
            Access::Signed(_) => {
                secrets.extend([signing::EXPIRES, signing::KEY, signing::SIGNATURE].map(str::to_owned));
            }
            Access::Jwt(jwt) => secrets.extend(jwt.query.clone()),
            Access::Basic(_) | Access::Bearer(_) | Access::Ask(_) => {}
        }
    }
    secrets
}

/// One challenge for each scheme. A signed URL has none that is registered, and 401 needs one.
fn challenges(access: &[Access]) -> Vec<HeaderValue> {
    let mut challenges: Vec<HeaderValue> = Vec::new();
    for access in access {
        let challenge = HeaderValue::from_static(match access {
            Access::Basic(_) => r#"Basic realm="fanfare", charset="UTF-8""#,
            Access::Bearer(_) | Access::Jwt(_) | Access::Ask(_) => r#"Bearer realm="fanfare""#,
            Access::Signed(_) => r#"SignedUrl realm="fanfare""#,
        });
        if !challenges.contains(&challenge) {
            challenges.push(challenge);
        }
    }
    challenges
}

/// Whether this way in can have this reason.
fn may_deny(access: &Access, reason: DenyReason) -> bool {
    use DenyReason::{Audience, Busy, Expired, Insufficient, Invalid, Missing, NoAnswer, NoKeys, NotYet, UnknownKey};
    match (access, reason) {
        (Access::Ask(_), reason) => matches!(reason, Missing | Invalid | Insufficient | NoAnswer | Busy),
        (_, Missing | Invalid) => true,
        (Access::Basic(_), reason) => reason == Busy,
        (Access::Bearer(_), _) => false,
        (Access::Signed(_), reason) => matches!(reason, Expired | UnknownKey),
        (Access::Jwt(jwt), NoKeys | UnknownKey) => jwt.jwks.is_some(),
        (Access::Jwt(jwt), Insufficient) => !jwt.claims.is_empty(),
        (Access::Jwt(_), reason) => matches!(reason, Expired | NotYet | Audience),
    }
}
