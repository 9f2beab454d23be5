//! What a source and the driver of its shared log know of each other.

use super::inbox::Inbox;
use crate::sync::{Notify, look_until};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// That this instance leads a source: its upstreams are to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The term.
    pub(crate) term: u64,
    /// The ids that the origins go on behind, by upstream; empty: none.
    pub(crate) places: Vec<Bytes>,
    /// Nothing has ever been in the log before.
    pub(crate) is_first: bool,
}

/// How a shared log stands, as far as this instance knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FleetState {
    /// The term in force; 0: none is known.
    pub(crate) term: u64,
    /// Who leads, by its name.
    pub(crate) leader: Option<String>,
    /// Whether this instance does.
    pub(crate) is_leader: bool,
    /// Messages of the log that have not been read here.
    pub(crate) lag: u64,
    /// What was read from the origin and is not in the log yet.
    pub(crate) buffered: u64,
    /// Since the lease was confirmed, while this instance has it.
    pub(crate) lease_age: Option<Duration>,
    /// When the engine answered last.
    pub(crate) heard: Option<Instant>,
    /// What keeps it from the log at the moment; holds no secret.
    pub(crate) error: Option<String>,
    /// Whether the log has been read to where it ended when it was opened.
    pub(crate) is_open: bool,
    /// Whether this instance serves its clients without the log, which is out of reach.
    pub(crate) is_local: bool,
    /// Of a source with parameters: channels that this instance leads.
    pub(crate) channels_led: Option<u64>,
}

/// One source's part in the fleet, as others see it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    leading: watch::Sender<Option<Lead>>,
    state: Mutex<FleetState>,
    is_leaving: AtomicBool,
    has_left: AtomicBool,
    is_stopping: AtomicBool,
    /// Notified when one of them changes.
    leaving: Notify,
}

impl Shared {
    pub(crate) fn new(buffer_bytes: u64) -> Arc<Self> {
        Self::with(Inbox::new(buffer_bytes))
    }

    /// With this to take what the leader reads.
    pub(super) fn with(inbox: Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self {
            inbox,
            leading: watch::Sender::new(None),
            state: Mutex::default(),
            is_leaving: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            leaving: Notify::new(),
        })
    }

    /// Whether, and how, this instance leads.
    pub(crate) fn leading(&self) -> watch::Receiver<Option<Lead>> {
        self.leading.subscribe()
    }

    pub(super) fn lead(&self, lead: Option<Lead>) {
        self.leading.send_replace(lead);
    }

    /// How it stands.
    pub(crate) fn state(&self) -> FleetState {
        self.locked().clone()
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, FleetState> {
        // Each change of it is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This instance leads no more: another is to. Its clients are served on.
    pub(crate) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
        self.leaving.notify_waiters();
    }

    pub(super) fn left(&self) {
        self.has_left.store(true, Ordering::Release);
        self.leaving.notify_waiters();
    }

    pub(super) async fn until_leaving(&self) {
        let is_leaving = || self.is_leaving.load(Ordering::Acquire).then_some(());
        look_until(&self.leaving, is_leaving).await;
    }

    /// Completes when it leads no more.
    pub(crate) async fn until_left(&self) {
        let has_left = || self.has_left.load(Ordering::Acquire).then_some(());
        look_until(&self.leaving, has_left).await;
    }

    /// Nothing is read any more, once it leads no more: what takes part for it here is given back.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.leave();
    }

    /// Whether nothing is to be read any more.
    pub(super) async fn until_stopping(&self) {
        let is_stopping = || self.is_stopping.load(Ordering::Acquire).then_some(());
        look_until(&self.leaving, is_stopping).await;
    }

    /// It takes part again, as if nothing had been. Before another driver begins.
    pub(crate) fn come_back(&self) {
        for flag in [&self.is_stopping, &self.is_leaving, &self.has_left] {
            flag.store(false, Ordering::Release);
        }
    }
}
