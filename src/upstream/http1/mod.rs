//! HTTP/1.1 as far as a stream needs it: one GET on a connection, and its answer (RFC 9112).
//!
//! It is our own, and not hyper's, because a connection in the middle of an answer can be given to
//! another process: its state is a socket and the few numbers of a [`Decoder`]. One answer is read
//! from a connection, which is then closed: so what comes behind it is of no meaning, and nothing
//! that is told apart wrongly here can be taken for another answer.

mod body;
mod chunked;
mod decoder;
mod framing;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod head;
mod request;

pub(super) use body::{Carried, Http1Body};
pub use chunked::Malformed;
pub use decoder::Decoder;

use super::failed::{before_the_head, unanswered};
use super::io::Io;
use super::spoken::Spoken;
use super::{Failure, Reason};
use bytes::{Buf as _, Bytes};
use head::HeadReader;
use http_body_util::Empty;
use hyper::Request;
use hyper::http::response::Parts;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

/// What a head is read by at once, in bytes: most are far shorter.
const HEAD_READ_BYTES: usize = 4 * 1024;

/// Sends the request and waits for the answer's head.
pub(super) async fn exchange(io: Io, request: Request<Empty<Bytes>>) -> Result<(Parts, Http1Body), Failure> {
    let mut io = io;
    let mut sending = Sending {
        unsent: request::head(&request),
        failed: None,
    };
    let mut answer = HeadReader::default();
    loop {
        answer.bytes.reserve(HEAD_READ_BYTES);
        // An answer may come before the request is through: one that refuses it, mostly.
        let read = poll_fn(|cx| {
            sending.poll(&mut io, cx);
            pin!(io.read_buf(&mut answer.bytes)).poll(cx)
        });
        match read.await {
            Ok(0) => return Err(sending.failed.map_or_else(unanswered, |error| before_the_head(&error))),
            Ok(_) => {}
            Err(error) => return Err(before_the_head(&error)),
        }
        match answer.next() {
            Ok(None) => {}
            Ok(Some((head, decoder))) => return Ok((head, Http1Body::new(io, decoder, answer.bytes))),
            Err(why) => return Err(not_understood(&answer.bytes, why)),
        }
    }
}

/// What is told of an answer that is none in HTTP/1.1.
fn not_understood(bytes: &[u8], why: String) -> Failure {
    let spoken = Spoken::of(bytes).and_then(|spoken| spoken.instead_of(false));
    match spoken {
        Some(spoken) => Failure::new(Reason::Protocol, spoken),
        None => Failure::new(Reason::Protocol, why),
    }
}

/// A request on its way.
struct Sending {
    unsent: Bytes,
    /// A peer that takes no more of it may have answered: the answer counts, if there is one.
    failed: Option<io::Error>,
}

impl Sending {
    fn poll(&mut self, io: &mut Io, cx: &mut Context<'_>) {
        if let Poll::Ready(Err(error)) = self.poll_sent(io, cx) {
            self.unsent.clear();
            self.failed = Some(error);
        }
    }

    fn poll_sent(&mut self, io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() {
            return Poll::Ready(Ok(()));
        }
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *io).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        Pin::new(io).poll_flush(cx)
    }
}
