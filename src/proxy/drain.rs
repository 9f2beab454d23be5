//! When the process leaves: what is proxied and has no end of its own is ended, spread over a time.

use crate::quotas::Quotas;
use std::sync::Arc;

/// Tells streams and tunnels when to end.
#[derive(Clone)]
pub(crate) struct Drain(Arc<Quotas>);

impl Drain {
    pub(super) fn new(quotas: Arc<Quotas>) -> Self {
        Self(quotas)
    }

    /// Completes when the process leaves and this one's turn has come: its own, so that clients
    /// don't come back together.
    pub(super) async fn turn(self) {
        self.0.turn_to_leave().await;
    }
}
