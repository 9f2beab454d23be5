//! Reading a stream: bytes to items, the watchdog, and the pace that the sink sets.
//!
//! Before each read the sink is asked whether it is ready; that time counts neither as silence nor as anything else. Then
//! whatever has come is parsed and handed over, and the sink is flushed once. A burst is cut into batches with a chance for
//! others between them.

use super::backoff::Backoff;
use super::place::Place;
use super::state::State;
use super::{Failure, Reason, Sink};
use crate::event_stream::{Item, Parser};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use metrics::Counter;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Pieces of body that go into one batch: chunked origins send one per event, and each batch wakes every shard once.
const BATCH_PIECES_MAX: usize = 64;

/// Bytes after which a batch is handed over, whatever else is there.
const BATCH_BYTES_MAX: usize = 128 * 1024;

/// One open stream, and all that follows it.
pub(super) struct Stream<'a, S> {
    /// Takes what the stream yields.
    pub(super) sink: &'a mut S,
    /// At the start of a stream.
    pub(super) parser: &'a mut Parser,
    /// Follows the ids.
    pub(super) place: &'a mut Place,
    /// Obeys `retry`.
    pub(super) backoff: &'a mut Backoff,
    /// Is told the last byte, and `retry`.
    pub(super) state: &'a State,
    /// `fanfare_bytes_received_total`.
    pub(super) bytes_received: &'a Counter,
    /// Zero: the watchdog is off.
    pub(super) silence: Duration,
    /// Events seen so far in this stream.
    pub(super) events: u64,
}

impl<S: Sink> Stream<'_, S> {
    /// Reads until the stream is over, and says how it ended. `failed` puts a body's error into words.
    pub(super) async fn read<B>(&mut self, body: &mut B, failed: impl Fn(B::Error) -> Failure) -> Failure
    where
        B: Body<Data = Bytes> + Unpin,
    {
        loop {
            self.sink.ready().await;
            let Ok(first) = self.watched(body).await else {
                return Failure::new(Reason::Silence, format!("no byte for {:?}", self.silence));
            };
            let end = self.batch(body, first).await;
            match end {
                None => {}
                Some(Ok(())) => return Failure::new(Reason::Ended, "the origin ended the stream"),
                Some(Err(error)) => return failed(error),
            }
            // Reads of what is buffered cost the runtime's budget nothing by themselves.
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The next piece that holds a byte, or the end.
    async fn watched<B>(&self, body: &mut B) -> Result<Piece<B::Error>, tokio::time::error::Elapsed>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let piece = async {
            loop {
                match Piece::of(body.frame().await) {
                    // Empty frames are no sign of life: HTTP/2 can send them for ever.
                    Piece::Bytes(bytes) if bytes.is_empty() => tokio::task::coop::consume_budget().await,
                    piece => return piece,
                }
            }
        };
        if self.silence.is_zero() {
            Ok(piece.await)
        } else {
            timeout(self.silence, piece).await
        }
    }

    /// Hands over this piece and those that are there already, then flushes once. Returns how the stream ended, if it did.
    async fn batch<B>(&mut self, body: &mut B, first: Piece<B::Error>) -> Option<Result<(), B::Error>>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let received = Instant::now();
        let mut piece = first;
        let mut bytes_total = 0;
        let mut pieces = 0;
        let end = loop {
            match piece {
                Piece::Bytes(bytes) => {
                    bytes_total += bytes.len();
                    self.take(bytes, received);
                }
                Piece::End(end) => break Some(end),
            }
            pieces += 1;
            if pieces == BATCH_PIECES_MAX || bytes_total >= BATCH_BYTES_MAX {
                break None;
            }
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
                Poll::Ready(next) => piece = Piece::of(next),
                Poll::Pending => break None,
            }
        };
        if bytes_total > 0 {
            self.bytes_received.increment(bytes_total as u64);
            self.state.byte(received);
            self.sink.flush();
        }
        end
    }

    fn take(&mut self, bytes: Bytes, received: Instant) {
        self.parser.push(bytes);
        while let Some(item) = self.parser.next_item() {
            self.place.follow(&item);
            match &item {
                Item::Event(_) | Item::Oversized { .. } => self.events += 1,
                Item::Retry(retry) => self.state.retry(self.backoff.origin_says(*retry)),
                Item::Comment(_) => {}
            }
            self.sink.item(item, received);
        }
    }
}

/// What a body yields, as far as a stream is concerned.
enum Piece<E> {
    /// Possibly none: trailers are such a piece.
    Bytes(Bytes),
    /// The end, or what broke it off.
    End(Result<(), E>),
}

impl<E> Piece<E> {
    fn of(frame: Option<Result<hyper::body::Frame<Bytes>, E>>) -> Self {
        match frame {
            Some(Ok(frame)) => Piece::Bytes(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => Piece::End(Err(error)),
            None => Piece::End(Ok(())),
        }
    }
}
