//! From an accepted connection to a client in a shard, or to an answer by hyper.

use super::decide::{Decision, Opening};
use super::passage::Passage;
use super::request::RawLastEventId;
use super::router::Router;
use super::socket::{LazySocket, Mode};
use super::unreadable::{self, Mended};
use super::waiting::Waiting;
use crate::config::{Config, Limits, Network};
use crate::delivery::{NewClient, Shards};
use crate::metrics::{ListenerMetrics, RefuseReason};
use crate::net::{Accepted, Stream};
use crate::proxy::Proxy;
use crate::quotas::Quotas;
use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// hyper's smallest bound of a connection's buffer.
const HEADER_BYTES_MIN: usize = 8192;

/// What every connection needs.
pub(crate) struct Front {
    pub(super) router: Router,
    shards: Arc<Shards>,
    pub(super) quotas: Arc<Quotas>,
    metrics: ListenerMetrics,
    limits: Limits,
    pub(super) trusted_proxies: Vec<Network>,
    waiting: Waiting,
    pub(super) passes: Option<Arc<Proxy>>,
}

/// Where the service leaves it for who polls the connection.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) mode: Arc<Mode>,
    opening: Mutex<Option<Opening>>,
    /// Of a request that is being passed.
    pub(super) passage: Passage,
    /// Of the next request, where its header can't hold it.
    last_event_id: Mutex<Option<RawLastEventId>>,
}

impl Front {
    pub(crate) fn new(
        config: &Config,
        router: Router,
        shards: Arc<Shards>,
        quotas: Arc<Quotas>,
        metrics: ListenerMetrics,
        passes: Option<Arc<Proxy>>,
    ) -> Self {
        let trusted_proxies = config.trusted_proxies.clone();
        Self {
            router,
            shards,
            quotas,
            metrics,
            limits: config.limits.clone(),
            trusted_proxies,
            waiting: Waiting::default(),
            passes,
        }
    }

    pub(super) fn refused(&self, reason: RefuseReason) {
        self.metrics.refused[reason as usize].increment(1);
    }

    /// Takes up an accepted connection. If its request is here already, it is handled without a task.
    fn take_up(self: &Arc<Self>, stream: Stream, peer: SocketAddr) {
        self.metrics.opened.increment(1);
        let slot = Arc::new(Slot::default());
        slot.mode.probing.store(true, Ordering::Relaxed);
        let mut handshake: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(handshake(self.clone(), stream, peer, slot.clone()));
        let now_or_later = handshake.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if now_or_later.is_pending() {
            slot.mode.probing.store(false, Ordering::Relaxed);
            let max = self.quotas.handshakes_max();
            if self.waiting.spawn(handshake, slot.mode.clone(), max) {
                self.refused(RefuseReason::HeaderTimeout);
            }
        }
    }
}

impl Accepted for Arc<Front> {
    fn connection(&self, stream: Stream, peer: SocketAddr) {
        self.take_up(stream, peer);
    }

    fn starved(&self) {
        self.refused(RefuseReason::Descriptors);
    }
}

async fn handshake(front: Arc<Front>, stream: Stream, peer: SocketAddr, slot: Arc<Slot>) {
    let mut io = LazySocket::new(stream, slot.mode.clone());
    while let Some(again) = serve(&front, io, peer, &slot).await {
        io = again;
    }
}

