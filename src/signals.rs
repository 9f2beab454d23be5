//! The signals that end the process: SIGTERM and SIGINT.

use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

/// Signals that follow the first one within this time are the same one: `timeout` sends SIGTERM to
/// its child and to its group, a terminal sends SIGINT to the shell's job and the service manager
/// may send SIGTERM beside it.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// SIGTERM and SIGINT, from its creation on.
pub struct LeaveSignals {
    terminate: Signal,
    interrupt: Signal,
    first: Option<Instant>,
}

impl LeaveSignals {
    /// Takes the signals from the system: they end the process no more by themselves. To be called
    /// within a runtime.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            first: None,
        })
    }

    /// Completes with the first signal.
    pub async fn recv(&mut self) {
        self.any().await;
        self.first = Some(Instant::now());
    }

    /// Completes with one that is not the first one repeated; where there was none, with the second.
    pub async fn again(&mut self) {
        if self.first.is_none() {
            self.recv().await;
        }
        loop {
            self.any().await;
            if self.first.is_none_or(|first| first.elapsed() >= SAME_SIGNAL) {
                return;
            }
        }
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
