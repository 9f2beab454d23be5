//! Who sees what the admin shows beyond probes and metrics.

use crate::access::{AccessRequest, Answer, Check, Gate, Verdict};
use crate::auxiliary_http::response::{self, Response};
use crate::quotas::Grant;
use arc_swap::ArcSwapOption;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// When to come back where it can't be decided: keys and origins take seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

/// Who sees clients and events.
pub(super) struct Exposure {
    /// Only this machine reaches it: where there is no gate, they are shown.
    is_loopback: bool,
    /// What lets people in, as of now.
    gate: Arc<ArcSwapOption<Gate>>,
}

/// That someone was let in: by what, where there was a gate.
pub(super) struct Shown(Option<Grant>);

impl Exposure {
    /// Of a listener at this address.
    pub(super) fn at(address: Option<SocketAddr>, gate: Arc<ArcSwapOption<Gate>>) -> Self {
        let is_loopback = address.is_none_or(|address| address.ip().to_canonical().is_loopback());
        Self { is_loopback, gate }
    }

    /// Whether they are shown to no one, as of now.
    pub(super) fn hides_all(&self) -> bool {
        !self.is_loopback && self.gate.load().is_none()
    }

    /// Whether what was shown may be shown on: it has not expired, and a reload has not taken it
    /// away.
    pub(super) fn still_shows(&self, shown: &Shown) -> bool {
        match (&*self.gate.load(), &shown.0) {
            (None, _) => self.is_loopback,
            (Some(_), None) => false,
            (Some(gate), Some(grant)) => {
                gate.holds(grant) && grant.expires.is_none_or(|expires| SystemTime::now() < expires)
            }
        }
    }

    /// Whether a request may see them; else its answer.
    pub(super) async fn show<B>(&self, request: &Request<B>) -> Result<Shown, Response> {
        let gate = match self.gate.load_full() {
            Some(gate) => gate,
            None if self.is_loopback => return Ok(Shown(None)),
            None => {
                return Err(response::problem(
                    StatusCode::FORBIDDEN,
                    "status and dashboard are served on a loopback address only: see `admin` in the configuration",
                ));
            }
        };
        let Some(asked) = AccessRequest::of(request) else {
            let detail = "this path has no single meaning";
            return Err(response::problem(StatusCode::BAD_REQUEST, detail));
        };
        let verdict = match gate.check(&asked) {
            Check::Now(verdict) => verdict,
            // What takes time (hashes, the origin) is done on other threads, or waited for.
            Check::Later(verdict) => verdict.await,
        };
        match verdict {
            Verdict::Granted(grant) => Ok(Shown(Some(grant))),
            Verdict::Denied(denial) => Err(refusal(&gate, denial.answer)),
        }
    }
}

fn refusal(gate: &Gate, answer: Answer) -> Response {
    let detail = match answer {
        Answer::Unauthorized => "this page needs valid credentials",
        Answer::Forbidden => "these credentials are not enough for this page",
        Answer::Undecided => "who may see this page can't be decided at the moment",
    };
    let mut response = response::problem(answer.status(), detail);
    let headers = response.headers_mut();
    match answer {
        Answer::Unauthorized => gate.challenges().iter().for_each(|challenge| {
            headers.append(WWW_AUTHENTICATE, challenge.clone());
        }),
        Answer::Undecided => drop(headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS)),
        Answer::Forbidden => {}
    }
    response
}
