//! The watchdog: a connection without a byte for `read_timeout` is ended.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Measures the time without a byte.
///
/// Its timer is not moved with every byte, which thousands of streams would have to pay for: when
/// it comes up, it is set to what is left of the time.
pub(super) struct Watchdog {
    read_timeout: Duration,
    heard: Instant,
    /// `None`: off.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    /// Expires after so long without a byte; zero: never.
    pub(super) fn new(read_timeout: Duration) -> Self {
        Self {
            read_timeout,
            heard: Instant::now(),
            timer: (!read_timeout.is_zero()).then(|| Box::pin(sleep(read_timeout))),
        }
    }

    /// A byte came, or the time before now does not count.
    pub(super) fn heard(&mut self) {
        if self.timer.is_some() {
            self.heard = Instant::now();
        }
    }

    /// Ready once `read_timeout` has passed without a byte.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        loop {
            ready!(timer.as_mut().poll(cx));
            let due = self.heard + self.read_timeout;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
