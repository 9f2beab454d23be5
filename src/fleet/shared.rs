//! What a source and the driver of its shared log know of each other.

use super::carried::CarriedMember;
use super::coalescing::Coalescing;
use super::inbox::Inbox;
use crate::channel::CarriedWriter;
use crate::sync::{Notify, look_until};
use crate::upstream::handover::{Given, Taken};
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    /// It goes on with the connections of the process before.
    pub(crate) is_inherited: bool,
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
pub(crate) struct Shared {
    pub(crate) inbox: Arc<Inbox>,
    leading: watch::Sender<Option<Lead>>,
    state: Mutex<FleetState>,
    is_leaving: AtomicBool,
    has_left: AtomicBool,
    /// Notified when either changes.
    leaving: Notify,
    hold: Hold,
    taken: Mutex<Vec<Option<Box<Taken>>>>,
    way: Mutex<Weak<Coalescing>>,
    can_give: AtomicBool,
}

/// Where the driver is asked to hold still.
#[derive(Debug)]
struct Hold {
    is_asked: AtomicBool,
    held: Mutex<Option<Held>>,
    /// Notified when either changes.
    changed: Notify,
}

impl Hold {
    fn locked(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a successor process goes on with: the ring's writing side, and this instance's part in the fleet.
pub(crate) type Held = (CarriedWriter, CarriedMember);

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
            leaving: Notify::new(),
            hold: Hold {
                is_asked: AtomicBool::new(false),
                held: Mutex::default(),
                changed: Notify::new(),
            },
            taken: Mutex::default(),
            way: Mutex::default(),
            can_give: AtomicBool::new(false),
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

    /// It leads no more: that is known.
    pub(crate) fn left(&self) {
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

    /// Holds still: nothing is read, appended or published until it is released. Does not wait.
    pub(crate) fn hold(&self) {
        self.hold.is_asked.store(true, Ordering::Release);
        self.hold.changed.notify_waiters();
    }

    /// Completes when it holds still.
    pub(crate) async fn until_held(&self) {
        look_until(&self.hold.changed, || self.held().is_some().then_some(())).await;
    }

    /// What a successor process goes on with, while it holds still.
    pub(crate) fn held(&self) -> Option<Held> {
        self.hold.locked().clone()
    }

    /// Goes on as if nothing had been. What it has given is not what it is any more.
    pub(crate) fn release(&self) {
        self.hold.is_asked.store(false, Ordering::Release);
        *self.hold.locked() = None;
        self.hold.changed.notify_waiters();
    }

    /// Completes when it is to hold still.
    pub(super) async fn until_asked(&self) {
        let is_asked = || self.hold.is_asked.load(Ordering::Acquire).then_some(());
        look_until(&self.hold.changed, is_asked).await;
    }

    /// Holds still, with this for a successor, until it is released: also where it is asked again at once.
    pub(super) async fn holding(&self, held: Option<Held>) {
        let has_given = held.is_some();
        *self.hold.locked() = held;
        self.hold.changed.notify_waiters();
        let is_released = || {
            let is_asked = self.hold.is_asked.load(Ordering::Acquire);
            (!is_asked || (has_given && self.held().is_none())).then_some(())
        };
        look_until(&self.hold.changed, is_released).await;
        *self.hold.locked() = None;
    }

    /// The way of what a leader reads into the log: it may hold something back.
    pub(crate) fn put_way(&self, way: &Arc<Coalescing>) {
        *self.way.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(way);
    }

    /// Nothing is held back by now.
    pub(super) fn release_held(&self) {
        let way = self.way.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(way) = way {
            way.release_all();
        }
    }

    /// What has been read of the log can be given to a successor.
    pub(crate) fn can_give(&self) {
        self.can_give.store(true, Ordering::Release);
    }

    /// Whether a successor can go on with it.
    pub(crate) fn is_to_be_given(&self) -> bool {
        self.can_give.load(Ordering::Acquire)
    }

    /// What another process has given of the `n`th upstream, and has not been needed yet: for the next
    /// process.
    pub(crate) fn give_upstream(&self, n: usize) -> Option<Given> {
        self.locked_taken().get(n)?.as_ref()?.give_again()
    }

    /// What another process has given of the `n`th upstream, once.
    pub(crate) fn take_upstream(&self, n: usize) -> Option<Box<Taken>> {
        self.locked_taken().get_mut(n).and_then(Option::take)
    }

    /// What another process has given of the upstreams, for the first term here.
    pub(crate) fn put_upstreams(&self, taken: Vec<Option<Box<Taken>>>) {
        *self.locked_taken() = taken;
    }

    fn locked_taken(&self) -> MutexGuard<'_, Vec<Option<Box<Taken>>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
