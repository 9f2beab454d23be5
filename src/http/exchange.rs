//! One request and its response, by hyper: it reads the body, and writes whatever is no event stream.

use super::connection::Connection;
use super::handler::{Outcome, StreamStart};
use super::head::{BodyLength, RequestHead};
use super::phase::Phase;
use super::proxied::{self, Afterwards, ProxiedRequest};
use super::request_io::RequestIo;
use super::response::Response;
use crate::net::Watched;
use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use tokio::sync::oneshot;

/// hyper's smallest bound of a connection's buffer.
const HYPER_BYTES_MIN: usize = 8192;

/// How a request is answered.
pub(super) enum Exchange {
    /// By this.
    Response(Box<Response>),
    /// By its origin.
    Proxy(Box<ProxiedRequest>),
}

impl Exchange {
    /// `Err`: there is nothing to exchange, the connection is a shard's from now on.
    pub(super) fn of(outcome: Outcome) -> Result<Self, Box<StreamStart>> {
        match outcome {
            Ok(start) => Err(Box::new(start)),
            Err(response) => Ok(Exchange::Response(Box::new(response))),
        }
    }
}

/// Answers a request. Whether there may be another on this connection.
pub(super) async fn serve(
    connection: &mut Connection,
    stream: &Watched,
    head: RequestHead,
    exchange: Exchange,
) -> bool {
    let (server, peer) = (connection.server.clone(), connection.peer);
    connection.enter(match exchange {
        Exchange::Response(_) => Phase::Answering,
        Exchange::Proxy(_) => Phase::Waiting,
    });
    let (ahead, here) = with_body(head.bytes, head.body, connection);
    let io = RequestIo::new(stream, ahead, head.body, here);
    let (sender, mut receiver) = oneshot::channel();
    let once = Cell::new(Some((exchange, sender)));
    let service = {
        let server = server.clone();
        service_fn(move |request: Request<Incoming>| {
            let (once, server) = (once.take(), server.clone());
            async move {
                let response = match once {
                    Some((Exchange::Response(response), _)) => {
                        // While its body lives, hyper keeps a second read buffer.
                        drop(request);
                        *response
                    }
                    Some((Exchange::Proxy(proxied), sender)) => proxied.exchange(&server, request, peer, sender).await,
                    // hyper is given one request alone.
                    None => std::future::pending().await,
                };
                Ok::<_, Infallible>(response)
            }
        })
    };
    // The response says that it is the last one.
    let draining = server.quotas.draining();
    let mut http = http1::Builder::new()
        // How long a head may take is not hyper's affair.
        .header_read_timeout(None)
        .max_buf_size(HYPER_BYTES_MIN.max(server.snapshot.load().limits.header_bytes))
        // Who has said everything still gets an answer.
        .half_close(true)
        // Where chunks end only hyper knows: nobody could say where the next head begins.
        .keep_alive(head.body != BodyLength::Chunked && !draining)
        .serve_connection(io, service);
    let (mut begun, mut closing) = (false, draining);
    // What is read here of a body would be missing there.
    let mut watched = head.body == BodyLength::Known(0);
    let mut has_ended = false;
    let mut afterwards: Option<Afterwards> = None;
    let done = poll_fn(|cx| {
        // hyper has to read the request first: it would close a connection without one.
        if std::mem::replace(&mut begun, true) && !closing && server.quotas.draining() {
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
        // Who breaks off has left. Who only sends no more gets an answer, but a stream's client has left then, too: to find
        // out by writing may take for ever.
        let is_stream = afterwards.as_ref().is_some_and(|afterwards| afterwards.is_stream);
        if watched && let Poll::Ready(ended) = connection.poll_ended(cx, stream) {
            if ended.is_err() {
                return Poll::Ready(None);
            }
            (watched, has_ended) = (false, true);
        }
        match is_stream && has_ended {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
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
    if let Some(afterwards) = afterwards
        && afterwards.has_more_to_do()
    {
        proxied::go_on(afterwards, connection, stream, parts.read_buf).await;
        return false;
    }
    if parts.io.may_go_on() && !closing {
        return true;
    }
    connection.leave(stream).await;
    false
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
