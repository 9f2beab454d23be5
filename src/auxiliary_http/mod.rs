//! A small HTTP/1.1 server on a thread and runtime of its own: the admin listener, and the demo's origin.
//!
//! It is apart from the data path on purpose: no load there delays an answer here. Everything is bounded: connections,
//! the time for a request's head (which is also how long a connection may stay idle), the head's size, and, where the
//! answers are short, a connection's age, which bounds a peer that reads nothing. Running out of descriptors pauses
//! accepting and never ends it. Dropping the [`Server`] closes the listener and every connection, and waits for the
//! thread.

pub(crate) mod response;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use response::Response;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

/// From the connection's opening, or the last answer, to the end of the next request head. Longer than the 15 s
/// between the scrapes of a common Prometheus, so that it can keep its connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Read buffer, and so the largest request head: browsers' cookies for `localhost` included.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// From the end of a connection's age to its being cut: time for the answer that is under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failure that is ours (no descriptor, no memory) and not the peer's.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// What differs between the servers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at one time; the next ones wait in the kernel's queue.
    pub(crate) connections: usize,
    /// When a connection is closed after the answer that is under way; `None` where answers have no end.
    pub(crate) connection_age: Option<Duration>,
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
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on `listener`, on a thread called `name`.
    pub(crate) fn start<H: Handler>(
        name: &str,
        listener: TcpListener,
        limits: Limits,
        handler: Arc<H>,
    ) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = std::sync::mpsc::channel();
        // The runtime is made on its thread, because it must not be dropped on one that drives another runtime.
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let (runtime, listener) = match enter(listener) {
                Ok(entered) => entered,
                Err(error) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            runtime.block_on(async move {
                let background = Arc::clone(&handler);
                tokio::spawn(async move { background.background().await });
                tokio::select! {
                    never = accept_all(&listener, limits, &handler) => match never {},
                    // The sender never sends: this is its being dropped.
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops every connection's task, and with it the socket.
        })?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the thread has panicked")))?;
        Ok(Self {
            addr,
            stop: Some(stop),
            thread: Some(thread),
        })
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
            // A panic there has been reported by the panic hook; one more here would abort the process.
            let _ = thread.join();
        }
    }
}

/// A runtime, and the listener registered with it.
fn enter(listener: TcpListener) -> io::Result<(tokio::runtime::Runtime, tokio::net::TcpListener)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    Ok((runtime, listener))
}

async fn accept_all<H: Handler>(listener: &tokio::net::TcpListener, limits: Limits, handler: &Arc<H>) -> Infallible {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut failing = false;
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        match listener.accept().await {
            Ok((socket, _)) => {
                failing = false;
                let handler = Arc::clone(handler);
                tokio::spawn(async move {
                    serve(socket, limits, &*handler).await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Once per burst: this can go on for as long as another part of the process holds the descriptors.
                if !failing {
                    tracing::warn!(%error, "can't accept connections, trying again");
                    failing = true;
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The peer went away between its connecting and our accepting (accept(2)): the next one may well be there.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn serve<H: Handler>(socket: TcpStream, limits: Limits, handler: &H) {
    // Answers are written as a whole. Where it fails the connection is gone, and reading will say so.
    let _ = socket.set_nodelay(true);
    let service = service_fn(|request| async { Ok::<_, Infallible>(handler.handle(request).await) });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        // A client that closes its sending half has left: streams are ended at once and not at the next write.
        .half_close(false)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    // A connection's failure is not logged: the peer causes it, and sees it.
    let Some(age) = limits.connection_age else {
        let _ = connection.await;
        return;
    };
    tokio::select! {
        _ = connection.as_mut() => {}
        () = tokio::time::sleep(age) => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection).await;
        }
    }
}
