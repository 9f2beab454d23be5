//! Who may read, asked before anything else is done for a request: before a channel is opened, and
//! before it is said whether there is one.

use super::asked::Asked;
use super::request::Wants;
use super::response::{self, Response};
use super::router::SourceMatch;
use super::server::Server;
use super::snapshot::Snapshot;
use crate::access::{AccessRequest, Answer, Check, Gate, Gates, Verdict};
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
    Later(Box<PendingCheck>),
}

/// A request that waits for a verdict.
pub(super) struct PendingCheck {
    request: Request<()>,
    peer: SocketAddr,
    found: SourceMatch,
    pub(super) wants: Wants,
    /// The source whose gate is asked, and those whose gates are still to be.
    name: String,
    left: Vec<String>,
    /// Of the gates that have said yes.
    grants: Vec<Arc<Grant>>,
    gate: Arc<Gate>,
    verdict: Pin<Box<dyn Future<Output = Verdict> + Send>>,
}

/// What came of asking gates in turn.
enum Asking {
    /// All have said yes.
    Done(Option<Arc<Grant>>),
    No(Response),
    /// One takes its time: it, its source, and the sources that are left.
    At(
        Arc<Gate>,
        String,
        Vec<String>,
        Pin<Box<dyn Future<Output = Verdict> + Send>>,
    ),
}

/// Asks the gate before each source that is read, if there is one.
pub(super) fn check(snapshot: &Snapshot, asked: &Asked<'_>) -> Checked {
    if snapshot.gates.is_open() {
        return Checked::In(None);
    }
    let mut grants = Vec::new();
    let left = asked.found.names();
    match ask(&snapshot.gates, asked.request, &asked.found, left, &mut grants) {
        Asking::Done(grant) => Checked::In(grant),
        Asking::No(response) => Checked::Out(response),
        Asking::At(gate, name, left, verdict) => Checked::Later(Box::new(PendingCheck {
            request: asked.request.clone(),
            peer: asked.peer,
            found: asked.found.clone(),
            wants: asked.wants,
            name,
            left,
            grants,
            gate,
            verdict,
        })),
    }
}

fn ask(
    gates: &Gates,
    request: &Request<()>,
    found: &SourceMatch,
    names: Vec<String>,
    grants: &mut Vec<Arc<Grant>>,
) -> Asking {
    let mut names = names.into_iter();
    while let Some(name) = names.next() {
        let Some(gate) = gates.of(&name) else { continue };
        let denied = |answer| {
            let response = response::denied(request, &found.source(), gate.challenges(), answer);
            Asking::No(response)
        };
        let Some(access_request) = AccessRequest::of(request) else {
            return denied(Answer::Unauthorized);
        };
        match gate.check(&access_request) {
            Check::Now(Verdict::Granted(grant)) => grants.push(Arc::new(grant)),
            Check::Now(Verdict::Denied(denial)) => return denied(denial.answer),
            Check::Later(verdict) => return Asking::At(gate.clone(), name, names.collect(), verdict),
        }
    }
    Asking::Done(Grant::all(std::mem::take(grants)))
}

impl PendingCheck {
    /// What it may be served by; else the answer.
    pub(super) async fn verdict(&mut self, server: &Server) -> Result<Option<Arc<Grant>>, Response> {
        loop {
            let answer = match (&mut self.verdict).await {
                Verdict::Granted(grant) => {
                    self.grants.push(Arc::new(grant));
                    None
                }
                Verdict::Denied(denial) => Some(denial.answer),
            };
            let gates = server.snapshot.load().gates.clone();
            // A reload may have taken away meanwhile what it was let in by.
            let holds = || gates.holds(&self.name, self.grants.last().map(|grant| &**grant));
            if let Some(answer) = answer.or_else(|| (!holds()).then_some(Answer::Unauthorized)) {
                let source = self.found.source();
                return Err(response::denied(&self.request, &source, self.gate.challenges(), answer));
            }
            let left = std::mem::take(&mut self.left);
            match ask(&gates, &self.request, &self.found, left, &mut self.grants) {
                Asking::Done(grant) => return Ok(grant),
                Asking::No(response) => return Err(response),
                Asking::At(gate, name, left, verdict) => {
                    (self.gate, self.name, self.left, self.verdict) = (gate, name, left, verdict);
                }
            }
        }
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
    let grant = grant.map(|grant| &**grant);
    let mut sources = channel.sources().into_iter();
    let name = sources.find(|name| !snapshot.gates.holds(name, grant))?;
    let gate = snapshot.gates.of(name)?;
    let source = channel.settings().load();
    Some(response::denied(
        request,
        &source,
        gate.challenges(),
        Answer::Unauthorized,
    ))
}
