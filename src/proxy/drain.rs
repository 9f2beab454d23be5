//! When the process leaves: what is proxied and has no end of its own is ended, spread over a time.

use crate::quotas::Quotas;
use std::sync::Arc;
use std::time::Duration;

/// Tells streams and tunnels when to end.
#[derive(Clone)]
pub(crate) struct Drain {
    quotas: Arc<Quotas>,
    spread: Duration,
}

impl Drain {
    pub(super) fn new(quotas: Arc<Quotas>, config: &crate::config::Drain) -> Self {
        Self {
            quotas,
            // Whoever ends after the timeout is cut.
            spread: config.spread.min(config.timeout),
        }
    }

    /// Completes when the process leaves and this one's turn has come: its own, so that clients don't come back together.
    pub(super) async fn turn(self) {
        self.quotas.leaving().await;
        tokio::time::sleep(self.spread.mul_f64(fastrand::f64())).await;
    }
}
