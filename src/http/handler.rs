//! From a request to a decision: it opens an event stream, is answered, or goes to an origin.

use super::access_check::{self, Checked, PendingCheck};
use super::asked::Asked;
use super::proxied::ProxiedRequest;
use super::request::{self, Wants};
use super::response::{self, Response};
use super::router::{Route, SourceMatch};
use super::server::Server;
use super::snapshot::Snapshot;
use super::stream_start::StreamStart;
use super::{long_poll, stream_head};
use crate::channel::{Admission, HistoryLookup, HistoryPlace};
use crate::config::Source;
use crate::delivery::Framing;
use crate::metrics::{Protocol, RefuseReason};
use crate::path::BadParameter;
use crate::proxy::Proxy;
use crate::quotas::{ClientPermit, Grant};
use crate::source::{FirstResponse, OpenOutcome, Templated};
use hyper::{Method, Request, StatusCode, Version};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A poll that hardly waits learns all the same that the origin has no such job, if that is known
/// this soon.
const FIRST_ANSWER_MIN: Duration = Duration::from_secs(1);

/// The result of a decision: the client joins a shard, or gets a response.
pub(super) type Outcome = Result<StreamStart, Response>;

/// What is to be done about a request.
pub(super) enum Decision {
    Now(Outcome),
    /// It waits: for the origin of a channel that is being opened, or for an event that a poll can
    /// be answered with.
    Later(Box<Deferred>),
    /// The origin answers.
    Proxy(Box<ProxiedRequest>),
}

/// A request whose outcome depends on something outside.
pub(super) enum Deferred {
    /// Whether it may be served is being found out.
    Checked(Box<PendingCheck>),
    /// It may, is in, and waits.
    Waiting(Box<Waiting>),
}

/// A client that is in, and waits.
pub(super) struct Waiting {
    request: Request<()>,
    permit: ClientPermit,
    peer: SocketAddr,
    admission: Admission,
    first: Option<FirstResponse>,
    /// What is known of the events after its last event ID, if the log doesn't hold it.
    history: Option<HistoryLookup>,
    /// How long a poll waits; `None`: it is a stream.
    wait: Option<Duration>,
}

/// What is done about a request that may be served.
enum Served {
    Now(Outcome),
    Later(Box<Waiting>),
}

/// A client on its way in.
struct Newcomer<'a> {
    request: &'a Request<()>,
    permit: ClientPermit,
    peer: SocketAddr,
    /// How long a poll waits; `None`: it is a stream.
    wait: Option<Duration>,
}

impl Server {
    /// Decides on a request.
    pub(super) fn handle(&self, snapshot: &Snapshot, request: &Request<()>, peer: SocketAddr) -> Decision {
        let path = request.uri().path();
        if matches!(*request.method(), Method::TRACE | Method::CONNECT) {
            self.refused(RefuseReason::Method);
            return answered(response::method_unknown());
        }
        if path == "*" {
            return answered(response::options());
        }
        let found = match snapshot.router.route(path, snapshot.proxy.as_ref()) {
            Ok(Route::Source(found)) => found,
            Ok(Route::Proxy(proxy, at)) => return self.proxy(proxy, at),
            Ok(Route::Nothing) => {
                self.refused(RefuseReason::NotFound);
                return answered(response::not_found(path));
            }
            Err(bad) => {
                self.refused(RefuseReason::BadRequest);
                return answered(response::problem(StatusCode::BAD_REQUEST, &bad.to_string()));
            }
        };
        let wants = request::wants(request);
        match wants {
            Wants::Stream | Wants::Poll | Wants::Head => {}
            // A preflight brings no credentials, and neither it nor the others learn anything.
            Wants::Preflight => return answered(response::preflight(request, &found.source())),
            Wants::OtherMethod => return answered(self.refuse(request, &found.source(), RefuseReason::Method)),
            Wants::OtherType => return answered(self.refuse(request, &found.source(), RefuseReason::NotAcceptable)),
        }
        let asked = Asked {
            request,
            peer: request::client_address(request, peer, &snapshot.trusted_proxies),
            found,
            wants,
        };
        match access_check::check(snapshot, &asked) {
            Checked::In(grant) => self.serve(asked, grant).into(),
            Checked::Out(response) => answered(response),
            Checked::Later(check) => Decision::Later(Box::new(Deferred::Checked(Box::new(check)))),
        }
    }

