//! Requests that come over HTTP/2: decided as those over HTTP/1.1, and answered in parts by way of
//! the shard that has the connection.

use super::deferred::{Deferred, Waited};
use super::exchange::Answer;
use super::handler::{Decision, NoDescriptor};
use super::head::{self, Malformed, RawLastEventId};
use super::response::{self, Response};
use super::server::Server;
use super::stream_head::date;
use super::stream_start::{StreamHead, StreamStart};
use crate::delivery::{AskedRequest, Gone, Reply, RequestBody, RequestLimits, Requests};
use crate::h2::{self, HeadBlock, LastEventId};
use crate::metrics::RefuseReason;
use crate::net::Stream;
use crate::net::tls::TlsListener;
use crate::quotas::Quotas;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Body as _;
use hyper::header::{CONTENT_LENGTH, DATE, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// Answers the requests of one connection, each in a task of the runtime that accepted it.
///
/// Held by a shard, which the server holds: so it does not keep the server.
pub(super) struct Http2Requests {
    server: Weak<Server>,
    quotas: Arc<Quotas>,
    runtime: Handle,
    /// What the connection's handshake was made with, if it is over TLS.
    tls: Option<Arc<TlsListener>>,
}

impl Server {
    /// A connection that speaks HTTP/2 becomes a shard's. `read`: what has been read of it, its
    /// preface included. `tls`: what its handshake agreed on HTTP/2 with.
    pub(super) fn hand_over_http2(
        self: &Arc<Self>,
        stream: Stream,
        read: Bytes,
        peer: SocketAddr,
        tls: Option<Arc<TlsListener>>,
    ) {
        if stream.tls().is_some() != tls.is_some() {
            // Over TLS it is agreed on, or not spoken (RFC 9113, 3.3).
            return self.refused(RefuseReason::BadRequest);
        }
        let requests = Http2Requests::new(self, tls);
        let idle_max = self.quotas.pending_max();
        self.shards
            .hand_over_http2(stream, read, peer, Arc::new(requests), idle_max);
    }
}

impl Http2Requests {
    /// To be called within the runtime.
    pub(super) fn new(server: &Arc<Server>, tls: Option<Arc<TlsListener>>) -> Self {
        Self {
            tls,
            server: Arc::downgrade(server),
            quotas: server.quotas.clone(),
            runtime: Handle::current(),
        }
    }
}

impl Requests for Http2Requests {
    fn answer(&self, asked: AskedRequest) {
        let Some(server) = self.server.upgrade() else {
            return;
        };
        let tls = self.tls.clone();
        self.runtime.spawn(async move {
            let is_cut = server.is_cut.clone();
            tokio::select! {
                // Of a client that has left nothing is to be told.
                _ = answer(&server, asked, tls.as_deref()) => {}
                () = is_cut.cancelled() => {}
            }
        });
    }

    fn limits(&self) -> RequestLimits {
        let Some(server) = self.server.upgrade() else {
            // It is being taken apart, and its shards with it.
            return RequestLimits {
                header_timeout: Duration::ZERO,
                keep_alive: Duration::ZERO,
                header_bytes: 0,
            };
        };
        let limits = server.limits();
        RequestLimits {
            header_timeout: limits.header_timeout,
            keep_alive: limits.keep_alive,
            header_bytes: limits.header_bytes,
        }
    }

    fn too_late(&self) {
        if let Some(server) = self.server.upgrade() {
            server.refused(RefuseReason::HeaderTimeout);
        }
    }

    fn malformed(&self) {
        if let Some(server) = self.server.upgrade() {
            server.refused(RefuseReason::BadRequest);
        }
    }

    fn quotas(&self) -> &Arc<Quotas> {
        &self.quotas
    }
}

async fn answer(server: &Arc<Server>, asked: AskedRequest, tls: Option<&TlsListener>) -> Result<(), Gone> {
    let AskedRequest {
        head,
        body,
        peer,
        has_descriptor,
        reply,
    } = asked;
    let mut request = match acceptable(head, tls) {
        Ok(request) => request,
        Err((method, status, detail)) => {
            server.refused(RefuseReason::BadRequest);
            tracing::debug!(%peer, detail, "request refused");
            return respond(reply, &Asker::of(&method), response::problem(status, detail)).await;
        }
    };
    if !has_descriptor {
        request.extensions_mut().insert(NoDescriptor);
    }
    let asker = Asker {
        takes_trailers: request.headers().contains_key(TE),
        ..Asker::of(request.method())
    };
    let mut body = body;
    let mut decision = server.handle(&server.snapshot.load(), &request, peer);
    let outcome = loop {
        match decision {
            Decision::Proxy(proxied) => {
                let request = with_body(request, body);
                let asking = Box::pin(proxied.answer(server, request, peer, tls.is_some()));
                let Answer { response, afterwards } = unless_gone(&reply, asking).await?;
                let done = respond(reply, &asker, response).await;
                // Its place is given back when all of the answer has left.
                drop(afterwards);
                return done;
            }
            Decision::Now(outcome) => break outcome,
            Decision::Later(deferred) => {
                // What comes of a body here is not read.
                body = None;
                match unless_gone(&reply, later(server, deferred)).await? {
                    Waited::For(outcome) => break outcome,
                    Waited::AskAnew => decision = server.handle(&server.snapshot.load(), &request, peer),
                }
            }
        }
    };
    match outcome {
        Ok(StreamStart {
            head: StreamHead::Block(head),
            joining,
        }) => {
            reply.join(head, joining).await;
            Ok(())
        }
        // No request of HTTP/2 is answered with a head of another version.
        Ok(_) => Ok(()),
        Err(response) => respond(reply, &asker, response).await,
    }
}

/// A request that is one, and is for a host that is served here.
fn acceptable(
    head: Result<Request<()>, h2::Malformed>,
    tls: Option<&TlsListener>,
) -> Result<Request<()>, (Method, StatusCode, &'static str)> {
    let request = head
        .map_err(malformed)
        .and_then(checked)
        .map_err(|why| (Method::GET, why.status(), why.detail()))?;
    match (tls, host(&request)) {
        // A client may use a connection for all names that its certificate is for (RFC 9113, 9.1.2).
        (Some(tls), Some(host)) if !tls.serves(host.host()) => Err((
            request.method().clone(),
            StatusCode::MISDIRECTED_REQUEST,
            "no certificate of this listener is for the host of the request",
        )),
        _ => Ok(request),
    }
}

async fn later(server: &Server, deferred: Box<Deferred>) -> Waited {
    // A client that has nothing more to send is not leaving, as it may be over HTTP/1.1.
    deferred.outcome(server, std::future::pending()).await
}

/// What a future comes to, unless the client leaves before it.
async fn unless_gone<T>(reply: &Reply, future: impl Future<Output = T>) -> Result<T, Gone> {
    tokio::select! {
        done = future => Ok(done),
        () = reply.gone() => Err(Gone),
    }
}

/// The host that a request is for.
fn host(request: &Request<()>) -> Option<Authority> {
    request.headers().get(HOST)?.to_str().ok()?.parse().ok()
}

fn malformed(why: h2::Malformed) -> Malformed {
    match why {
        h2::Malformed::TooLarge => Malformed::HeadTooLarge,
        h2::Malformed::Host => Malformed::Host,
        h2::Malformed::Forbidden(_) => Malformed::Field,
    }
}

/// A request that keeps the rules of HTTP/1.1's heads, too.
fn checked(mut request: Request<()>) -> Result<Request<()>, Malformed> {
    if *request.method() != Method::CONNECT {
        head::check_host(request.version(), request.uri(), request.headers())?;
    }
    if let Some(LastEventId(id)) = request.extensions_mut().remove() {
        request.extensions_mut().insert(RawLastEventId(id));
    }
    Ok(request)
}

/// A request as it goes to an origin: over HTTP/1.1, whose framing has to say that a body follows.
fn with_body(request: Request<()>, body: Option<RequestBody>) -> Request<response::Body> {
    let (mut parts, ()) = request.into_parts();
    let body = match body {
        Some(body) => {
            if !parts.headers.contains_key(CONTENT_LENGTH) {
                let chunked = HeaderValue::from_static("chunked");
                parts.headers.insert(TRANSFER_ENCODING, chunked);
            }
            body.map_err(Into::into).boxed_unsync()
        }
        None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
    };
    Request::from_parts(parts, body)
}

/// What of a request the form of its response depends on.
struct Asker {
    is_head: bool,
    /// RFC 9110, 10.1.4: it does not throw trailers away.
    takes_trailers: bool,
}

impl Asker {
    fn of(method: &Method) -> Self {
        Self {
            is_head: method == Method::HEAD,
            takes_trailers: false,
        }
    }
}

/// Writes a response. Completes when all of it has left.
async fn respond(reply: Reply, asker: &Asker, response: Response) -> Result<(), Gone> {
    let (mut parts, mut body) = response.into_parts();
    let has_no_body = asker.is_head || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !parts.headers.contains_key(DATE)
        && let Ok(date) = HeaderValue::from_bytes(&date())
    {
        parts.headers.insert(DATE, date);
    }
    if !has_no_body && let Some(length) = body.size_hint().exact() {
        parts.headers.entry(CONTENT_LENGTH).or_insert(length.into());
    }
    let head = HeadBlock::new(parts.status, &parts.headers);
    if has_no_body || body.is_end_stream() {
        reply.head(head, true).await?;
        reply.gone().await;
        return Ok(());
    }
    reply.head(head, false).await?;
    while let Some(frame) = unless_gone(&reply, body.frame()).await? {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(piece)) if !piece.is_empty() => reply.data(piece).await?,
            Ok(Ok(_)) => {}
            Ok(Err(last)) => {
                let trailers = last.into_trailers().ok().filter(|_| asker.takes_trailers);
                if let Some(trailers) = trailers.as_ref().and_then(HeadBlock::trailers) {
                    reply.trailers(trailers).await;
                    return Ok(());
                }
            }
            // What is left out has to be seen: the stream is reset.
            Err(error) => {
                tracing::debug!(%error, "an answer broke off");
                return Ok(());
            }
        }
    }
    reply.end().await;
    Ok(())
}
