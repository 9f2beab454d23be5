//! The channels of one source in the fleet, as this instance takes part in them: what all of them share.
//!
//! One reader brings all messages of the source, and each goes to the channel that it is of, if that is
//! open here. So a channel costs the engine nothing but its messages.

use super::engine::{ChainEngine, NAMES};
use super::names::Names;
use super::peers::Peers;
use super::routes::{Route, Routes, Tailed};
use crate::fleet::engine::EngineError;
use crate::fleet::inbox::Budget;
use crate::fleet::pipeline::Answer;
use crate::fleet::record::{Record, Stored};
use crate::fleet::shared::FleetState;
use crate::metrics::FleetMetrics;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Channels that are read from the engine at one time.
const READ_AT_ONE_TIME: usize = 16;
/// Between two looks at whether it leads nothing any more.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a channel that is to be opened waits for the log to be within reach.
const OPEN_WITHIN: Duration = Duration::from_secs(5);

/// What it is made with.
pub(crate) struct SourceSettings {
    /// The instance's name, for people.
    pub(crate) instance: String,
    /// What no other process is called.
    pub(crate) process: String,
    pub(crate) upstreams: usize,
    /// A leader appends something to a channel at least so often.
    pub(crate) checkpoint_every: Duration,
    /// What leaders of this source's channels may keep, all together, while the engine takes nothing.
    pub(crate) buffer: u64,
}

/// See the module.
pub(crate) struct SourceLog<E> {
    pub(super) engine: Arc<E>,
    pub(super) settings: SourceSettings,
    pub(super) metrics: Arc<FleetMetrics>,
    pub(super) peers: Peers,
    pub(super) routes: Routes,
    pub(super) reads: Semaphore,
    pub(super) budget: Arc<Budget>,
    /// Known once the log is open.
    names: watch::Sender<Option<Arc<Names>>>,
    /// Since when they have been said.
    said: Mutex<Instant>,
    /// The newest message of the source that has been read.
    read: AtomicU64,
    lives: AtomicU64,
    leads: AtomicU64,
    buffered: AtomicU64,
    /// When the engine has heard of this process last.
    pub(super) given: watch::Sender<Option<Instant>>,
    pub(super) state: Mutex<FleetState>,
    is_leaving: watch::Sender<bool>,
    has_left: watch::Sender<bool>,
}

impl<E: ChainEngine> SourceLog<E> {
    pub(crate) fn new(engine: Arc<E>, settings: SourceSettings, metrics: Arc<FleetMetrics>) -> Arc<Self> {
        Arc::new(Self {
            budget: Budget::new(settings.buffer),
            engine,
            settings,
            metrics,
            peers: Peers::default(),
            routes: Routes::default(),
            reads: Semaphore::new(READ_AT_ONE_TIME),
            names: watch::Sender::new(None),
            said: Mutex::new(Instant::now()),
            read: AtomicU64::new(0),
            lives: AtomicU64::new(0),
            leads: AtomicU64::new(0),
            buffered: AtomicU64::new(0),
            given: watch::Sender::new(None),
            state: Mutex::default(),
            is_leaving: watch::Sender::new(false),
            has_left: watch::Sender::new(false),
        })
    }

    /// What the numbering is called.
    pub(super) fn names(&self) -> Arc<Names> {
        // It is known before any channel is open.
        self.names
            .borrow()
            .clone()
            .unwrap_or_else(|| Arc::new(Names::unknown()))
    }

    /// Completes when channels can be opened.
    pub(super) async fn until_open(&self) -> Result<(), EngineError> {
        let away = |_| EngineError("the shared log is not open yet".to_owned());
        let opened = async {
            let (mut names, mut given) = (self.names.subscribe(), self.given.subscribe());
            let _ = names.wait_for(Option::is_some).await;
            let _ = given.wait_for(Option::is_some).await;
        };
        timeout(OPEN_WITHIN, opened).await.map_err(away)
    }

    pub(super) fn next_life(&self) -> u64 {
        self.lives.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The newest message that has been read.
    pub(super) fn read_up_to(&self) -> u64 {
        self.read.load(Ordering::Acquire)
    }

    /// Whether the engine answers, as the last answer says.
    pub(super) fn answered(&self, is_there: bool) {
        if is_there {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.heard = Some(Instant::now());
            state.error = None;
        }
    }

    pub(super) fn failed(&self, error: &EngineError) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let text = error.to_string();
        if state.error.as_deref() != Some(&text) {
            tracing::warn!(instance = self.settings.instance, %error, "the shared log of channels is out of reach");
            state.error = Some(text);
        }
    }

    /// A channel is led here, or no more.
    pub(super) fn leads(&self, more: bool) {
        match more {
            true => self.leads.fetch_add(1, Ordering::Relaxed),
            false => self.leads.fetch_sub(1, Ordering::Relaxed),
        };
        self.metrics.channels_led.increment(if more { 1.0 } else { -1.0 });
    }

