//! From an accepted connection to a client in a shard, or to an answer by hyper.

use super::decide::{Decision, Opening};
use super::passage::Passage;
use super::router::Router;
use super::socket::{LazySocket, Mode};
use super::waiting::Waiting;
use crate::admission::Admission;
use crate::config::{Config, Limits, Network};
use crate::delivery::{Newcomer, Shards, Socket};
use crate::metrics::{ListenerMetrics, RefuseReason};
use crate::pass::Passes;
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
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// hyper's smallest bound of a connection's buffer.
const HEADER_BYTES_MIN: usize = 8192;

/// What every connection needs.
pub(crate) struct Front {
    pub(super) router: Router,
    shards: Arc<Shards>,
    pub(super) admission: Arc<Admission>,
    metrics: ListenerMetrics,
    limits: Limits,
    pub(super) trusted_proxies: Vec<Network>,
    waiting: Waiting,
    pub(super) passes: Option<Arc<Passes>>,
}

/// Where the service leaves it for who polls the connection.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) mode: Arc<Mode>,
    opening: Mutex<Option<Opening>>,
    /// Of a request that is being passed.
    pub(super) passage: Passage,
}

impl Front {
    pub(crate) fn new(
        config: &Config,
        router: Router,
        shards: Arc<Shards>,
        admission: Arc<Admission>,
        metrics: ListenerMetrics,
        passes: Option<Arc<Passes>>,
    ) -> Self {
        let trusted_proxies = config.trusted_proxies.clone();
        Self {
            router,
            shards,
            admission,
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
    pub(super) fn connection(self: &Arc<Self>, socket: Socket, peer: SocketAddr) {
        self.metrics.opened.increment(1);
        let slot = Arc::new(Slot::default());
        slot.mode.probing.store(true, Ordering::Relaxed);
        let mut handshake: Pin<Box<dyn Future<Output = ()> + Send>> =
            Box::pin(handshake(self.clone(), socket, peer, slot.clone()));
        let now_or_later = handshake.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if now_or_later.is_pending() {
            slot.mode.probing.store(false, Ordering::Relaxed);
            let max = self.admission.handshakes_max();
            if self.waiting.spawn(handshake, slot.mode.clone(), max) {
                self.refused(RefuseReason::HeaderTimeout);
            }
        }
    }
}

async fn handshake(front: Arc<Front>, socket: Socket, peer: SocketAddr, slot: Arc<Slot>) {
    let service = service_fn(|request: Request<Incoming>| {
        // The request ends here: while it lives, hyper keeps a second read buffer.
        let decision = front.decide(request, peer, &slot);
        let slot = &slot;
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
                Err(answer) => Ok::<_, Infallible>(answer),
            }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(front.limits.header_timeout)
        .max_buf_size(front.limits.header_bytes.max(HEADER_BYTES_MIN))
        .serve_connection(LazySocket::new(socket, slot.mode.clone()), service);
    let mut closing = false;
    let opening = poll_fn(|cx| {
        let draining = !closing && front.admission.draining();
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
            if let Err(error) = done {
                front.failed(&error, peer, &slot.mode);
            }
            None
        })
    })
    .await;
    if let Some(opening) = opening {
        // What was pipelined behind the request is dropped with the buffer: who opens an event stream sends nothing more.
        let socket = connection.into_parts().io.into_socket();
        let Opening {
            head,
            framing,
            subscription,
            permit,
            last_event_id,
            peer,
        } = opening;
        if let Some(socket) = socket {
            front.shards.hand_over(Newcomer {
                socket,
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
    }
}

impl Front {
    /// Cuts every connection that is not a shard's.
    pub(crate) fn cut(&self) {
        self.waiting.cut();
    }

    fn failed(&self, error: &hyper::Error, peer: SocketAddr, mode: &Mode) {
        let reason = if error.is_timeout() && mode.was_passed() {
            return tracing::debug!(%peer, "connection unused");
        } else if error.is_timeout() {
            RefuseReason::HeaderTimeout
        } else if error.is_parse() {
            RefuseReason::BadRequest
        } else {
            return tracing::debug!(%peer, %error, "connection failed");
        };
        self.refused(reason);
        tracing::debug!(%peer, %error, reason = reason.label(), "request refused");
    }
}

impl Slot {
    fn leave(&self, opening: Opening) {
        self.mode.taken.store(true, Ordering::Relaxed);
        *self.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
    }

    fn take(&self) -> Option<Opening> {
        // The flag first: one look without a lock for all the polls before.
        let taken = self.mode.taken.load(Ordering::Relaxed);
        taken
            .then(|| self.opening.lock().unwrap_or_else(PoisonError::into_inner).take())
            .flatten()
    }
}
