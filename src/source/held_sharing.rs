//! Shared logs in a process that is handed over: what takes part in the fleet holds still, gives what it
//! is, and goes on or lets go.

use super::giving::GoingOn;
use super::live_source::LiveSource;
use super::registry::Registry;
use super::sharing::Sharing;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What takes part in the fleet, and holds still. Dropping it lets it go on as if nothing had been.
#[must_use]
pub(crate) struct HeldSharing(Vec<Arc<LiveSource>>);

impl Registry {
    /// Makes what takes part in the fleet for the sources that go on hold still: from then on nothing is
    /// published by it. Its upstreams do already. Blocks until it does, and fails if it does not in time.
    pub(crate) fn hold_sharing(&self, going_on: &GoingOn, deadline: Instant) -> io::Result<HeldSharing> {
        let list = self.list();
        let shared = list
            .iter()
            .filter(|live| going_on.has(&live.name()) && live.sharing().is_some());
        let held = HeldSharing(shared.cloned().collect());
        held.sharing().for_each(|sharing| sharing.shared().hold());
        let all = async {
            for sharing in held.sharing() {
                sharing.shared().until_held().await;
            }
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let in_time = |time: Duration| self.upstream_runtime().block_on(async { timeout(time, all).await });
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "a shared log goes on");
        in_time(left).map_err(late)?;
        Ok(held)
    }
}

impl HeldSharing {
    fn sharing(&self) -> impl Iterator<Item = &Sharing> {
        self.0.iter().filter_map(|live| live.sharing())
    }

    /// It is another process's now.
    pub(crate) fn let_go(mut self) {
        self.sharing().for_each(Sharing::let_go);
        self.0.clear();
    }
}

impl Drop for HeldSharing {
    fn drop(&mut self) {
        self.sharing().for_each(|sharing| sharing.shared().release());
    }
}