    /// What leaders have read and not appended has changed from, to.
    pub(super) fn buffers(&self, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.buffered.fetch_add(after as u64, Ordering::Relaxed);
        self.buffered.fetch_sub(before as u64, Ordering::Relaxed);
        self.metrics.buffered_events.increment(after as f64 - before as f64);
    }

    /// How it stands.
    pub(crate) fn state(&self) -> FleetState {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let leads = self.leads.load(Ordering::Relaxed);
        state.channels_led = Some(leads);
        state.is_leader = leads > 0;
        state.buffered = self.buffered.load(Ordering::Relaxed);
        state.is_open = self.names.borrow().is_some();
        state.lease_age = self.given.borrow().filter(|_| leads > 0).map(|given| given.elapsed());
        state
    }

    /// Leads nothing any more: others are to.
    pub(crate) fn leave(&self) {
        self.is_leaving.send_replace(true);
    }

    /// Whether it is to.
    pub(crate) fn leaving(&self) -> watch::Receiver<bool> {
        self.is_leaving.subscribe()
    }

    /// Completes when it leads nothing, and others know.
    pub(crate) async fn until_left(&self) {
        while self.leads.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.has_left.send_replace(true);
        self.engine.give_last_sign(&self.settings.process).await;
    }

    /// Completes when it gives no sign of life any more.
    pub(super) async fn left(&self) {
        let _ = self.has_left.subscribe().wait_for(|left| *left).await;
    }
}

/// What is read.
impl<E: ChainEngine> SourceLog<E> {
    /// What is new of a channel from here on comes to this route.
    pub(super) fn route(&self, key: &str) -> Route {
        self.routes.add(key)
    }

    /// A message has been read.
    pub(super) fn took(&self, key: &str, stored: Stored) {
        let sequence = stored.sequence;
        if key == NAMES {
            self.said(&stored);
        } else {
            self.routes.send(key, Tailed::Stored(stored));
        }
        self.read.store(sequence, Ordering::Release);
    }

    /// The next message that is read comes behind this one, which may be older than what has been read.
    pub(super) fn goes_on_behind(&self, sequence: u64) {
        self.read.store(sequence, Ordering::Release);
    }

    /// A message that says what the numbering is called.
    pub(super) fn said(&self, stored: &Stored) {
        let Some(names) = Names::of(stored).map(Arc::new) else {
            return;
        };
        let said = Instant::now().checked_sub(stored.age);
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said.unwrap_or_else(Instant::now);
        let before = self.names.send_replace(Some(names.clone()));
        if before.is_some_and(|before| before.current() != names.current()) {
            tracing::warn!(
                instance = self.settings.instance,
                "the shared log has come back with less than it had: numbering goes on under another name"
            );
            self.routes.send_all(&Tailed::Renamed);
        }
    }

    pub(super) fn names_are_older_than(&self, age: Duration) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).elapsed() >= age
    }

    /// Makes sure that the numbering has a name.
    pub(super) async fn name(&self) -> Result<(), EngineError> {
        for _ in 0..3 {
            if let Some(stored) = self.engine.last(NAMES).await? {
                self.said(&stored);
                return Ok(());
            }
            self.say(0, Names::first()).await;
        }
        Err(EngineError("the numbering could not be named".to_owned()))
    }

    /// Says names, if none are said meanwhile.
    pub(super) async fn say(&self, behind: u64, record: Record) -> bool {
        let id = format!("{}.names.{}", self.settings.process, self.next_life());
        let answer = self.engine.append_to(NAMES, behind, id, record.message()).await.await;
        answer == Answer::Stored
    }

    /// The log ends before what has been read of it: what comes is to be numbered under another name.
    pub(super) async fn lost(&self) -> Result<(), EngineError> {
        let newest = self.engine.last(NAMES).await?;
        let behind = newest.as_ref().map_or(0, |stored| stored.sequence);
        let (names, there) = (self.names(), newest.as_ref().and_then(Names::of));
        // What another has said, or says in the same moment, will be read.
        if !there.is_some_and(|there| there.follow(&names)) {
            self.say(behind, names.another()).await;
        }
        Ok(())
    }

    /// Whether a message goes by a name that is not in force as far as is known here.
    pub(super) fn is_strange(&self, key: &str, stored: &Stored) -> bool {
        let record = stored.record.as_ref();
        key != NAMES && record.is_some_and(|record| record.epoch != self.names().current())
    }

    /// Whether another name has been said where something else had been read: the log has come back with
    /// less, and has grown since. What follows the name is to be read then.
    pub(super) async fn has_been_renamed(&self) -> Result<bool, EngineError> {
        let Some(newest) = self.engine.last(NAMES).await? else {
            return Ok(false);
        };
        let there = Names::of(&newest).filter(|there| there.follow(&self.names()));
        let Some(there) = there else { return Ok(false) };
        self.goes_on_behind(there.begin());
        self.said(&newest);
        Ok(true)
    }
}
