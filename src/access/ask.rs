//! The origin is asked about a request, and says yes or no.
//!
//! Requests that say the same are one question, whose answer holds for a while. No answer lets
//! nobody in; nor does one that leads elsewhere.

use super::ask_request::{digest, headers, shows_credentials};
use super::cache::Cache;
use super::denial::Denial;
use super::digest::{Digest, Keyed, basis};
use super::request::AccessRequest;
use super::verdict::{Check, Verdict};
use crate::config::{AskAccess, Target};
use crate::metrics::DenyReason;
use crate::quotas::{Grant, User};
use crate::upstream::ask;
use hyper::header::{CACHE_CONTROL, HeaderMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// Questions that are with the origin at one time; the next ones wait, within their timeout.
const AT_ONCE_MAX: usize = 32;
/// Answers that are remembered.
const REMEMBERED_MAX: usize = 16 * 1024;
/// Longest name of a user that is kept, in bytes.
const USER_BYTES_MAX: usize = 256;

/// The origin that is asked.
pub(super) struct Ask(Arc<Inner>);

struct Inner {
    source: String,
    access: AskAccess,
    keyed: Keyed,
    answers: Cache<Verdict>,
    turns: Semaphore,
    basis: Digest,
    /// It gave no answer the last time: told once.
    is_away: AtomicBool,
}

impl Ask {
    pub(super) fn new(source: &str, access: &AskAccess) -> Self {
        Self(Arc::new(Inner {
            source: source.to_owned(),
            access: access.clone(),
            keyed: Keyed::new(),
            answers: Cache::new(REMEMBERED_MAX),
            turns: Semaphore::new(AT_ONCE_MAX),
            basis: basis_of(access),
            is_away: AtomicBool::new(false),
        }))
    }

    pub(super) fn basis(&self) -> Digest {
        self.0.basis
    }

    pub(super) fn check(&self, request: &AccessRequest<'_>, secrets: &[String]) -> Check {
        let Some(headers) = headers(request, &self.0.access.cookies, secrets) else {
            return Check::denied(DenyReason::Invalid);
        };
        let question = digest(&self.0.keyed, &headers);
        if let Some(verdict) = self.0.answers.get(&question) {
            return Check::Now(still_good(verdict));
        }
        let inner = self.0.clone();
        Check::Later(Box::pin(async move {
            // A connection, its TLS and an exchange are large: not part of every request's future.
            let asks = Box::pin(inner.ask(question, headers));
            inner.answers.ask(question, asks).await
        }))
    }
}

impl Inner {
    async fn ask(&self, question: Digest, headers: HeaderMap) -> Verdict {
        let deadline = Instant::now() + self.access.timeout;
        let shows = shows_credentials(&headers);
        let answered = timeout_at(deadline, async {
            // It is never closed.
            let _turn = self.turns.acquire().await;
            ask(&self.access.url, headers, deadline).await
        });
        let (status, headers) = match answered.await {
            Ok(Ok((status, headers))) => (status.as_u16(), headers),
            Ok(Err(failure)) => return self.no_answer(&failure.to_string()),
            Err(_) => return self.no_answer("no answer in time"),
        };
        let verdict = match status {
            200..=299 => self.yes(&headers),
            // Who is not logged in is led to a page where that can be done.
            300..=399 | 401 if shows => Verdict::Denied(Denial::new(DenyReason::Invalid)),
            300..=399 | 401 => Verdict::Denied(Denial::new(DenyReason::Missing)),
            // It may be asked again later.
            408 | 425 | 429 | 500.. => return self.no_answer(&format!("status {status}")),
            _ => Verdict::Denied(Denial::new(DenyReason::Insufficient)),
        };
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!(
                source = self.source,
                "the origin that is asked about access answers again"
            );
        }
        self.answers.put(question, verdict.clone(), self.hold(&headers));
        verdict
    }

    fn no_answer(&self, why: &str) -> Verdict {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                source = self.source,
                upstream = self.access.url.name,
                why,
                "the origin that is asked about access does not say: nobody new is let in"
            );
        }
        Verdict::Denied(Denial::new(DenyReason::NoAnswer))
    }

    fn yes(&self, headers: &HeaderMap) -> Verdict {
        let expires = max_age(headers).and_then(|age| SystemTime::now().checked_add(age));
        let user = self
            .access
            .user_header
            .as_ref()
            .and_then(|name| headers.get(name)?.to_str().ok());
        let user = user.filter(|user| (1..=USER_BYTES_MAX).contains(&user.len()));
        Verdict::Granted(Grant {
            basis: self.basis,
            user: user.map(|name| User {
                kind: "ask",
                name: name.into(),
            }),
            expires,
            further: Vec::new(),
        })
    }

    /// How long the answer is kept: no longer than it holds.
    fn hold(&self, headers: &HeaderMap) -> Duration {
        max_age(headers).map_or(self.access.cache, |age| age.min(self.access.cache))
    }
}

/// A yes that has a time is none after it.
fn still_good(verdict: Verdict) -> Verdict {
    match &verdict {
        Verdict::Granted(grant) if grant.expires.is_some_and(|expires| expires <= SystemTime::now()) => {
            Verdict::Denied(Denial::new(DenyReason::Invalid))
        }
        _ => verdict,
    }
}

/// `max-age` of `Cache-Control` (RFC 9111, 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(CACHE_CONTROL).iter();
    let mut directives = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','));
    directives.find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        let seconds = value.trim_matches('"').parse().ok()?;
        name.eq_ignore_ascii_case("max-age")
            .then(|| Duration::from_secs(seconds))
    })
}

fn basis_of(access: &AskAccess) -> Digest {
    let url = match &access.url.target {
        Target::Urls(urls) => urls.concat(),
        Target::Feed(url) => url.clone(),
    };
    let terms = format!("{:?}", (&access.cookies, &access.user_header));
    basis(&[b"ask", url.as_bytes(), terms.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_yes_may_have_a_time() {
        for (field, seconds) in [
            ("max-age=10", Some(10)),
            ("private, MAX-AGE=\"7\"", Some(7)),
            ("s-maxage=10", None),
            ("max-age", None),
            ("max-age=-1", None),
            ("no-store", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, field.parse().expect("a value"));
            assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{field}");
        }
    }
}
