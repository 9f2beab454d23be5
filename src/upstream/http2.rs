//! One request and its answer on an HTTP/2 connection of its own, by hyper.
//!
//! hyper's connection is a future of its own. It is polled wherever the answer is polled, so a read
//! wakes one task and not two, and nothing outlives the answer: dropping it closes the connection.
//! The tasks that it needs live in a set that the answer owns.

use super::Failure;
use super::Reason;
use super::failed::{before_the_head_of_http2, in_the_body_of_http2};
use super::interim::Interim;
use super::io::Io;
use super::spoken::{Overheard, Spoken};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::http::response::Parts;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use tokio::task::JoinSet;

/// Largest response head, in bytes.
const HEAD_BYTES_MAX: u32 = 64 * 1024;

/// What an origin may send before we take it, in bytes: per stream and connection, of which there
/// is one each.
const WINDOW_BYTES: u32 = 256 * 1024;

/// The connection's own future. Its error comes out of the answer, too.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body that drives its connection.
pub(super) struct Http2Body {
    incoming: Incoming,
    connection: Connection,
}

/// What must be polled, and kept, while an answer is read.
struct Connection {
    /// `None`: it has come to its end.
    driver: Option<Driver>,
    /// While it lives, the connection does not take itself for idle.
    sender: SendRequest<Empty<Bytes>>,
    _tasks: Tasks,
}

/// Sends the request and waits for the response head.
pub(super) async fn exchange(io: Io, request: Request<Empty<Bytes>>) -> Result<(Parts, Http2Body), Failure> {
    let mut request = request;
    let (io, spoken) = Overheard::new(io, Interim::to(&mut request));
    let answered = async {
        let mut connection = open(io).await?;
        let response = connection.send(request).await?;
        let (head, incoming) = response.into_parts();
        Ok((head, Http2Body { incoming, connection }))
    };
    answered.await.map_err(|error: hyper::Error| {
        match spoken.get().and_then(|spoken: &Spoken| spoken.instead_of(true)) {
            Some(wrong) => Failure::new(Reason::Protocol, wrong),
            None => before_the_head_of_http2(&error),
        }
    })
}

async fn open(io: Overheard<Io>) -> hyper::Result<Connection> {
    let tasks = Tasks::default();
    let (sender, connection) = http2::Builder::new(tasks.executor())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        // Endless heads end here.
        .max_header_list_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(io))
        .await?;
    let driver: Driver = Box::pin(async move {
        let _ = connection.await;
    });
    Ok(Connection {
        driver: Some(driver),
        sender,
        _tasks: tasks,
    })
}

impl Connection {
    /// Polls what is asked for, and the connection that brings it.
    async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let Self { driver, sender, .. } = self;
        let mut wanted = pin!(sender.send_request(request));
        poll_fn(|cx| alongside(driver, cx, |cx| wanted.as_mut().poll(cx))).await
    }
}

/// One poll: first what is wanted, since that tells the connection what to read; then the
/// connection; then what it brought.
fn alongside<T>(
    driver: &mut Option<Driver>,
    cx: &mut Context<'_>,
    mut wanted: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if let Poll::Ready(done) = wanted(cx) {
        return Poll::Ready(done);
    }
    match driver {
        Some(running) => {
            if running.as_mut().poll(cx).is_ready() {
                *driver = None;
            }
            wanted(cx)
        }
        None => Poll::Pending,
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Self { incoming, connection } = &mut *self;
        let frame = alongside(&mut connection.driver, cx, |cx| Pin::new(&mut *incoming).poll_frame(cx));
        frame.map_err(|error| in_the_body_of_http2(&error))
    }
}

/// The tasks that HTTP/2 needs: they end with this.
#[derive(Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// Spawns into [`Tasks`]. Weak, since the tasks themselves hold it: they must not keep their own
/// set alive.
#[derive(Clone)]
struct TasksExecutor(Weak<Mutex<JoinSet<()>>>);

impl Tasks {
    fn executor(&self) -> TasksExecutor {
        TasksExecutor(Arc::downgrade(&self.0))
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for TasksExecutor {
    fn execute(&self, task: F) {
        // No set any more: the connection is gone, and the task with it.
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}
