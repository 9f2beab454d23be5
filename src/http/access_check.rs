//! Who may read, asked before anything else is done for a request: before a channel is opened, and
//! before it is said whether there is one.

use super::asked::Asked;
use super::request::Wants;
use super::response::{self, Response};
use super::router::SourceMatch;
use super::server::Server;
use super::snapshot::Snapshot;
use crate::access::{AccessRequest, Answer, Check, Gate, Verdict};
use crate::channel::Channel;
use crate::quotas::Grant;
use hyper::Request;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is known of whether a request may be served.
pub(super) enum Checked {
    /// It may; by this, if not anyone may.
    In(Option<Arc<Grant>>),
    Out(Response),
    Later(PendingCheck),
}

/// A request that waits for a verdict.
pub(super) struct PendingCheck {
    request: Request<()>,
    peer: SocketAddr,
    found: SourceMatch,
    pub(super) wants: Wants,
    gate: Arc<Gate>,
    verdict: Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

/// Asks the gate before the source, if there is one.
pub(super) fn check(snapshot: &Snapshot, asked: &Asked<'_>) -> Checked {
    if snapshot.gates.is_open() {
        return Checked::In(None);
    }
    let source = asked.found.source();
    let Some(gate) = snapshot.gates.of(&source.name) else {
        return Checked::In(None);
    };
    let denied = |answer| Checked::Out(response::denied(asked.request, &source, gate.challenges(), answer));
    let Some(request) = AccessRequest::of(asked.request) else {
        return denied(Answer::Unauthorized);
    };
    match gate.check(&request) {
        Check::Now(Verdict::Granted(grant)) => Checked::In(Some(Arc::new(grant))),
        Check::Now(Verdict::Denied(denial)) => denied(denial.answer),
        Check::Later(verdict) => Checked::Later(PendingCheck {
            request: asked.request.clone(),
            peer: asked.peer,
            found: asked.found.clone(),
            wants: asked.wants,
            gate: gate.clone(),
            verdict,
        }),
    }
}

impl PendingCheck {
    /// What it may be served by; else the answer.
    pub(super) async fn verdict(&mut self, server: &Server) -> Result<Arc<Grant>, Response> {
        let source = self.found.source();
        let answer = match (&mut self.verdict).await {
            Verdict::Granted(grant) => {
                // A reload may have taken away meanwhile what it was let in by.
                if server.snapshot.load().gates.holds(&source.name, Some(&grant)) {
                    return Ok(Arc::new(grant));
                }
                Answer::Unauthorized
            }
            Verdict::Denied(denial) => denial.answer,
        };
        Err(response::denied(&self.request, &source, self.gate.challenges(), answer))
    }

    /// What was asked for.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            request: &self.request,
            peer: self.peer,
            found: self.found.clone(),
            wants: self.wants,
        }
    }
}

/// A wait that is over when the grant is.
pub(super) fn within(grant: Option<&Arc<Grant>>, wait: Duration) -> Duration {
    match grant.and_then(|grant| grant.expires) {
        Some(expires) => wait.min(expires.duration_since(SystemTime::now()).unwrap_or_default()),
        None => wait,
    }
}

/// The answer to a poll that may not be answered any more: what let it in was taken away while it
/// waited.
pub(super) fn gone(
    snapshot: &Snapshot,
    request: &Request<()>,
    channel: &Channel,
    grant: Option<&Arc<Grant>>,
) -> Option<Response> {
    let gate = snapshot.gates.of(channel.name())?;
    if snapshot.gates.holds(channel.name(), grant.map(|grant| &**grant)) {
        return None;
    }
    let source = channel.settings().load();
    Some(response::denied(
        request,
        &source,
        gate.challenges(),
        Answer::Unauthorized,
    ))
}
