//! The watchdog: no byte for so long, and the connection is given up.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Measures silence.
///
/// Its timer is not moved with every byte, which thousands of streams would have to pay for: when it comes up, it is set to
/// what is left of the time.
pub(super) struct Watchdog {
    silence: Duration,
    heard: Instant,
    /// `None`: off.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watchdog {
    /// Barks after so much silence; zero: never.
    pub(super) fn new(silence: Duration) -> Self {
        Self {
            silence,
            heard: Instant::now(),
            timer: (!silence.is_zero()).then(|| Box::pin(sleep(silence))),
        }
    }

    /// Silence begins now.
    pub(super) fn heard(&mut self) {
        if self.timer.is_some() {
            self.heard = Instant::now();
        }
    }

    /// Ready once there has been silence for too long.
    pub(super) fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        loop {
            ready!(timer.as_mut().poll(cx));
            let due = self.heard + self.silence;
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(due);
        }
    }
}
