//! The connections to the origins: reused, bounded, and given up on.

use super::failure::Failure;
use super::request_body::{RequestBody, RequestBodyState};
use crate::config::UpstreamTls;
use crate::upstream::{self, Interim, Io, Reason, Url};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Name, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// From the last byte of the request that moved to the response head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an unused connection is kept: less than the shortest of the common defaults of servers
/// (Node: 5 s), so that a request seldom meets a connection that is just being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Unused connections kept for each origin.
const IDLE_MAX: usize = 64;

/// How often a request is sent again that met a connection which was just being closed: all that
/// are unused can be.
const RETRIES_MAX: usize = 3;

/// Largest response head, and largest piece of body that is read at once, in bytes.
const READ_BYTES_MAX: usize = 64 * 1024;

/// Reads before other tasks have their turn. What is read may be passed over (interim answers), so
/// that nothing else ends a connection's turn; the runtime would after 128 reads.
const READS_PER_TURN: u32 = 4;

/// All connections to origins. Dropping it closes those that are not in use.
pub(super) struct Origins {
    client: Client<Connector, RequestBody>,
}

impl Origins {
    pub(super) fn new() -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            // `Host` is the client's (`request.rs`).
            .set_host(false)
            // Endless heads end here.
            .http1_max_buf_size(READ_BYTES_MAX)
            // Origins that compare names by case expect them as documents write them.
            .http1_title_case_headers(true)
            // RFC 9112, 5.1 and 5.2: a proxy repairs these two.
            .http1_allow_spaces_after_header_name_in_responses(true)
            .http1_allow_obsolete_multiline_headers_in_responses(true)
            .build(Connector);
        Self { client }
    }

    /// Sends a request, and waits for the response head. A request that was not sent, because the
    /// connection that it was meant for was closed while unused, is sent on another; `again`: and
    /// so is this one, if that happened on the way.
    pub(super) async fn ask(
        &self,
        request: Request<RequestBody>,
        body_state: &Arc<RequestBodyState>,
        again: Option<&Parts>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = request;
        for _ in 0..RETRIES_MAX {
            let error = match self.try_ask(request, body_state).await? {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let Some(parts) = again.filter(|parts| is_safe(&parts.method) && was_cut_unanswered(&error)) else {
                return Err(match body_state.is_broken() {
                    true => Failure::BadRequest("the request's body can't be read"),
                    false => failure(&error),
                });
            };
            request = Request::from_parts(parts.clone(), RequestBody::new(None, body_state.clone()));
        }
        self.try_ask(request, body_state)
            .await?
            .map_err(|error| failure(&error))
    }

    async fn try_ask(
        &self,
        request: Request<RequestBody>,
        body_state: &RequestBodyState,
    ) -> Result<Result<Response<Incoming>, legacy::Error>, Failure> {
        let began = Instant::now();
        let mut request = request;
        let interim = Interim::to(&mut request);
        let mut asked = self.client.request(request);
        loop {
            let deadline = body_state.moved().max(began) + HEAD_TIMEOUT;
            let answered = async {
                tokio::select! {
                    answered = &mut asked => Ok(answered),
                    () = interim.too_many() => Err(Failure::Origin(Interim::TOO_MANY.to_owned())),
                }
            };
            match timeout_at(deadline, answered).await {
                Ok(answered) => {
                    let answered = answered?;
                    if let Ok(response) = &answered
                        && let Some(used) = response.extensions().get::<Used>()
                    {
                        used.0.store(true, Ordering::Relaxed);
                    }
                    return Ok(answered);
                }
                Err(_) if body_state.moved() + HEAD_TIMEOUT > Instant::now() => {}
                Err(_) if body_state.waits_for_client() => return Err(Failure::ClientTimeout),
                Err(_) => return Err(Failure::OriginTimeout("no response head in time".to_owned())),
            }
        }
    }
}

/// RFC 9110, 9.2.1: asking twice does what asking once does.
fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a connection that had been used before was closed without a byte of an answer: it was
/// closed for being idle, as the request was on its way.
fn was_cut_unanswered(error: &legacy::Error) -> bool {
    let Some(connected) = error.connect_info() else {
        return false;
    };
    let mut extras = hyper::http::Extensions::new();
    connected.get_extras(&mut extras);
    let was_used = extras.get::<Used>().is_some_and(|used| used.0.load(Ordering::Relaxed));
    was_used
        && causes(error).any(|cause| {
            cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_incomplete_message)
                || cause.downcast_ref::<io::Error>().is_some_and(|error| {
                    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
                })
        })
}

fn failure(error: &legacy::Error) -> Failure {
    let of_connect = causes(error).find_map(|cause| cause.downcast_ref::<upstream::Failure>());
    let mut said = error.to_string();
    for cause in causes(error).skip(1) {
        said.push_str(": ");
        said.push_str(&cause.to_string());
    }
    match of_connect {
        Some(failure) if failure.reason == Reason::Timeout => Failure::OriginTimeout(said),
        _ => Failure::Origin(said),
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Opens connections as upstreams do: every address of the name, system roots, HTTP/1.1.
#[derive(Debug, Clone)]
struct Connector;

impl tower_service::Service<Uri> for Connector {
    type Response = OriginIo;
    type Error = upstream::Failure;
    type Future = Pin<Box<dyn Future<Output = Result<OriginIo, upstream::Failure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), upstream::Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(async move {
            let unusable = |why| upstream::Failure::new(Reason::Dns, format!("no usable URL: {why}"));
            let url = Url::parse(&uri.to_string()).map_err(unusable)?;
            let deadline = Instant::now() + CONNECT_TIMEOUT;
            let io = upstream::connect(&url, &UpstreamTls::default(), true, false, deadline).await?;
            Ok(OriginIo {
                io: TokioIo::new(io),
                used: Used::default(),
                reads: 0,
            })
        })
    }
}

/// Whether an answer has come over a connection.
#[derive(Debug, Clone, Default)]
struct Used(Arc<AtomicBool>);

/// A connection to an origin.
struct OriginIo {
    io: TokioIo<Io>,
    used: Used,
    /// Reads since others had their turn.
    reads: u32,
}

impl Connection for OriginIo {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.used.clone())
    }
}

impl hyper::rt::Read for OriginIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads >= READS_PER_TURN {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.reads = if read.is_ready() { self.reads + 1 } else { 0 };
        read
    }
}

impl hyper::rt::Write for OriginIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
