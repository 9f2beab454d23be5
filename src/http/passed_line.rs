//! The access log's line for a proxied request, which is written when its answer is over.

use super::request;
use super::response::{Body, Response};
use super::server::Server;
use crate::access_log::{AccessLog, RequestEnd};
use crate::metrics::Protocol;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use hyper::{Method, Request, Version};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Writes the line when it is dropped.
pub(super) struct PassedLine {
    log: Arc<AccessLog>,
    client: SocketAddr,
    protocol: Protocol,
    method: Method,
    path: String,
    began: Instant,
    status: u16,
    bytes: u64,
    end: End,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All of it went out.
    Complete,
    /// The client has left before that, or was cut.
    Client,
    /// It broke off.
    Origin,
}

impl PassedLine {
    /// The line of a request, if there is to be one.
    pub(super) fn of<B>(server: &Server, request: &Request<B>, peer: SocketAddr) -> Option<Self> {
        if !server.access_log.is_on() {
            return None;
        }
        let trusted = &server.snapshot.load().trusted_proxies;
        Some(Self {
            log: server.access_log.clone(),
            client: request::client_address(request, peer, trusted),
            protocol: match request.version() {
                Version::HTTP_10 => Protocol::Http10,
                Version::HTTP_2 => Protocol::Http2,
                _ => Protocol::Http11,
            },
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            began: Instant::now(),
            status: 0,
            bytes: 0,
            end: End::Client,
        })
    }

    /// The same once there is an answer. One that makes a tunnel of the connection has no body: the
    /// line is to be dropped with the tunnel.
    pub(super) fn with_answer(line: Option<Self>, response: &Response, is_tunnel: bool) -> Option<Self> {
        let mut line = line?;
        line.status = response.status().as_u16();
        if is_tunnel {
            line.end = End::Complete;
        }
        Some(line)
    }

    /// A body with which the line ends.
    pub(super) fn with(self, body: Body) -> Body {
        Told { body, line: self }.boxed_unsync()
    }
}

impl Drop for PassedLine {
    fn drop(&mut self) {
        // Dropped before there was an answer: the client has left.
        self.log.request_ended(&RequestEnd {
            client: self.client,
            protocol: self.protocol.label(),
            method: self.method.as_str(),
            path: &self.path,
            status: self.status,
            duration: self.began.elapsed(),
            bytes: self.bytes,
            reason: match self.end {
                End::Complete => "complete",
                End::Client => "client",
                End::Origin => "origin",
            },
        });
    }
}

/// A body that tells its line how much of it there was, and how it ended.
struct Told {
    body: Body,
    line: PassedLine,
}

impl hyper::body::Body for Told {
    type Data = Bytes;
    type Error = <Body as hyper::body::Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled {
            match frame {
                Some(Ok(frame)) => this.line.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
                Some(Err(_)) => this.line.end = End::Origin,
                None => this.line.end = End::Complete,
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // A reader that knows the length does not ask for the end; one of a HEAD for nothing.
        let has_ended = self.line.method == Method::HEAD || self.body.is_end_stream();
        if self.line.end == End::Client && has_ended {
            self.line.end = End::Complete;
        }
    }
}
