//! One request and its response, by hyper: it reads the body, and writes whatever is no event
//! stream.

use super::afterwards::{self, Afterwards};
use super::connection::Connection;
use super::head::{BodyLength, RequestHead};
use super::request_io::{Progress, RequestIo};
use super::response::Response;
use super::watched_client::WatchedClient;
use crate::net::{Phase, Watched};
use crate::proxy::is_event_stream;
use crate::quotas::Quotas;
use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;

/// hyper's smallest bound of a connection's buffer.
const HYPER_BYTES_MIN: usize = 8192;

/// How a request is answered.
pub(crate) enum Exchange {
    /// By this response.
    Response(Box<Response>),
    /// By a function that gets the request with its body.
    Asked {
        by: Asked,
        /// The connection's phase until the response begins.
        phase: Phase,
    },
}

/// Answers a request.
pub(crate) type Asked = Box<dyn FnOnce(Request<Incoming>) -> Answering + Send>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// An answer, and what the connection has to know of it.
pub(crate) struct Answer {
    pub(crate) response: Response,
    pub(crate) afterwards: Option<Afterwards>,
}

impl Answer {
    /// An answer behind which nothing is left to do.
    pub(crate) fn of(response: Response) -> Self {
        let afterwards = None;
        Self { response, afterwards }
    }
}

/// The bounds of an exchange.
pub(crate) struct Terms<'a> {
    pub(crate) header_bytes: usize,
    /// Says whether the process is leaving; `None`: it is not asked (the admin answers to the end).
    pub(crate) quotas: Option<&'a Arc<Quotas>>,
}

impl Terms<'_> {
    fn draining(&self) -> bool {
        self.quotas.is_some_and(|quotas| quotas.draining())
    }
}

impl Exchange {
    fn phase(&self) -> Phase {
        match self {
            Exchange::Response(_) => Phase::Answering,
            Exchange::Asked { phase, .. } => *phase,
        }
    }
}

/// Answers a request. Whether there may be another on this connection.
pub(crate) async fn serve(
    connection: &mut Connection,
    stream: &Watched,
    head: RequestHead,
    exchange: Exchange,
    terms: Terms<'_>,
) -> bool {
    let peer = connection.peer;
    connection.use_for(exchange.phase());
    let (ahead, here) = with_body(head.bytes, head.body, connection);
    let progress = Progress::default();
    let io = RequestIo::new(stream, ahead, head.body, here, &progress);
    let (sender, mut receiver) = oneshot::channel();
    let once = Cell::new(Some((exchange, sender)));
    let service = service_fn(move |request: Request<Incoming>| {
        let once = once.take();
        async move { Ok::<_, Infallible>(answer(once, request).await) }
    });
    // Known before the response's head is written, which says whether it is the last one.
    let draining = terms.draining();
    // Only hyper knows where the chunks end, and with them where the next head begins.
    let keep_alive = head.body != BodyLength::Chunked && !draining;
    let mut http = one_request(terms.header_bytes, keep_alive).serve_connection(io, service);
    let (mut begun, mut closing) = (false, draining);
    let mut client = WatchedClient::new(head.request.version());
    let mut afterwards: Option<Answered> = None;
    let done = poll_fn(|cx| {
        // hyper has to read the request first: it would close a connection without one.
        if std::mem::replace(&mut begun, true) && !closing && terms.draining() {
            // Before the response's head is written, so that it says so.
            Pin::new(&mut http).graceful_shutdown();
            closing = true;
        }
        if let Poll::Ready(done) = Pin::new(&mut http).poll(cx) {
            return Poll::Ready(Some(done));
        }
        if afterwards.is_none() {
            afterwards = receiver.try_recv().ok();
        }
        let is_stream = afterwards.as_ref().is_some_and(|answered| answered.is_stream);
        client
            .poll_left(cx, connection, stream, &progress, is_stream)
            .map(|()| None)
    })
    .await;
    let afterwards = afterwards.or_else(|| receiver.try_recv().ok());
    let parts = http.into_parts();
    match done {
        Some(Ok(())) => {}
        Some(Err(error)) => {
            tracing::debug!(%peer, %error, "connection failed");
            return false;
        }
        None => return false,
    }
    if let Some(afterwards) = afterwards.and_then(|answered| answered.afterwards)
        && afterwards.has_more_to_do()
    {
        afterwards::go_on(afterwards, connection, stream, parts.read_buf).await;
        return false;
    }
    if parts.io.may_go_on() && !closing && !connection.has_to_leave() {
        return true;
    }
    connection.leave(stream).await;
    false
}

/// hyper, for one request.
fn one_request(header_bytes: usize, keep_alive: bool) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The head has been read, within its time, before hyper.
        .header_read_timeout(None)
        .max_buf_size(HYPER_BYTES_MIN.max(header_bytes))
        // A client that has closed its sending half still gets an answer.
        .half_close(true)
        .keep_alive(keep_alive);
    builder
}

/// What is known of an answer that is being written.
struct Answered {
    is_stream: bool,
    afterwards: Option<Afterwards>,
}

async fn answer(once: Option<(Exchange, oneshot::Sender<Answered>)>, request: Request<Incoming>) -> Response {
    match once {
        Some((Exchange::Response(response), _)) => {
            // While its body lives, hyper keeps a second read buffer.
            drop(request);
            *response
        }
        Some((Exchange::Asked { by, .. }, sender)) => {
            let Answer { response, afterwards } = by(request).await;
            let is_stream = is_event_stream(response.headers());
            // The connection may be gone by now.
            let _ = sender.send(Answered { is_stream, afterwards });
            response
        }
        // hyper is given one request alone.
        None => std::future::pending().await,
    }
}

/// A head, and what is here of its body; and how much that is.
fn with_body(head: Bytes, body: BodyLength, connection: &mut Connection) -> (Bytes, usize) {
    let wanted = match body {
        BodyLength::Known(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        BodyLength::Chunked => usize::MAX,
    };
    if wanted == 0 || connection.ahead.is_empty() {
        return (head, 0);
    }
    let begun = connection.ahead.take(wanted);
    let mut both = BytesMut::with_capacity(head.len() + begun.len());
    both.extend_from_slice(&head);
    both.extend_from_slice(&begun);
    (both.freeze(), begun.len())
}
