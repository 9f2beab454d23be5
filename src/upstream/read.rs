//! Reading a stream: bytes to items, the watchdog, and the pace that the sink sets.
//!
//! Before each read the sink is asked whether it is ready; that time counts neither as silence nor
//! as anything else. Then whatever has come is parsed and handed over, and the sink is flushed
//! once. A burst is cut into batches with a chance for others between them. Where it is asked to
//! hold still it stops between two reads, or where it waits for the sink: what it has read is in
//! the parser then, and what it has not is the connection's.

use super::backoff::Backoff;
use super::handover::Hold;
use super::resume_point::ResumePoint;
use super::status::StatusCell;
use super::watchdog::Watchdog;
use super::{Failure, Reason, Sink};
use crate::event_stream::{Item, Parser};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Body;
use metrics::Counter;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Pieces of body that go into one batch: chunked origins send one per event, and each batch wakes
/// every shard once.
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
    pub(super) resume_point: &'a mut ResumePoint,
    /// Obeys `retry`.
    pub(super) backoff: &'a mut Backoff,
    /// Is told the last byte, and `retry`.
    pub(super) status: &'a StatusCell,
    /// `fanfare_bytes_received_total`.
    pub(super) bytes_received: &'a Counter,
    /// Zero: the watchdog is off.
    pub(super) read_timeout: Duration,
    /// Events seen so far in this stream.
    pub(super) events: u64,
    /// Asks it to hold still.
    pub(super) hold: &'a Hold,
}

/// Why a stream is read no more.
#[derive(Debug)]
pub(super) enum Left {
    /// The sink has the last event.
    Over,
    /// The connection has failed.
    Failed(Failure),
    /// It has to hold still. It may be read again, with the same body.
    Held,
}

impl<S: Sink> Stream<'_, S> {
    /// Reads until the sink says that the stream is over, the connection fails, or it has to hold
    /// still.
    pub(super) async fn read(&mut self, body: &mut (impl Body<Data = Bytes, Error = Failure> + Unpin)) -> Left {
        let mut watchdog = Watchdog::new(self.read_timeout);
        if self.parser.has_unread() {
            let gone = self.hand_over(Instant::now()).await;
            self.sink.flush();
            if self.sink.is_over() {
                return Left::Over;
            }
            if !gone {
                return Left::Held;
            }
        }
        loop {
            if self.hold.is_asked() || self.hold.unless_asked(pin!(self.sink.ready())).await.is_none() {
                return Left::Held;
            }
            watchdog.heard();
            let first = match watched(&mut watchdog, body, self.hold).await {
                Watched::Piece(piece) => piece,
                Watched::Silent => {
                    let detail = format!("no byte for {:?}", self.read_timeout);
                    return Left::Failed(Failure::new(Reason::Silence, detail));
                }
                Watched::Held => return Left::Held,
            };
            let batch = self.batch(body, first).await;
            if self.sink.is_over() {
                return Left::Over;
            }
            match batch {
                Batch::AllThereWas => {}
                // There may be more, and reads of what is buffered cost the runtime's budget
                // nothing by themselves.
                Batch::Full => tokio::task::yield_now().await,
                Batch::Last(Ok(())) => {
                    return Left::Failed(Failure::new(Reason::Ended, "the origin ended the stream"));
                }
                Batch::Last(Err(failure)) => return Left::Failed(failure),
                Batch::Held => return Left::Held,
            }
        }
    }

    /// Hands over this piece and those that are there already, then flushes once.
    async fn batch<B>(&mut self, body: &mut B, first: Piece) -> Batch
    where
        B: Body<Data = Bytes, Error = Failure> + Unpin,
    {
        let received = Instant::now();
        let mut piece = first;
        let mut bytes_total = 0;
        let mut pieces = 0;
        let end = loop {
            match piece {
                Piece::Bytes(bytes) => {
                    bytes_total += bytes.len();
                    self.parser.push(bytes);
                    if !self.hand_over(received).await {
                        break Batch::Held;
                    }
                }
                Piece::End(end) => break Batch::Last(end),
            }
            pieces += 1;
            if pieces == BATCH_PIECES_MAX || bytes_total >= BATCH_BYTES_MAX {
                break Batch::Full;
            }
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
                Poll::Ready(next) => piece = Piece::of(next),
                Poll::Pending => break Batch::AllThereWas,
            }
        };
        if bytes_total > 0 {
            self.bytes_received.increment(bytes_total as u64);
            self.status.byte(received);
            crate::wake_up_batching::read();
            self.sink.flush();
        }
        end
    }

    /// Hands over what the parser holds. Whether all of it went: it has to hold still otherwise.
    async fn hand_over(&mut self, received: Instant) -> bool {
        while let Some(item) = self.parser.next_item() {
            self.resume_point.follow(&item);
            match &item {
                Item::Event(_) | Item::Oversized { .. } => self.events += 1,
                Item::Retry(retry) => self.status.retry(self.backoff.origin_says(*retry)),
                Item::Comment(_) => {}
            }
            self.sink.item(item, received);
            if self.sink.full() {
                self.sink.flush();
                if self.hold.unless_asked(pin!(self.sink.ready())).await.is_none() {
                    return false;
                }
            }
        }
        true
    }
}

