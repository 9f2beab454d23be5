//! A small HTTP/1.1 server on a thread and runtime of its own: the admin listener, and the demo's
//! origin.
//!
//! It is apart from the data path on purpose: no load there delays an answer here. Its connections
//! are accepted and read as clients' are (`net`, `http/connection.rs`): heads are bounded, and
//! connections that say nothing are let go when others come. Running out of descriptors pauses
//! accepting and never ends it. Dropping the [`Server`] closes the listener and every connection,
//! and waits for the thread.

pub(crate) mod response;

use crate::http::connection::{Connection, HeadLimits, Next};
use crate::http::exchange::{self, Answer, Exchange, Terms};
use crate::http::head::ReadAhead;
use crate::net::{Accepted, Askers, Listener, PendingConnections, Phase, Stream, Watched, accept, watch};
use crate::quotas::Descriptors;
use hyper::body::Incoming;
use response::Response;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

const HEAD_LIMITS: HeadLimits = HeadLimits {
    header_timeout: Duration::from_secs(10),
    // Longer than the 60 s between the scrapes of a patient Prometheus, so that it can keep its
    // connection.
    keep_alive: Duration::from_secs(75),
    // Browsers' cookies for `localhost` included.
    header_bytes: 16 * 1024,
};

/// The part of all connections that makes room together when there is no place for another one.
const ROOM_PART: usize = 8;

type Close = (oneshot::Sender<()>, std::sync::mpsc::Receiver<()>);

/// How long closing the listener may take: the thread has to come round to it.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);

/// What differs between the servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at one time. Before there are more, others are let go.
    pub(crate) connections: usize,
    /// Whether an answer that has begun may be broken off for another connection; not where answers
    /// have no end.
    pub(crate) askers: Askers,
}

/// What answers.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn handle(&self, request: hyper::Request<Incoming>) -> impl Future<Output = Response> + Send;

    /// Runs beside the server on its runtime until it returns or the server ends.
    fn background(&self) -> impl Future<Output = ()> + Send;
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    /// Dropping the sender is the signal.
    stop: Option<oneshot::Sender<()>>,
    /// The same for the listener alone, and what tells that it is closed.
    close: Mutex<Option<Close>>,
    /// Of its connections.
    descriptors: Arc<Descriptors>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on `listener`, on a thread called `name`.
    pub(crate) fn start<H: Handler>(
        name: &str,
        listener: Listener,
        limits: Limits,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let addr = listener.address().ok_or(io::ErrorKind::Unsupported)?;
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (close, closed) = oneshot::channel::<()>();
        let (tell_closed, is_closed) = std::sync::mpsc::channel();
        let (ready, started) = std::sync::mpsc::channel();
        let descriptors = Arc::new(Descriptors::of(limits.connections));
        let budget = descriptors.clone();
        // The runtime is made on its thread, because it must not be dropped on one that drives
        // another runtime.
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let (runtime, listener) = match enter(listener) {
                Ok(entered) => entered,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            runtime.block_on(async move {
                let background = Arc::clone(&handler);
                tokio::spawn(async move { background.background().await });
                let connections = Connections::new(handler, limits, &budget);
                tokio::select! {
                    ended = accept(listener, connections, budget) => {
                        tracing::error!(?ended, "nothing is accepted any more");
                    }
                    // The senders never send: this is their being dropped.
                    _ = closed => {}
                    _ = &mut stopped => return,
                }
                // The one that closes it may have gone on.
                let _ = tell_closed.send(());
                // Who has asked gets an answer.
                let _ = stopped.await;
            });
            // Dropping the runtime drops every connection's task, and with it the socket.
        })?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread has panicked")))?;
        Ok(Self {
            addr,
            stop: Some(stop),
            close: Mutex::new(Some((close, is_closed))),
            descriptors,
            thread: Some(thread),
        })
    }

    /// Whether it has no connection. One that is kept for the next request counts.
    pub(crate) fn is_idle(&self) -> bool {
        self.descriptors.are_free()
    }

    /// Closes the listener, and waits until it is. The connections that there are stay.
    pub(crate) fn close(&self) {
        let close = self.close.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((close, is_closed)) = close {
            drop(close);
            // A thread that is gone has closed it too.
            let _ = is_closed.recv_timeout(CLOSED_WITHIN);
        }
    }

    /// The address that is listened on.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook; one more here would abort the
            // process.
            let _ = thread.join();
        }
    }
}

/// A runtime, and the listener registered with it.
fn enter(listener: Listener) -> io::Result<(tokio::runtime::Runtime, tokio::io::unix::AsyncFd<Listener>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // New connections are seen after each answer, and not after all that are due.
        .event_interval(1)
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        watch(listener)?
    };
    Ok((runtime, listener))
}

/// The connections of a server.
struct Connections<H> {
    handler: Arc<H>,
    pending: PendingConnections,
    pending_max: usize,
    room_at_once: usize,
}

impl<H: Handler> Connections<H> {
    fn new(handler: Arc<H>, limits: Limits, budget: &Descriptors) -> Self {
        Self {
            handler,
            pending: PendingConnections::new(limits.askers),
            pending_max: budget.pending_max(),
            room_at_once: limits.connections.div_ceil(ROOM_PART),
        }
    }
}

impl<H: Handler> Accepted for Connections<H> {
    fn connection(&self, stream: Stream, peer: SocketAddr) {
        let connection = Connection::new(peer, ReadAhead::default());
        let phase = connection.phase();
        let task = serve(self.handler.clone(), connection, stream);
        self.pending.spawn(task, phase, self.pending_max);
    }

    fn make_room(&self) {
        self.pending.make_room(self.room_at_once);
    }
}

/// Serves a connection to its end. Its failures are not logged: the peer causes them, and sees
/// them.
async fn serve<H: Handler>(handler: Arc<H>, mut connection: Connection, stream: Stream) {
    let Ok(stream) = Watched::new(stream) else { return };
    loop {
        let head = match connection.next(&stream, HEAD_LIMITS).await {
            Next::Request(head) => *head,
            Next::Malformed(refused) => return connection.refuse(&stream, refused).await,
            // Not told apart here: it would be no request line.
            Next::Http2 | Next::NotProxied(_) | Next::TooLate | Next::Nothing => return,
        };
        let handler = handler.clone();
        let asked = Exchange::Asked {
            by: Box::new(move |request| Box::pin(async move { Answer::of(handler.handle(request).await) })),
            phase: Phase::Answering,
        };
        let terms = Terms {
            header_bytes: HEAD_LIMITS.header_bytes,
            quotas: None,
        };
        if !exchange::serve(&mut connection, &stream, head, asked, terms).await {
            return;
        }
    }
}
