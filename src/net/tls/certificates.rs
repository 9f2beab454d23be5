//! The certificates of all listeners, read again when their files have changed, or on demand.
//!
//! New ones take effect all together or not at all: what is broken, or belongs to another key,
//! leaves those in force that are. No connection is touched: the next handshake gets the new one.
//!
//! Files are looked at now and then, by their content: what swaps symbolic links (certbot, a
//! Kubernetes secret) is noticed, and a file that is only touched is no change.

use super::listener::{InForce, TlsError, TlsListener};
use crate::metrics::{Metrics, ReloadOutcome};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How often the files are looked at. A change is taken up once two looks have found the same: a
/// certificate and its key are two files, which are written one after the other.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A certificate that ends this soon is warned of: renewal has failed for a while...
const WARN_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);
/// ...but not before so much of its life is over: some live a week.
const WARN_PART: u32 = 4;
/// How often.
const WARN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The certificates of all listeners.
pub(crate) struct Certificates {
    listeners: Vec<Arc<TlsListener>>,
    metrics: Arc<Metrics>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What the last look has found, if it is not in force.
    changed: Option<Vec<u64>>,
    /// What was refused, so that it is refused once.
    refused: Option<Vec<u64>>,
    warned: Option<SystemTime>,
}

impl Certificates {
    /// Those of these listeners, which have been read just now.
    pub(crate) fn new(listeners: Vec<Arc<TlsListener>>, metrics: Arc<Metrics>) -> Arc<Self> {
        let certificates = Self {
            listeners,
            metrics,
            seen: Mutex::default(),
        };
        certificates.announce();
        certificates.warn_of_ends(SystemTime::now());
        Arc::new(certificates)
    }

    /// Reads all files again. Blocks for as long as that takes.
    pub(crate) fn reload(&self) -> ReloadOutcome {
        let content = self.content();
        if content == self.in_force() {
            return ReloadOutcome::Unchanged;
        }
        let prepared: Result<Vec<InForce>, (&str, TlsError)> = self
            .listeners
            .iter()
            .map(|listener| listener.prepare().map_err(|error| (&listener.name[..], error)))
            .collect();
        match prepared {
            Ok(prepared) => {
                for (listener, prepared) in self.listeners.iter().zip(prepared) {
                    listener.replace(prepared);
                }
                self.seen().refused = None;
                self.announce();
                tracing::info!("certificates were read again: new connections get them");
                ReloadOutcome::Applied
            }
            Err((listener, error)) => {
                self.seen().refused = Some(content);
                tracing::error!(listener, %error, "certificates can't be used: those in force stay");
                ReloadOutcome::Rejected
            }
        }
    }

    /// The same by itself, and not as a part of a larger reload.
    pub(crate) fn reload_and_count(&self) {
        self.metrics.reloaded(self.reload());
    }

    /// Reads them again whenever they have changed. Counts what becomes of it.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.listeners.is_empty() {
            return;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let certificates = self.clone();
            // A panic in there has been reported; the next look is made all the same.
            let _ = tokio::task::spawn_blocking(move || certificates.look()).await;
        }
    }

    fn look(&self) {
        self.warn_of_ends(SystemTime::now());
        let content = self.content();
        {
            let mut seen = self.seen();
            if content == self.in_force() || seen.refused.as_ref() == Some(&content) {
                seen.changed = None;
                return;
            }
            if seen.changed.as_ref() != Some(&content) {
                seen.changed = Some(content);
                return;
            }
            seen.changed = None;
        }
        self.reload_and_count();
    }

    fn content(&self) -> Vec<u64> {
        self.listeners.iter().map(|listener| listener.content()).collect()
    }

    fn in_force(&self) -> Vec<u64> {
        self.listeners
            .iter()
            .map(|listener| listener.in_force().content)
            .collect()
    }

    fn announce(&self) {
        for listener in &self.listeners {
            let end = listener.in_force().validity.not_after;
            self.metrics.certificate_expiry(&listener.name, end);
        }
    }

    fn warn_of_ends(&self, now: SystemTime) {
        let mut seen = self.seen();
        let is_due = |warned: SystemTime| now.duration_since(warned).is_ok_and(|since| since >= WARN_EVERY);
        if !seen.warned.is_none_or(is_due) {
            return;
        }
        seen.warned = Some(now);
        for listener in &self.listeners {
            let validity = listener.in_force().validity;
            let before = WARN_BEFORE.min(validity.span() / WARN_PART);
            let days = |left: Duration| left.as_secs() / (24 * 3600);
            match validity.end().duration_since(now) {
                Ok(left) if left <= before => {
                    tracing::warn!(
                        listener = listener.name,
                        days = days(left),
                        "a certificate ends soon: renew it"
                    );
                }
                Ok(_) => {}
                Err(_) => tracing::warn!(listener = listener.name, "a certificate has expired: clients refuse it"),
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
