//! A source's settings, as what serves it reads them.

use crate::config::Source;
use arc_swap::ArcSwap;
use std::ops::Deref;
use std::sync::Arc;

/// A handle to the snapshot of one source's settings that is in force. Clones are the same handle:
/// a snapshot that replaces another is in force at once for the source, its channels, and the
/// shards that follow them.
///
/// What is read is looked up when it is needed, and kept no longer than for a turn. Only this is
/// fixed for a channel's life, and taken when it is made: the source's name, `ids`, the number of
/// its upstreams, and how many events the ring has room for (a lower `log.events` is obeyed, a
/// higher one by new channels). What belongs to one client's stream is drawn when that begins:
/// `max_age`, and its first reconnection time.
#[derive(Clone)]
pub struct Settings(Arc<ArcSwap<Source>>);

impl Settings {
    /// A handle to settings that have not been replaced yet.
    pub fn new(source: Arc<Source>) -> Self {
        Self(Arc::new(ArcSwap::new(source)))
    }

    /// What is in force, for a look. Cheaper than [`Settings::snapshot`], and must not be held over
    /// an await.
    pub fn load(&self) -> impl Deref<Target = Arc<Source>> + use<> {
        self.0.load()
    }

    /// What is in force now, to be held for as long as one thing is done by it.
    pub fn snapshot(&self) -> Arc<Source> {
        self.0.load_full()
    }

    /// Puts other settings in force.
    pub fn replace(&self, source: Arc<Source>) {
        self.0.store(source);
    }
}