/// What a read came to.
enum Watched {
    Piece(Piece),
    /// `read_timeout` has passed.
    Silent,
    /// It has to hold still, and nothing was read.
    Held,
}

/// The next piece that holds a byte, or the end.
async fn watched<B>(watchdog: &mut Watchdog, body: &mut B, hold: &Hold) -> Watched
where
    B: Body<Data = Bytes, Error = Failure> + Unpin,
{
    let mut piece = pin!(async {
        loop {
            match Piece::of(body.frame().await) {
                // Empty frames are no sign of life: HTTP/2 can send them for ever.
                Piece::Bytes(bytes) if bytes.is_empty() => tokio::task::coop::consume_budget().await,
                piece => return piece,
            }
        }
    });
    poll_fn(|cx| match piece.as_mut().poll(cx) {
        Poll::Ready(piece) => Poll::Ready(Watched::Piece(piece)),
        Poll::Pending if watchdog.poll_expired(cx).is_ready() => Poll::Ready(Watched::Silent),
        Poll::Pending => hold.poll_asked(cx).map(|()| Watched::Held),
    })
    .await
}

/// Why a batch is over.
enum Batch {
    /// The next piece is still to come.
    AllThereWas,
    /// It has reached a bound.
    Full,
    /// The stream is over.
    Last(Result<(), Failure>),
    /// It has to hold still; the parser may hold more.
    Held,
}

/// What a body yields, as far as a stream is concerned.
enum Piece {
    /// Possibly none: trailers are such a piece.
    Bytes(Bytes),
    /// The end, or what broke it off.
    End(Result<(), Failure>),
}