    /// What no source serves goes to an origin, if there is room.
    fn proxy(&self, proxy: &Arc<Proxy>, at: usize) -> Decision {
        match self.quotas.proxy() {
            Ok(permit) => Decision::Proxy(Box::new(ProxiedRequest {
                proxy: proxy.clone(),
                at,
                permit,
            })),
            Err(reason) => {
                self.refused(reason);
                answered(response::busy())
            }
        }
    }

    /// Serves a request that may be.
    fn serve(&self, asked: Asked<'_>, grant: Option<Arc<Grant>>) -> Served {
        let Asked { request, found, .. } = &asked;
        if let Some(channel) = found.channel()
            && channel.end().is_some()
            && channel.is_over_for(request::last_event_id(request).as_deref(), None)
        {
            return served(response::ended(request, &found.source()));
        }
        match (asked.wants, found) {
            (Wants::Head, SourceMatch::Templated(templated, Err(bad))) => {
                served(self.bad_parameter(request, templated, *bad))
            }
            (Wants::Head, _) => served(response::head(request, &found.source())),
            _ => self.let_in(asked, grant),
        }
    }

    /// Lets a client in, if there is room.
    fn let_in(&self, asked: Asked<'_>, grant: Option<Arc<Grant>>) -> Served {
        let Asked {
            request,
            peer,
            found,
            wants,
        } = asked;
        let wait = match wants {
            Wants::Poll => match long_poll::wait(request::parameter(request, "wait").as_deref()) {
                Some(wait) => Some(wait),
                None => {
                    self.refused(RefuseReason::BadRequest);
                    return served(response::bad_wait(request, &found.source()));
                }
            },
            _ => None,
        };
        let permit = match self.quotas.admit(peer.ip(), grant) {
            Ok(permit) => permit,
            Err(reason) => return served(self.refuse(request, &found.source(), reason)),
        };
        let protocol = match request.version() {
            Version::HTTP_10 => Protocol::Http10,
            _ => Protocol::Http11,
        };
        let newcomer = Newcomer {
            request,
            permit,
            peer,
            wait,
        };
        let (templated, parameters) = match found {
            SourceMatch::Plain(channel) => return newcomer.join(channel.admit(protocol)),
            SourceMatch::Templated(templated, Ok(parameters)) => (templated, parameters),
            SourceMatch::Templated(templated, Err(bad)) => {
                return served(self.bad_parameter(request, &templated, bad));
            }
        };
        match templated.enter(parameters, protocol) {
            OpenOutcome::In(admission) => newcomer.join(admission),
            OpenOutcome::Asking(admission, first) => newcomer.later(admission, Some(first), None),
            OpenOutcome::Refused(status) => served(self.origin_refused(request, &templated.settings().load(), status)),
            OpenOutcome::Full(reason) => served(self.refuse(request, &templated.settings().load(), reason)),
        }
    }

    fn refuse(&self, request: &Request<()>, source: &Source, reason: RefuseReason) -> Response {
        self.refused(reason);
        response::refusal(request, source, reason)
    }

    fn origin_refused(&self, request: &Request<()>, source: &Source, status: StatusCode) -> Response {
        self.refused(RefuseReason::Origin);
        response::origin_refused(request, source, status)
    }

    fn bad_parameter(&self, request: &Request<()>, templated: &Templated, bad: BadParameter) -> Response {
        self.refused(RefuseReason::BadRequest);
        response::bad_parameter(request, &templated.settings().load(), bad)
    }
}

fn answered(response: Response) -> Decision {
    Decision::Now(Err(response))
}

fn served(response: Response) -> Served {
    Served::Now(Err(response))
}

impl From<Served> for Decision {
    fn from(served: Served) -> Self {
        match served {
            Served::Now(outcome) => Self::Now(outcome),
            Served::Later(waiting) => Self::Later(Box::new(Deferred::Waiting(waiting))),
        }
    }
}

impl Newcomer<'_> {
    /// In a channel that is open: a stream begins at once, unless the origin has to be asked for
    /// what comes first; a poll waits for news.
    fn join(self, admission: Admission) -> Served {
        let channel = admission.subscription.channel();
        let history = request::last_event_id(self.request).and_then(|id| channel.history(&id));
        match (self.wait, history) {
            (None, None) => Served::Now(join(self.request, self.permit, self.peer, admission, None)),
            (_, history) => self.later(admission, None, history),
        }
    }

    fn later(self, admission: Admission, first: Option<FirstResponse>, history: Option<HistoryLookup>) -> Served {
        Served::Later(Box::new(Waiting {
            history,
            request: self.request.clone(),
            permit: self.permit,
            peer: self.peer,
            admission,
            first,
            wait: self.wait,
        }))
    }
}