/// Serves a connection. What is to be served again is returned.
async fn serve(front: &Arc<Front>, io: LazySocket, peer: SocketAddr, slot: &Arc<Slot>) -> Option<LazySocket> {
    let service = service_fn(|mut request: Request<Incoming>| {
        slot.mode.request_is_read();
        if let Some(id) = slot.raw_last_event_id().take() {
            request.extensions_mut().insert(id);
        }
        // The request ends here: while it lives, hyper keeps a second read buffer.
        let decision = front.decide(request, peer, slot);
        async move {
            let outcome = match decision {
                Decision::Now(outcome) => outcome,
                Decision::Later(outcome) => outcome.await,
            };
            match outcome {
                Ok(opening) => {
                    slot.leave(opening);
                    // Nothing is answered here: who polls the connection takes it apart.
                    std::future::pending().await
                }
                Err(answer) => {
                    slot.mode.answer_is_known();
                    Ok::<_, Infallible>(answer)
                }
            }
        }
    });
    let head_bytes_max = front.limits.header_bytes.max(HEADER_BYTES_MIN);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(front.limits.header_timeout)
        .max_buf_size(head_bytes_max)
        .serve_connection(io, service);
    let mut closing = false;
    let mut failure = None;
    let opening = poll_fn(|cx| {
        let draining = !closing && front.quotas.draining();
        if draining && slot.mode.is_passing() {
            // Before its answer's head is written, so that it says so.
            Pin::new(&mut connection).graceful_shutdown();
            closing = true;
        }
        let mut polled = Pin::new(&mut connection).poll(cx);
        if let Some(opening) = slot.take() {
            return Poll::Ready(Some(opening));
        }
        if slot.mode.has_passed() {
            slot.passage.leave();
        }
        if draining && polled.is_pending() && !std::mem::replace(&mut closing, true) {
            // What has been asked is answered, and then the connection ends.
            Pin::new(&mut connection).graceful_shutdown();
            polled = Pin::new(&mut connection).poll(cx);
        }
        polled.map(|done| {
            failure = done.err();
            None
        })
    })
    .await;
    if let Some(opening) = opening {
        // What was pipelined behind the request is dropped with the buffer: who opens an event stream sends nothing more.
        let stream = connection.into_parts().io.into_stream();
        let Opening {
            head,
            framing,
            subscription,
            permit,
            last_event_id,
            peer,
        } = opening;
        if let Some(stream) = stream {
            front.shards.hand_over(NewClient {
                stream,
                head,
                framing,
                subscription,
                permit,
                last_event_id,
                peer,
            });
        }
    } else if slot.passage.goes_on() {
        let parts = connection.into_parts();
        slot.passage.go_on(parts.io, parts.read_buf).await;
    } else if let Some(error) = failure {
        let parts = connection.into_parts();
        return Box::pin(front.failed(&error, parts.io, parts.read_buf, peer, slot)).await;
    }
    None
}

impl Front {
    /// Cuts every connection that is not a shard's.
    pub(crate) fn cut(&self) {
        self.waiting.cut();
    }

    /// What becomes of a connection that has failed: one whose request can be read after all is served again.
    async fn failed(
        &self,
        error: &hyper::Error,
        io: LazySocket,
        read: Bytes,
        peer: SocketAddr,
        slot: &Slot,
    ) -> Option<LazySocket> {
        let mut refusal = None;
        if let Some(status) = slot.mode.unreadable() {
            match unreadable::mend(io, read, &self.limits).await {
                (io, Ok(Mended { ahead, last_event_id })) => {
                    slot.mode.can_be_read_after_all();
                    *slot.raw_last_event_id() = Some(last_event_id);
                    return Some(io.with_ahead(ahead));
                }
                (io, Err(read)) => refusal = Some((io, status, read)),
            }
        }
        let reason = if error.is_timeout() && slot.mode.was_passed() {
            tracing::debug!(%peer, "connection unused");
            return None;
        } else if error.is_timeout() {
            RefuseReason::HeaderTimeout
        } else if error.is_parse() {
            RefuseReason::BadRequest
        } else {
            tracing::debug!(%peer, %error, "connection failed");
            return None;
        };
        self.refused(reason);
        tracing::debug!(%peer, %error, reason = reason.label(), "request refused");
        if let Some((io, status, read)) = refusal {
            unreadable::refuse(io, &slot.mode, status, &read).await;
        }
        None
    }
}

impl Slot {
    fn leave(&self, opening: Opening) {
        self.mode.taken.store(true, Ordering::Relaxed);
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
    }

    fn raw_last_event_id(&self) -> MutexGuard<'_, Option<RawLastEventId>> {
        self.last_event_id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Opening> {
        // The flag first: one look without a lock for all the polls before.
        let taken = self.mode.taken.load(Ordering::Relaxed);
        taken
            .then(|| self.opening.lock().unwrap_or_else(PoisonError::into_inner).take())
            .flatten()
    }
}
