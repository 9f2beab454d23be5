//! One request and its answer on one connection, HTTP/1.1 or HTTP/2.
//!
//! hyper's connection is a future of its own. It is polled wherever the answer is polled, so a read
//! wakes one task and not two, and nothing outlives the answer: dropping it closes the connection.
//! Only HTTP/2 needs tasks of its own; they live in a set that the answer owns.

use super::connect::{Io, within};
use super::interim::Interim;
use super::spoken::{Overheard, Spoken};
use super::{Failure, Reason};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, http};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Largest response head, and largest piece of body that is read at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// What an HTTP/2 origin may send before we take it, in bytes: per stream and connection, of which
/// there is one each.
const HTTP2_WINDOW_BYTES: u32 = 256 * 1024;

/// The connection's own future. Its error comes out of the answer, too.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer whose body is still to be read.
pub(super) struct Answer {
    /// Status and headers.
    pub(super) head: http::response::Parts,
    /// The body, which drives the connection.
    pub(super) body: AnswerBody,
}

/// A body that drives its connection.
pub(super) struct AnswerBody {
    incoming: Incoming,
    connection: Connection,
}

/// What must be polled, and kept, while an answer is read.
struct Connection {
    /// `None`: it has come to its end.
    driver: Option<Driver>,
    /// While it lives, the connection does not take itself for idle.
    _sender: Sender,
    _tasks: Option<Tasks>,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// Sends the request and waits for the response head.
pub(super) async fn exchange(
    io: Box<dyn Io>,
    request: Request<Empty<Bytes>>,
    http2: bool,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let mut request = request;
    let (io, spoken) = Overheard::new(io, Interim::to(&mut request));
    let answered = async {
        let mut connection = if http2 {
            open_http2(io).await?
        } else {
            open_http1(io).await?
        };
        let response = connection
            .send(request)
            .await
            .map_err(|error| before_the_head(&error))?;
        let (head, incoming) = response.into_parts();
        Ok(Answer {
            head,
            body: AnswerBody { incoming, connection },
        })
    };
    within(deadline, "no response head", answered).await.map_err(|failure| {
        match spoken.get().and_then(|spoken: &Spoken| spoken.instead_of(http2)) {
            Some(wrong) => Failure::new(Reason::Protocol, wrong),
            None => failure,
        }
    })
}

async fn open_http1(io: Overheard) -> Result<Connection, Failure> {
    let (sender, connection) = http1::Builder::new()
        // Endless heads end here.
        .max_buf_size(READ_BYTES_MAX)
        // Origins that compare names by case expect them as documents write them.
        .title_case_headers(true)
        // As browsers do: one bad line of a head is no reason to refuse the stream.
        .ignore_invalid_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| before_the_head(&error))?;
    let driver: Driver = Box::pin(async move {
        let _ = connection.await;
    });
    Ok(Connection {
        driver: Some(driver),
        _sender: Sender::Http1(sender),
        _tasks: None,
    })
}

async fn open_http2(io: Overheard) -> Result<Connection, Failure> {
    let tasks = Tasks::default();
    let (sender, connection) = http2::Builder::new(tasks.executor())
        .timer(TokioTimer::new())
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES)
        // Endless heads end here.
        .max_header_list_size(READ_BYTES_MAX as u32)
        .handshake(TokioIo::new(io))
        .await
        .map_err(|error| before_the_head(&error))?;
    let driver: Driver = Box::pin(async move {
        let _ = connection.await;
    });
    Ok(Connection {
        driver: Some(driver),
        _sender: Sender::Http2(sender),
        _tasks: Some(tasks),
    })
}

impl Connection {
    async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let driver = &mut self.driver;
        match &mut self._sender {
            Sender::Http1(sender) => drive(driver, sender.send_request(request)).await,
            Sender::Http2(sender) => drive(driver, sender.send_request(request)).await,
        }
    }
}

/// Polls what is asked for, and the connection that brings it.
async fn drive<T>(driver: &mut Option<Driver>, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    poll_fn(|cx| alongside(driver, cx, |cx| wanted.as_mut().poll(cx))).await
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

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, connection } = &mut *self;
        alongside(&mut connection.driver, cx, |cx| Pin::new(&mut *incoming).poll_frame(cx))
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

/// What went wrong before there was a response head.
fn before_the_head(error: &hyper::Error) -> Failure {
    if error.is_incomplete_message() {
        return Failure::new(Reason::Protocol, "the connection was closed without an answer");
    }
    let reason = match io_error(error) {
        // In TLS 1.3, an origin that refuses our certificate says so after the handshake.
        Some(io) if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Reason::Tls,
        Some(io) if is_of_http(io) => Reason::Protocol,
        Some(_) => Reason::Reset,
        None => Reason::Protocol,
    };
    Failure::new(reason, described(error))
}

/// What went wrong inside a body.
pub(super) fn in_the_body(error: &hyper::Error) -> Failure {
    let reason = match io_error(error) {
        Some(io) if is_of_http(io) => Reason::Protocol,
        _ => Reason::Reset,
    };
    Failure::new(reason, described(error))
}

/// Whether it is about what was said, and not about the connection: so hyper calls chunks that
/// can't be parsed, and have no end.
fn is_of_http(error: &io::Error) -> bool {
    let is_of_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    !is_of_tls && matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// The I/O error behind it, if there is one.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// An error with its causes, in one line.
fn described(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