impl Deferred {
    /// Whether it is a stream that is waited for, and no poll.
    pub(super) fn is_stream(&self) -> bool {
        match self {
            Self::Checked(check) => check.wants == Wants::Stream,
            Self::Waiting(waiting) => waiting.wait.is_none(),
        }
    }

    /// What becomes of it. A poll waits no longer than until `hurry` completes.
    pub(super) async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Outcome {
        let waiting = match self {
            Self::Waiting(waiting) => waiting,
            Self::Checked(mut check) => {
                let grant = check.verdict(server).await?;
                match server.serve(check.asked(), Some(grant)) {
                    Served::Now(outcome) => return outcome,
                    Served::Later(waiting) => waiting,
                }
            }
        };
        Box::pin(waiting.outcome(server, hurry)).await
    }
}

impl Waiting {
    async fn outcome(self, server: &Server, hurry: impl Future<Output = ()>) -> Outcome {
        let Self {
            request,
            permit,
            peer,
            admission,
            first,
            history,
            wait,
        } = self;
        let channel = admission.subscription.channel().clone();
        let asked = Instant::now();
        let mut hurry = pin!(hurry);
        let mut hurried = false;
        if let Some(first) = first {
            let wait = wait.map(|wait| wait.max(FIRST_ANSWER_MIN));
            let refused = unless_hurried(first.wait(), wait, hurry.as_mut(), &mut hurried).await;
            if let Some(status) = refused.flatten() {
                return Err(server.origin_refused(&request, &channel.settings().load(), status));
            }
        }
        let history = match history {
            None => None,
            Some(HistoryLookup::Found(place)) => Some(place),
            Some(HistoryLookup::Asking(pending)) => {
                let answered = async {
                    tokio::select! {
                        place = pending.answered() => place,
                        () = server.quotas.leaving() => None,
                    }
                };
                let answered = unless_hurried(answered, wait, hurry.as_mut(), &mut hurried).await;
                answered.flatten()
            }
        };
        let Some(wait) = wait else {
            return join(&request, permit, peer, admission, history);
        };
        let last_event_id = request::last_event_id(&request);
        if channel.is_over_for(last_event_id.as_deref(), Some(admission.start)) {
            return Err(response::ended(&request, &channel.settings().load()));
        }
        let wait = match hurried {
            true => Duration::ZERO,
            false => access_check::within(permit.grant(), wait.saturating_sub(asked.elapsed())),
        };
        let no_longer = async {
            tokio::select! {
                () = server.quotas.leaving() => {}
                () = &mut hurry, if !hurried => {}
            }
        };
        let place = (admission.start, history);
        let news = long_poll::news(&channel, last_event_id, place, wait, no_longer).await;
        if let Some(response) = access_check::gone(&server.snapshot.load(), &request, &channel, permit.grant()) {
            return Err(response);
        }
        // Its place is another's while the answer is written.
        drop(permit);
        Err(response::news(&request, &channel.settings().load(), &news))
    }
}

/// Waits for something, but a poll only for its `wait` and until it has to `hurry`.
async fn unless_hurried<T>(
    something: impl Future<Output = T>,
    wait: Option<Duration>,
    hurry: Pin<&mut impl Future<Output = ()>>,
    hurried: &mut bool,
) -> Option<T> {
    let Some(wait) = wait else {
        return Some(something.await);
    };
    tokio::select! {
        found = something => Some(found),
        () = sleep(wait) => None,
        () = hurry, if !*hurried => {
            *hurried = true;
            None
        }
    }
}

/// Begins a stream, unless it has ended.
#[expect(
    clippy::result_large_err,
    reason = "it is moved once per answered request; a box would be an allocation more"
)]
fn join(
    request: &Request<()>,
    permit: ClientPermit,
    peer: SocketAddr,
    admission: Admission,
    history: Option<HistoryPlace>,
) -> Outcome {
    let Admission { subscription, start } = admission;
    let channel = subscription.channel();
    let last_event_id = request::last_event_id(request);
    if channel.end().is_some() && channel.is_over_for(last_event_id.as_deref(), Some(start)) {
        return Err(response::ended(request, &channel.settings().load()));
    }
    Ok(StreamStart {
        head: stream_head::bytes(request, &channel.settings().load()),
        framing: match request.version() {
            Version::HTTP_10 => Framing::Plain,
            _ => Framing::Chunked,
        },
        subscription,
        start,
        permit,
        last_event_id,
        history: history.map(Box::new),
        peer,
    })
}
