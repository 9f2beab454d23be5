//! From a request to a decision: it opens an event stream, is answered, or goes to an origin.

use super::access_check::{self, Checked};
use super::asked::Asked;
use super::client_wants::Wanted;
use super::deferred::{Deferred, Outcome, Served, Waiting, join};
use super::long_poll;
use super::proxied::ProxiedRequest;
use super::request::{self, Wants};
use super::response::{self, Response};
use super::router::{Route, SourceMatch};
use super::server::Server;
use super::snapshot::Snapshot;
use crate::channel::{Admission, Filter, HistoryLookup, TooManyFilters};
use crate::config::Source;
use crate::metrics::{Protocol, RefuseReason};
use crate::path::BadParameter;
use crate::proxy::Proxy;
use crate::quotas::{ClientPermit, Grant};
use crate::source::{CombinedOutcome, FirstResponse, OpenOutcome, Templated};
use hyper::{Method, Request, StatusCode, Version};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What is to be done about a request.
pub(super) enum Decision {
    Now(Outcome),
    /// It waits: for the origin of a channel that is being opened, or for an event that a poll can
    /// be answered with.
    Later(Box<Deferred>),
    /// The origin answers.
    Proxy(Box<ProxiedRequest>),
}

impl Decision {
    /// Whether a stream was asked for, and whether it begins is still to be found out.
    pub(super) fn is_open_stream(&self) -> bool {
        matches!(self, Self::Later(deferred) if deferred.is_stream())
    }
}

/// Beside a request: there is no descriptor for its connection to stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct NoDescriptor;

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
            Ok(Route::Source(found)) => found.picking(request::parameters(request, "source")),
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
        let wants = asked.wants;
        match access_check::check(snapshot, &asked) {
            Checked::In(grant) => match self.serve(asked, grant) {
                Served::Now(outcome) => Decision::Now(outcome),
                Served::Later(waiting) => Decision::Later(Box::new(Deferred::Waiting(waiting))),
                Served::Reading(reading) => Decision::Later(Box::new(Deferred::Reading(reading, wants))),
                // The snapshot is older than what holds now.
                Served::Gone => self.handle(&self.snapshot.load(), request, peer),
            },
            Checked::Out(response) => answered(response),
            Checked::Later(check) => Decision::Later(Box::new(Deferred::Checked(check))),
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
    pub(super) fn serve(&self, asked: Asked<'_>, grant: Option<Arc<Grant>>) -> Served {
        let Asked { request, found, .. } = &asked;
        let wanted = match Wanted::of(request, &found.source()) {
            Ok(wanted) => wanted,
            Err(bad) => {
                self.refused(RefuseReason::BadRequest);
                return served(response::bad_query(request, &found.source(), &bad));
            }
        };
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
            (_, SourceMatch::Combined(combined, Some(Err(unknown)))) => {
                self.refused(RefuseReason::BadRequest);
                let said = unknown.to_string();
                served(response::bad_query(request, &combined.settings().load(), &said))
            }
            (Wants::Head, _) => served(response::head(request, &found.source())),
            _ => self.let_in(asked, grant, wanted),
        }
    }

    /// Lets a client in, if there is room.
    fn let_in(&self, asked: Asked<'_>, grant: Option<Arc<Grant>>, wanted: Wanted) -> Served {
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
        let admitted = match request.version() {
            _ if request.extensions().get::<NoDescriptor>().is_some() => Err(RefuseReason::Descriptors),
            Version::HTTP_2 => self.quotas.admit_stream(peer.ip(), grant),
            _ => self.quotas.admit(peer.ip(), grant),
        };
        let permit = match admitted {
            Ok(permit) => permit,
            Err(reason) => return served(self.refuse(request, &found.source(), reason)),
        };
        let protocol = match request.version() {
            Version::HTTP_10 => Protocol::Http10,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http11,
        };
        let newcomer = Newcomer {
            request,
            permit,
            peer,
            wait,
        };
        self.enter(newcomer, found, protocol, wanted)
    }

    /// Counts a client in, wherever what it asks for is.
    fn enter(&self, newcomer: Newcomer<'_>, found: SourceMatch, protocol: Protocol, wanted: Wanted) -> Served {
        let request = newcomer.request;
        let (admission, first) = match found {
            SourceMatch::Plain(channel) => (channel.admit(protocol, wanted.start), None),
            SourceMatch::Combined(combined, picked) => {
                let Some(Ok(picked)) = picked else { return Served::Gone };
                match combined.enter(&picked, protocol, wanted.start) {
                    CombinedOutcome::In(admission) => (admission, None),
                    CombinedOutcome::Gone => return Served::Gone,
                    CombinedOutcome::Full(reason) => {
                        return served(self.refuse(request, &combined.settings().load(), reason));
                    }
                }
            }
            SourceMatch::Templated(templated, Ok(parameters)) => {
                match templated.enter(parameters, protocol, wanted.start) {
                    OpenOutcome::In(admission) => (admission, None),
                    OpenOutcome::Asking(admission, first) => (admission, Some(first)),
                    OpenOutcome::Reading(reading) => return Served::Reading(reading),
                    OpenOutcome::Gone => return Served::Gone,
                    OpenOutcome::Refused(status) => {
                        return served(self.origin_refused(request, &templated.settings().load(), status));
                    }
                    OpenOutcome::Full(reason) => {
                        return served(self.refuse(request, &templated.settings().load(), reason));
                    }
                }
            }
            SourceMatch::Templated(templated, Err(bad)) => {
                return served(self.bad_parameter(request, &templated, bad));
            }
        };
        match (self.filtered(request, admission, wanted.filter), first) {
            (Ok(admission), None) => newcomer.join(admission),
            (Ok(admission), first) => newcomer.later(admission, first, None),
            (Err(refusal), _) => served(refusal),
        }
    }

    /// Where a client gets only what its filter lets through, if there is room for that.
    #[expect(
        clippy::result_large_err,
        reason = "it is moved once per answered request; a box would be an allocation more"
    )]
    fn filtered(
        &self,
        request: &Request<()>,
        admission: Admission,
        filter: Option<Filter>,
    ) -> Result<Admission, Response> {
        let Some(filter) = filter else { return Ok(admission) };
        let source = admission.subscription.channel().settings().snapshot();
        admission
            .filtered(filter, source.filters)
            .map_err(|TooManyFilters| self.refuse(request, &source, RefuseReason::Filters))
    }

    pub(super) fn refuse(&self, request: &Request<()>, source: &Source, reason: RefuseReason) -> Response {
        self.refused(reason);
        response::refusal(request, source, reason)
    }

    pub(super) fn origin_refused(&self, request: &Request<()>, source: &Source, status: StatusCode) -> Response {
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

impl Newcomer<'_> {
    /// In a channel that is open: a stream begins at once, unless the origin has to be asked for
    /// what comes first; a poll waits for news.
    fn join(self, admission: Admission) -> Served {
        let channel = admission.subscription.channel();
        let id = request::last_event_id(self.request);
        let history = match channel.is_open() {
            true => id.and_then(|id| channel.history(&id)),
            false => channel.history(&id.unwrap_or_default()),
        };
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
