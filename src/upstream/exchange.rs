//! One request and its answer on one connection, HTTP/1.1 or HTTP/2. Dropping the answer closes the
//! connection.

use super::Failure;
use super::connect::within;
use super::http1::{self, Carried, Http1Body};
use super::http2::{self, Http2Body};
use super::io::Io;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::body::{Body, Frame};
use hyper::http::response::Parts;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// An answer whose body is still to be read.
pub(super) struct Answer {
    /// Status and headers.
    pub(super) head: Parts,
    /// The body, and with it the connection.
    pub(super) body: AnswerBody,
}

/// A body that reads from its connection.
pub(super) enum AnswerBody {
    Http1(Box<Http1Body>),
    Http2(Box<Http2Body>),
    /// Another process has the connection.
    Piped(Box<PipedBody>),
}

/// A body that another process reads, and passes on.
pub(super) struct PipedBody {
    pub(super) body: Http1Body,
    /// Places for those that have a second connection meanwhile.
    pub(super) overlaps: Arc<Semaphore>,
}

impl AnswerBody {
    /// What it is, with a copy of its socket; `None`: its connection can't be given.
    pub(super) fn carried(&self) -> Option<(Carried, OwnedFd)> {
        match self {
            Self::Http1(body) => body.carried(),
            Self::Http2(_) => None,
            Self::Piped(piped) => piped.body.carried(),
        }
    }
}

/// Sends the request and waits for the response head.
pub(super) async fn exchange(
    io: Io,
    request: Request<Empty<Bytes>>,
    http2: bool,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let answered = async {
        let (head, body) = match http2 {
            true => {
                let (head, body) = http2::exchange(io, request).await?;
                (head, AnswerBody::Http2(Box::new(body)))
            }
            false => {
                let (head, body) = http1::exchange(io, request).await?;
                (head, AnswerBody::Http1(Box::new(body)))
            }
        };
        Ok(Answer { head, body })
    };
    within(deadline, "no response head", answered).await
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(cx),
            Self::Http2(body) => Pin::new(body).poll_frame(cx),
            Self::Piped(piped) => Pin::new(&mut piped.body).poll_frame(cx),
        }
    }
}
