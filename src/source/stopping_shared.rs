//! Shared logs in a process that is handed over: it takes part in the fleet no more before it holds
//! still, while its clients are served.

use super::basis::Basis;
use super::live_source::LiveSource;
use super::registry::Registry;
use super::sharing::Sharing;
use std::sync::Arc;
use std::time::Duration;

/// How long that may take: what a leader has read has to be in the log. A source that is not through by
/// then is not given: its clients are let go in order.
const STOP_MAX: Duration = Duration::from_secs(3);

/// Sources that take part in the fleet no more. Dropping it lets them take part again, as if nothing had
/// been.
#[must_use]
pub(crate) struct StoppedSharing<'a> {
    registry: &'a Registry,
    sources: Vec<Arc<LiveSource>>,
}

impl Registry {
    /// Lets go of the lead where a log is shared that a process with these sources goes on with, and
    /// stops reading it. Blocks until that is so, or it takes too long.
    pub(crate) fn stop_sharing(&self, there: &[Basis]) -> StoppedSharing<'_> {
        let goes_on = |live: &&Arc<LiveSource>| {
            let here = Basis::of(&live.settings().load());
            live.sharing().is_some() && there.iter().any(|after| here.goes_on_as(after))
        };
        let sources: Vec<_> = self.list().iter().filter(goes_on).cloned().collect();
        let stopped = StoppedSharing {
            registry: self,
            sources,
        };
        stopped.sharing().for_each(Sharing::stop);
        let all = async {
            for sharing in stopped.sharing() {
                sharing.until_stopped().await;
            }
        };
        // What is late is not given.
        let _ = self
            .upstream_runtime()
            .block_on(async { tokio::time::timeout(STOP_MAX, all).await });
        stopped
    }
}

impl StoppedSharing<'_> {
    fn sharing(&self) -> impl Iterator<Item = &Sharing> {
        self.sources.iter().filter_map(|live| live.sharing())
    }

    /// They are another process's now.
    pub(crate) fn let_go(mut self) {
        self.sources.clear();
    }
}

impl Drop for StoppedSharing<'_> {
    fn drop(&mut self) {
        for live in self.sources.drain(..) {
            if live.go_on_sharing(self.registry.surroundings()) {
                continue;
            }
            // It has not come to rest yet.
            let surroundings = self.registry.surroundings().clone();
            self.registry.upstream_runtime().spawn(async move {
                if let Some(sharing) = live.sharing() {
                    sharing.until_stopped().await;
                }
                live.go_on_sharing(&surroundings);
            });
        }
    }
}
