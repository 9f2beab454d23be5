//! What becomes of a request: it opens an event stream, or is answered.

use super::answer::{self, Answer};
use super::handshake::{Front, Slot};
use super::request::{self, Wants};
use super::router::{Found, Route};
use super::socket::Mode;
use super::{long_poll, stream_head};
use crate::channel::Subscription;
use crate::delivery::Framing;
use crate::metrics::{Protocol, RefuseReason};
use crate::path::BadParameter;
use crate::quotas::ClientPermit;
use crate::source::{OpenOutcome, Templated};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Request, StatusCode, Version};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// A poll that hardly waits learns all the same that the origin has no such job, if that is known this soon.
const FIRST_ANSWER_MIN: Duration = Duration::from_secs(1);

/// A request that opens an event stream, once it is in.
pub(super) struct Opening {
    pub(super) head: Bytes,
    pub(super) framing: Framing,
    pub(super) subscription: Subscription,
    pub(super) permit: ClientPermit,
    pub(super) last_event_id: Option<Bytes>,
    pub(super) peer: SocketAddr,
}

/// What becomes of a request: it leaves an opening, or is answered.
pub(super) type Outcome = Result<Opening, Answer>;

/// When that is known.
pub(super) enum Decision {
    Now(Outcome),
    /// After somebody else has been asked.
    Later(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

/// A client that may come in, where it comes from, and its request without the body.
struct Admitted {
    request: Request<()>,
    permit: ClientPermit,
    peer: SocketAddr,
}

impl Front {
    /// Decides on a request.
    pub(super) fn decide(self: &Arc<Self>, request: Request<Incoming>, peer: SocketAddr, slot: &Arc<Slot>) -> Decision {
        let path = request.uri().path();
        let found = match self.router.route(path, self.passes.as_ref()) {
            Ok(Route::Source(found)) => found,
            Ok(Route::Proxy(proxy, at)) => return self.pass(proxy.clone(), at, request, peer, slot),
            Ok(Route::Nothing) => {
                self.refused(RefuseReason::NotFound);
                return Decision::Now(Err(answer::not_found(path)));
            }
            Err(bad) => {
                self.refused(RefuseReason::BadRequest);
                return Decision::Now(Err(answer::problem(StatusCode::BAD_REQUEST, &bad.to_string())));
            }
        };
        // While its body lives, hyper keeps a second read buffer.
        let request = request.map(drop);
        let wants = request::wants(&request);
        if matches!(wants, Wants::Stream | Wants::Poll | Wants::Head)
            && let Some(channel) = found.channel()
            && channel.end().is_some()
            && channel.is_over_for(request::last_event_id(&request).as_deref())
        {
            return Decision::Now(Err(answer::ended(&request, found.source())));
        }
        let answer = match wants {
            Wants::Stream | Wants::Poll => return self.let_in(request, peer, found, wants, slot),
            Wants::Head => match found {
                Found::Templated(templated, Err(bad)) => self.bad_parameter(&request, &templated, bad),
                _ => answer::head(&request, found.source()),
            },
            Wants::Preflight => answer::preflight(&request, found.source()),
            Wants::OtherMethod => self.refuse(&request, &found, RefuseReason::Method),
            Wants::OtherType => self.refuse(&request, &found, RefuseReason::NotAcceptable),
        };
        Decision::Now(Err(answer))
    }

    fn refuse(&self, request: &Request<()>, found: &Found, reason: RefuseReason) -> Answer {
        self.refused(reason);
        answer::refusal(request, found.source(), reason)
    }

    fn bad_parameter(&self, request: &Request<()>, templated: &Templated, bad: BadParameter) -> Answer {
        self.refused(RefuseReason::BadRequest);
        answer::bad_parameter(request, templated.source(), bad)
    }

    /// Lets a client in, if there is room.
    fn let_in(
        self: &Arc<Self>,
        request: Request<()>,
        peer: SocketAddr,
        found: Found,
        wants: Wants,
        slot: &Slot,
    ) -> Decision {
        let wait = match wants {
            Wants::Poll => match long_poll::wait(request::parameter(&request, "wait").as_deref()) {
                Some(wait) => Some(wait),
                None => {
                    self.refused(RefuseReason::BadRequest);
                    return Decision::Now(Err(answer::bad_wait(&request, found.source())));
                }
            },
            _ => None,
        };
        let peer = request::client_address(&request, peer, &self.trusted_proxies);
        let permit = match self.quotas.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(reason) => return Decision::Now(Err(self.refuse(&request, &found, reason))),
        };
        let protocol = match request.version() {
            Version::HTTP_10 => Protocol::Http10,
            _ => Protocol::Http11,
        };
        let (templated, parameters) = match found {
            Found::Plain(channel) => {
                let admitted = Admitted { request, permit, peer };
                return self.serve(admitted, channel.subscribe(protocol), wait, &slot.mode);
            }
            Found::Templated(templated, Ok(parameters)) => (templated, parameters),
            Found::Templated(templated, Err(bad)) => {
                return Decision::Now(Err(self.bad_parameter(&request, &templated, bad)));
            }
        };
        let origin_refused = {
            let (front, source) = (self.clone(), templated.source().clone());
            move |request: &Request<()>, status| {
                front.refused(RefuseReason::Origin);
                answer::origin_refused(request, &source, status)
            }
        };
        Decision::Now(match templated.enter(parameters, protocol) {
            OpenOutcome::In(subscription) => {
                return self.serve(Admitted { request, permit, peer }, subscription, wait, &slot.mode);
            }
            OpenOutcome::Refused(status) => Err(origin_refused(&request, status)),
            OpenOutcome::Full => {
                self.refused(RefuseReason::Channels);
                Err(answer::refusal(&request, templated.source(), RefuseReason::Channels))
            }
            OpenOutcome::Asking(subscription, first) => {
                let (admitted, front) = (Admitted { request, permit, peer }, self.clone());
                let (mode, waits) = (slot.mode.clone(), slot.mode.passing());
                return Decision::Later(Box::pin(async move {
                    let _waits = waits;
                    let asked = Instant::now();
                    let refused = match wait {
                        Some(wait) => timeout(wait.max(FIRST_ANSWER_MIN), first.wait()).await.ok().flatten(),
                        None => first.wait().await,
                    };
                    if let Some(status) = refused {
                        return Err(origin_refused(&admitted.request, status));
                    }
                    let wait = wait.map(|wait| wait.saturating_sub(asked.elapsed()));
                    match front.serve(admitted, subscription, wait, &mode) {
                        Decision::Now(outcome) => outcome,
                        Decision::Later(outcome) => outcome.await,
                    }
                }));
            }
        })
    }
}

impl Front {
    /// Serves a client that is in a channel: a stream, or where it can `wait` so long, what is new.
    fn serve(
        self: &Arc<Self>,
        admitted: Admitted,
        subscription: Subscription,
        wait: Option<Duration>,
        mode: &Arc<Mode>,
    ) -> Decision {
        let Some(wait) = wait else {
            return Decision::Now(admitted.join(subscription));
        };
        // It waits for the origin, not with its request: it has a place of its own.
        let (front, waits) = (self.clone(), mode.passing());
        Decision::Later(Box::pin(async move {
            let _waits = waits;
            let Admitted { request, permit, .. } = admitted;
            let last_event_id = request::last_event_id(&request);
            let channel = subscription.channel();
            if channel.is_over_for(last_event_id.as_deref()) {
                return Err(answer::ended(&request, channel.source()));
            }
            let news = long_poll::news(channel, last_event_id, wait, front.quotas.leaving()).await;
            drop(permit);
            Err(answer::news(&request, channel.source(), &news))
        }))
    }
}

impl Admitted {
    /// Leaves an opening, unless the stream has ended.
    #[expect(
        clippy::result_large_err,
        reason = "it is moved once per answered request; a box would be an allocation more"
    )]
    fn join(self, subscription: Subscription) -> Outcome {
        let Self { request, permit, peer } = self;
        let channel = subscription.channel();
        let last_event_id = request::last_event_id(&request);
        if channel.end().is_some() && channel.is_over_for(last_event_id.as_deref()) {
            return Err(answer::ended(&request, channel.source()));
        }
        Ok(Opening {
            head: stream_head::bytes(&request, channel.source()),
            framing: match request.version() {
                Version::HTTP_10 => Framing::Plain,
                _ => Framing::Chunked,
            },
            subscription,
            permit,
            last_event_id,
            peer,
        })
    }
}
