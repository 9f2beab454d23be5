//! The first answer of the origin to a new channel of a templated source: it is the answer to the
//! clients that wait for it.

use crate::channel::Publisher;
use crate::event_stream::Item;
use crate::upstream::{Failure, Resume, Sink, Verdict};
use hyper::StatusCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// What is known of a channel's origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Nothing yet.
    Asking,
    /// Clients may come in: the stream is open, has ended, or will be tried again.
    Open,
    /// The origin has no such stream, or not for us.
    Refused(StatusCode),
}

/// Both ends of it: upstreams set it, clients wait for it.
#[derive(Clone)]
pub(crate) struct FirstResponse {
    /// `None`: this one only waits.
    sender: Option<Arc<FirstResponseSender>>,
    first: watch::Receiver<First>,
}

struct FirstResponseSender {
    first: watch::Sender<First>,
    /// Upstreams that have not been refused.
    left: AtomicUsize,
}

impl FirstResponse {
    pub(super) fn new(upstreams: usize) -> (Self, watch::Receiver<First>) {
        Self::beginning(First::Asking, upstreams)
    }

    /// One that the origin has refused a moment ago.
    pub(super) fn known_refused(status: StatusCode) -> (Self, watch::Receiver<First>) {
        Self::beginning(First::Refused(status), 0)
    }

    /// One that was there before: clients may come in.
    pub(super) fn known(upstreams: usize) -> (Self, watch::Receiver<First>) {
        Self::beginning(First::Open, upstreams)
    }

    fn beginning(first: First, upstreams: usize) -> (Self, watch::Receiver<First>) {
        let (sender, first) = watch::channel(first);
        let sender = FirstResponseSender {
            first: sender,
            left: AtomicUsize::new(upstreams),
        };
        let sender = Some(Arc::new(sender));
        (
            Self {
                sender,
                first: first.clone(),
            },
            first,
        )
    }

    pub(super) fn waiting(first: watch::Receiver<First>) -> Self {
        Self { sender: None, first }
    }

    /// The origin's answer, once it is there: a status, if it refused.
    pub(crate) async fn wait(mut self) -> Option<StatusCode> {
        // The sender lives as long as the upstreams: if they are gone, no answer comes.
        let answer = self.first.wait_for(|first| *first != First::Asking).await;
        match answer.map(|first| *first) {
            Ok(First::Refused(status)) => Some(status),
            Ok(First::Open | First::Asking) => None,
            Err(_) => Some(StatusCode::BAD_GATEWAY),
        }
    }

    /// Clients may come in, if it was not refused.
    pub(super) fn open(&self) {
        if let Some(sender) = &self.sender {
            sender.open();
        }
    }

    /// All upstreams were refused, the last with this status.
    pub(super) fn refuse(&self, status: StatusCode) {
        if let Some(sender) = &self.sender {
            sender.first.send_replace(First::Refused(status));
        }
    }

    pub(super) fn refused(&self) -> bool {
        matches!(*self.first.borrow(), First::Refused(_))
    }

    /// A sink that tells the first answer, and goes on as the channel's publisher.
    pub(super) fn sink(&self, publisher: Publisher) -> FirstResponseSink {
        FirstResponseSink {
            sender: self.sender.clone(),
            publisher,
        }
    }
}

impl FirstResponseSender {
    fn open(&self) {
        self.first.send_if_modified(|first| {
            let asking = *first == First::Asking;
            if asking {
                *first = First::Open;
            }
            asking
        });
    }

    /// Of several upstreams the last one that is left decides.
    fn refuse(&self, status: StatusCode) {
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.first.send_replace(First::Refused(status));
        }
    }
}

/// See [`FirstResponse::sink`].
pub(super) struct FirstResponseSink {
    sender: Option<Arc<FirstResponseSender>>,
    publisher: Publisher,
}

impl FirstResponseSink {
    /// Whether a failure is final for this stream.
    ///
    /// Before it has ever been open, that it is not there or not for us. Later, that it is gone; a
    /// credential that is refused for a while must not stop every client's EventSource for ever.
    fn last_word(&self, failure: &Failure) -> Option<StatusCode> {
        let status = StatusCode::from_u16(failure.status?).ok()?;
        let sender = self.sender.as_ref()?;
        let asking = *sender.first.borrow() == First::Asking;
        let refuses = match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => true,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => asking,
            _ => false,
        };
        refuses.then_some(status)
    }
}

impl Sink for FirstResponseSink {
    fn connected(&mut self, resume: Resume) {
        Sink::connected(&mut self.publisher, resume);
        if let Some(sender) = &self.sender {
            sender.open();
        }
    }

    fn item(&mut self, item: Item, received: Instant) {
        self.publisher.item(item, received);
    }

    fn flush(&mut self) {
        self.publisher.flush();
    }

    fn full(&self) -> bool {
        self.publisher.full()
    }

    fn is_over(&self) -> bool {
        self.publisher.is_over()
    }

    fn failed(&mut self, failure: &Failure, more: bool) -> Verdict {
        // Another URL of the same stream may still be there.
        if more {
            return Sink::failed(&mut self.publisher, failure, more);
        }
        if let Some(status) = self.last_word(failure)
            && let Some(sender) = &self.sender
        {
            sender.refuse(status);
            return Verdict::Stop;
        }
        let verdict = Sink::failed(&mut self.publisher, failure, more);
        // It will be tried again: clients wait in their streams, as they would if it had been cut.
        if let Some(sender) = &self.sender {
            sender.open();
        }
        verdict
    }

    fn ended(&mut self) {
        self.publisher.ended();
        if let Some(sender) = &self.sender {
            sender.open();
        }
    }

    async fn ready(&mut self) {
        self.publisher.ready().await;
    }
}
