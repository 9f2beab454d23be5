//! What the service manager is told: sd_notify(3), as systemd units with `Type=notify` expect it.
//!
//! Without `NOTIFY_SOCKET` in the environment nothing is sent. A message that can't be sent is one
//! line in the log, and no reason to stop serving.

use sd_notify::NotifyState;
use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

/// So many checks in the time within which the manager wants to hear: one may take its whole share,
/// and the answer still comes in time.
const CHECKS_PER_TIMEOUT: u32 = 3;

/// Beyond the longest drain: threads end, log lines are written.
const AFTER_DRAIN: Duration = Duration::from_secs(10);

/// The service is up: it listens, and says where.
pub fn ready(status: impl Display) {
    send(&[NotifyState::Ready, NotifyState::Status(&status.to_string())]);
}

/// The service leaves, and may take as long as this, whatever the unit's `TimeoutStopSec` says.
pub fn stopping(longest: Duration) {
    let longest = longest.saturating_add(AFTER_DRAIN);
    // The message has 32 bits for it, which is 71 minutes.
    let micros = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
    send(&[
        NotifyState::Stopping,
        NotifyState::Status("draining: every stream is ended between two events"),
        NotifyState::ExtendTimeoutUsec(micros),
    ]);
}

/// Tells the manager that the service is alive, for as long as `check` finds that it is; where the
/// unit has no `WatchdogSec`, it does nothing. Never completes.
///
/// `check` gets the time that it may take, and returns the parts that did not answer within it.
/// With one of those nothing is sent, so that the manager ends the process and starts it anew.
pub async fn keep_alive<C, F>(check: C)
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
            send(&[NotifyState::Watchdog]);
        } else {
            let silent = silent.join(", ");
            tracing::error!(silent, waited = ?every, "parts of the process do not answer: the watchdog is not told that it is alive");
        }
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager can't be told what the process does");
    }
}
