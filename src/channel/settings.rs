//! A source's settings, as what serves it reads them.

use super::filters::Filters;
use crate::config::Source;
use crate::sync::{Notify, look_until};
use arc_swap::ArcSwap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A handle to the snapshot of one source's settings that is in force. Clones are the same handle:
/// a snapshot that replaces another is in force at once for the source, its channels, and the
/// shards that follow them.
///
/// What is read is looked up when it is needed, and kept no longer than for a turn. Only this is
/// fixed for a channel's life, and taken when it is made: the source's name, `ids`, and the number
/// of its upstreams. What belongs to one client's stream is drawn when that begins, and again when
/// it is replaced: `max_age`.
#[derive(Clone)]
pub struct Settings(Arc<Shared>);

struct Shared {
    source: ArcSwap<Source>,
    replaced: Notify,
    /// Those of all channels of the source.
    filters: Filters,
}

impl Settings {
    /// A handle to settings that have not been replaced yet.
    pub fn new(source: Arc<Source>) -> Self {
        Self(Arc::new(Shared {
            source: ArcSwap::new(source),
            replaced: Notify::new(),
            filters: Filters::default(),
        }))
    }

    /// What is in force, for a look. Cheaper than [`Settings::snapshot`], and must not be held over
    /// an await.
    pub fn load(&self) -> impl Deref<Target = Arc<Source>> + use<> {
        self.0.source.load()
    }

    /// What is in force now, to be held for as long as one thing is done by it.
    pub fn snapshot(&self) -> Arc<Source> {
        self.0.source.load_full()
    }

    /// The filters that clients of the source have chosen.
    pub(super) fn filters(&self) -> &Filters {
        &self.0.filters
    }

    /// Puts other settings in force.
    pub fn replace(&self, source: Arc<Source>) {
        self.0.source.store(source);
        self.0.replaced.notify_waiters();
    }

    /// Completes once what is looked up here is something else than this.
    pub(crate) async fn until_other<T: PartialEq>(&self, than: T, look: impl Fn(&Source) -> T) {
        look_until(&self.0.replaced, || (look(&self.load()) != than).then_some(())).await;
    }

    /// Waits for as long as a setting says since then, also where that changes meanwhile.
    pub(crate) async fn sleep(&self, since: Instant, time: impl Fn(&Source) -> Duration) {
        loop {
            let now = time(&self.load());
            tokio::select! {
                () = tokio::time::sleep_until((since + now).into()) => return,
                () = self.until_other(now, &time) => {}
            }
        }
    }
}