impl Piece {
    fn of(frame: Option<Result<hyper::body::Frame<Bytes>, Failure>>) -> Self {
        match frame {
            Some(Ok(frame)) => Piece::Bytes(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => Piece::End(Err(error)),
            None => Piece::End(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_stream::ParserOptions;
    use crate::upstream::testing::Recorder;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::mpsc;
    use tokio::time::{self, sleep};
    use tokio_stream::wrappers::ReceiverStream;

    const READ_TIMEOUT: Duration = Duration::from_secs(60);

    /// A body that yields what is sent into it, and ends when the sender goes.
    fn body() -> (
        mpsc::Sender<&'static str>,
        impl Body<Data = Bytes, Error = Failure> + Unpin,
    ) {
        use tokio_stream::StreamExt as _;
        let (sender, receiver) = mpsc::channel(4096);
        let frames =
            ReceiverStream::new(receiver).map(|text: &str| Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        (sender, StreamBody::new(frames))
    }

    async fn read(
        sink: &mut Recorder,
        read_timeout: Duration,
        body: &mut (impl Body<Data = Bytes, Error = Failure> + Unpin),
    ) -> Failure {
        let mut stream = Stream {
            sink,
            parser: &mut Parser::new(ParserOptions {
                event_bytes_max: 1 << 20,
                comments: true,
            }),
            resume_point: &mut ResumePoint::default(),
            backoff: &mut Backoff::new(Duration::from_secs(3), READ_TIMEOUT),
            status: &StatusCell::new(),
            bytes_received: &Counter::noop(),
            read_timeout,
            events: 0,
            hold: &Hold::default(),
        };
        match stream.read(body).await {
            Left::Failed(failure) => failure,
            left => panic!("{left:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_is_given_up() {
        let (sender, mut body) = body();
        sender.send(":\n").await.unwrap();
        let began = time::Instant::now();
        let failure = read(&mut Recorder::default(), READ_TIMEOUT, &mut body).await;
        assert_eq!(failure.reason, Reason::Silence);
        assert!(
            began.elapsed() >= READ_TIMEOUT && began.elapsed() < READ_TIMEOUT * 2,
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_within_an_event_is_no_silence() {
        let (sender, mut body) = body();
        tokio::spawn(async move {
            for _ in 0..100 {
                sender.send("d").await.unwrap();
                sleep(READ_TIMEOUT - Duration::from_secs(1)).await;
            }
        });
        assert_eq!(
            read(&mut Recorder::default(), READ_TIMEOUT, &mut body).await.reason,
            Reason::Ended
        );
    }

    #[tokio::test(start_paused = true)]
    async fn empty_frames_are_no_sign_of_life() {
        let (sender, mut body) = body();
        tokio::spawn(async move {
            while sender.send("").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        assert_eq!(
            read(&mut Recorder::default(), READ_TIMEOUT, &mut body).await.reason,
            Reason::Silence
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_watchdog_silence_may_last() {
        let (sender, mut body) = body();
        tokio::spawn(async move {
            sleep(Duration::from_secs(86_400)).await;
            drop(sender);
        });
        assert_eq!(
            read(&mut Recorder::default(), Duration::ZERO, &mut body).await.reason,
            Reason::Ended
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_the_sink_takes_is_no_silence() {
        let (sender, mut body) = body();
        sender.send("data: 1\n\n").await.unwrap();
        tokio::spawn(async move {
            // Within the second pause, and then within the silence that is allowed after it.
            sleep(READ_TIMEOUT * 15).await;
            sender.send("data: 2\n\n").await.unwrap();
            sleep(READ_TIMEOUT * 10).await;
        });
        let mut sink = Recorder {
            pace: READ_TIMEOUT * 10,
            ..Recorder::default()
        };
        let failure = read(&mut sink, READ_TIMEOUT, &mut body).await;
        assert_eq!(failure.reason, Reason::Ended);
        assert_eq!(sink.items, 2);
    }

    #[tokio::test]
    async fn pieces_that_are_there_share_a_flush() {
        let (sender, mut body) = body();
        for _ in 0..BATCH_PIECES_MAX + 1 {
            sender.send("data: 1\n\n").await.unwrap();
        }
        drop(sender);
        let mut sink = Recorder::default();
        read(&mut sink, READ_TIMEOUT, &mut body).await;
        assert_eq!((sink.items, sink.flushes), (BATCH_PIECES_MAX + 1, 2));
    }

    /// A body that always has more, and that no budget of the runtime's stops: one read can hold
    /// thousands of chunks.
    #[tokio::test]
    async fn a_burst_leaves_others_their_turn() {
        let pieces = (0..4000).map(|_| Ok(Frame::data(Bytes::from_static(b"data: 1\n\n"))));
        let mut body = StreamBody::new(futures_util::stream::iter(pieces));
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        assert_eq!(
            read(&mut Recorder::default(), READ_TIMEOUT, &mut body).await.reason,
            Reason::Ended
        );
        other.abort();
        assert!(turns.load(Ordering::Relaxed) >= 4000 / BATCH_PIECES_MAX, "{turns:?}");
    }
}
