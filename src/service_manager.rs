//! What the service manager is told: sd_notify(3), as systemd units with `Type=notify` expect it.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent. Messages go out on a thread of their
//! own: a manager that does not read makes the sending wait, and nothing else. One that can't be
//! sent is one line in the log, and no reason to stop serving.

use sd_notify::NotifyState;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;

/// So many checks in the time within which the manager wants to hear: one may take its whole share,
/// and the answer still comes in time.
const CHECKS_PER_TIMEOUT: u32 = 3;

/// Beyond the longest drain: threads end, log lines are written.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// How long the last messages may take to be sent before the process ends.
const SENT_WITHIN: Duration = Duration::from_secs(2);

/// Messages that wait for a manager that does not read: what comes beyond is dropped.
const WAITING_MAX: usize = 8;

/// The manager, if there is one. Clones tell the same one.
#[derive(Debug, Clone)]
pub struct ServiceManager {
    messages: Option<SyncSender<Message>>,
}

/// What its thread does, in this order.
#[derive(Debug)]
enum Message {
    Send(String),
    /// Says that all before has been sent.
    Answer(std::sync::mpsc::Sender<()>),
}

impl ServiceManager {
    /// The one that the environment names.
    pub fn from_environment() -> io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self { messages: None });
        }
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("service-manager".to_owned());
        thread.spawn(move || send_all(&receiver))?;
        Ok(Self { messages: Some(sender) })
    }

    /// The service is up: it listens, and says where.
    pub fn ready(&self, status: impl Display) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&status.to_string())]);
    }

    /// The service reads its configuration again, or another process is about to take over: until what
    /// is returned is dropped.
    pub fn reloading(&self) -> Reloading {
        // Without the time `Type=notify-reload` does not know which of its signals this answers.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.tell(&[NotifyState::Reloading, now]);
        }
        Reloading(self.clone())
    }

    /// Another process is the service from now on.
    pub fn main_process(&self, process: u32) {
        self.tell(&[NotifyState::MainPid(process), NotifyState::Ready]);
    }

    /// The service leaves, and may take as long as this, whatever the unit's `TimeoutStopSec` says.
    pub fn stopping(&self, longest: Duration) {
        let longest = longest.saturating_add(AFTER_DRAIN);
        // The message has 32 bits for it, which is 71 minutes.
        let micros = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::Status("draining: every stream is ended between two events"),
            NotifyState::ExtendTimeoutUsec(micros),
        ]);
    }

    /// Tells the manager that the service is alive, for as long as `check` finds that it is; where
    /// the unit has no `WatchdogSec`, it does nothing. Never completes.
    ///
    /// `check` gets the time that it may take, and returns the parts that did not answer within it.
    /// With one of those nothing is sent, so that the manager ends the process and starts it anew.
    pub async fn keep_alive<C, F>(self, check: C)
    where
        C: Fn(Duration) -> F,
        F: Future<Output = Vec<String>>,
    {
        let Some(timeout) = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero()) else {
            return std::future::pending().await;
        };
        let every = timeout / CHECKS_PER_TIMEOUT;
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let silent = check(every).await;
            if silent.is_empty() {
                self.tell(&[NotifyState::Watchdog]);
            } else {
                let silent = silent.join(", ");
                tracing::error!(silent, waited = ?every, "parts of the process do not answer: the watchdog is not told that it is alive");
            }
        }
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Some(messages) = &self.messages {
            let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
            // Full: the manager has not read for long, and hears of what is left.
            let _ = messages.try_send(Message::Send(lines.join("\n")));
        }
    }

    /// Waits until all that it was told has been sent: who ends before may have said nothing of who
    /// comes after. Blocks, for two seconds at the most.
    pub fn flush(&self) {
        if let Some(messages) = &self.messages {
            let (sender, sent) = channel();
            if messages.try_send(Message::Answer(sender)).is_ok() {
                let _ = sent.recv_timeout(SENT_WITHIN);
            }
        }
    }
}

/// While it lives the service reloads, or hands over. It serves as before.
#[derive(Debug)]
#[must_use]
pub struct Reloading(ServiceManager);

impl Drop for Reloading {
    fn drop(&mut self) {
        // Whatever came of it: a manager that does not hear that would wait.
        self.0.tell(&[NotifyState::Ready]);
    }
}

/// Until the last [`ServiceManager`] is gone.
fn send_all(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            Message::Send(message) => {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&message)]) {
                    tracing::warn!(%error, "the service manager can't be told what the process does");
                }
            }
            // Its asker may wait no longer.
            Message::Answer(sent) => drop(sent.send(())),
        }
    }
}
