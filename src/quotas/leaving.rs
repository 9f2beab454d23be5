//! What the quotas say of a process that leaves.

use super::Quotas;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Quotas {
    /// From now on the process is not ready. It serves on: load balancers need a while to notice.
    pub fn announce_drain(&self) {
        self.drain.announce();
    }

    /// From now on every client is refused. Proxied streams end within `spread`.
    pub fn drain(&self, spread: Duration) {
        self.drain.begin(spread);
    }

    /// Whether the process is about to leave, or leaving.
    pub fn drain_announced(&self) -> bool {
        self.drain.is_announced()
    }

    /// Completes when the process is leaving.
    pub fn leaving(&self) -> impl Future<Output = ()> + Send + 'static {
        self.drain.begun()
    }

    /// Completes when the process is leaving and it is the turn of one stream of many to end.
    pub fn turn_to_leave(&self) -> impl Future<Output = ()> + Send + 'static {
        self.drain.turn()
    }

    /// Whether the process is leaving.
    pub fn draining(&self) -> bool {
        self.drain.has_begun()
    }

    /// Clients that had to be cut because they did not leave in time.
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }

    /// Completes when there is no client, and no proxied request that is waited for.
    pub async fn empty(&self) {
        self.clients.all_given_back().await;
        self.answers.all_given_back().await;
    }

    /// Completes when nothing is proxied, event streams and WebSockets included.
    pub async fn nothing_proxied(&self) {
        self.proxied.all_given_back().await;
    }
}
