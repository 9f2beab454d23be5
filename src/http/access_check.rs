//! Who may read, asked before anything else is done for a request: before a channel is opened, and
//! before it is said whether there is one.

use super::handler::{Asked, Decision};
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
    /// What is decided once the verdict is there.
    pub(super) async fn decided(self, server: &Server) -> Decision {
        let source = self.found.source();
        let denied = |answer| {
            let response = response::denied(&self.request, &source, self.gate.challenges(), answer);
            Decision::Now(Err(response))
        };
        let grant = match self.verdict.await {
            Verdict::Granted(grant) => grant,
            Verdict::Denied(denial) => return denied(denial.answer),
        };
        // A reload may have taken away meanwhile what it was let in by.
        if !server.snapshot.load().gates.holds(&source.name, Some(&grant)) {
            return denied(Answer::Unauthorized);
        }
        let asked = Asked {
            request: &self.request,
            peer: self.peer,
            found: self.found.clone(),
            wants: self.wants,
        };
        server.serve(asked, Some(Arc::new(grant)))
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
