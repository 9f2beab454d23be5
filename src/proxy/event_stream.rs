//! An event stream of the origin's own: it ends with a drain, between two events where that can be
//! seen.

use super::body::{Body, BodyError};
use super::drain::Drain;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// How long a stream that is to end is waited for to complete an event.
const LAST_EVENT_MAX: Duration = Duration::from_secs(1);

/// A body that ends with a drain.
pub(super) struct Ending {
    body: Body,
    /// `None`: its lines can't be seen.
    lines: Option<Lines>,
    phase: Phase,
}

enum Phase {
    Following(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// The event that has begun is waited for.
    Finishing(Pin<Box<Sleep>>),
    Ended,
}

impl Ending {
    /// `is_coded`: by a content coding.
    pub(super) fn new(body: Body, is_coded: bool, drain: &Drain) -> Self {
        Self {
            body,
            lines: (!is_coded).then(Lines::default),
            phase: Phase::Following(Box::pin(drain.clone().turn())),
        }
    }

    fn is_between_events(&self) -> bool {
        self.lines.as_ref().is_none_or(|lines| lines.is_between_events)
    }

    /// What is passed on of a piece, if the stream is to end: no more than up to the last event
    /// that is complete.
    fn piece(&mut self, piece: Bytes) -> Bytes {
        let end = self.lines.as_mut().map(|lines| lines.read(&piece));
        match (&self.phase, end.flatten()) {
            (Phase::Finishing(_), Some(end)) => {
                self.phase = Phase::Ended;
                piece.slice(..end)
            }
            _ => piece,
        }
    }
}

impl hyper::body::Body for Ending {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Phase::Following(turn) = &mut this.phase
            && turn.as_mut().poll(cx).is_ready()
        {
            this.phase = match this.is_between_events() {
                true => Phase::Ended,
                false => Phase::Finishing(Box::pin(sleep(LAST_EVENT_MAX))),
            };
        }
        match &mut this.phase {
            Phase::Ended => return Poll::Ready(None),
            Phase::Finishing(patience) => {
                if patience.as_mut().poll(cx).is_ready() {
                    this.phase = Phase::Ended;
                    return Poll::Ready(None);
                }
            }
            Phase::Following(_) => {}
        }
        Pin::new(&mut this.body).poll_frame(cx).map(|frame| match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(piece) => Frame::data(this.piece(piece)),
                Err(other) => other,
            })),
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.phase, Phase::Ended) || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Where the lines of a stream end (HTML, 9.2.5: by CR LF, LF or CR), as far as that tells where
/// its events do.
#[derive(Debug)]
struct Lines {
    is_line_empty: bool,
    after_cr: bool,
    is_between_events: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            is_line_empty: true,
            after_cr: false,
            is_between_events: true,
        }
    }
}

impl Lines {
    /// Reads on. Where the last event ends that is complete, if one does.
    fn read(&mut self, piece: &[u8]) -> Option<usize> {
        let mut last = None;
        for (at, byte) in piece.iter().enumerate() {
            let completes_cr = *byte == b'\n' && std::mem::take(&mut self.after_cr);
            if completes_cr {
                // The second half of a line's end, and of the event's if that line was empty.
                if self.is_between_events {
                    last = Some(at + 1);
                }
                continue;
            }
            self.after_cr = *byte == b'\r';
            if matches!(byte, b'\r' | b'\n') {
                self.is_between_events = self.is_line_empty;
                self.is_line_empty = true;
                if self.is_between_events {
                    last = Some(at + 1);
                }
            } else {
                self.is_line_empty = false;
                self.is_between_events = false;
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_end_with_an_empty_line() {
        for (text, end) in [
            ("data: a\n\n", Some(9)),
            ("data: a\n\ndata", Some(9)),
            ("data: a\r\n\r\nd", Some(11)),
            ("data: a\r\rd", Some(9)),
            ("data: a\n\r\nd", Some(10)),
            ("data: a\n", None),
            ("data: a\r\n", None),
            ("data", None),
            ("", None),
        ] {
            let mut lines = Lines::default();
            assert_eq!(lines.read(text.as_bytes()), end, "{text:?}");
            assert_eq!(
                lines.is_between_events,
                end == Some(text.len()) || text.is_empty(),
                "{text:?}"
            );
            // The same in whatever pieces it comes.
            let mut lines = Lines::default();
            let mut last = None;
            for (at, byte) in text.bytes().enumerate() {
                last = lines.read(&[byte]).map(|end| at + end).or(last);
            }
            assert_eq!(last, end, "{text:?} bytewise");
        }
    }
}
