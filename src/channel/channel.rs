//! The channel: what its parts are, and what concerns several of them.

use super::asks::Asks;
use super::backpressure::Backpressure;
use super::catching_up::CatchingUp;
use super::compression::Compression;
use super::derivations::Derivations;
use super::end::{Cause, End, Ending};
use super::end_rules::is_terminal;
use super::followers::Followers;
use super::ids::Ids;
use super::joins::Joins;
use super::lineage::Lineage;
use super::membership::Membership;
use super::older::Older;
use super::opening::Opening;
use super::removal::Removal;
use super::settings::Settings;
use super::writer_state::WriterState;
use crate::event_stream::Event;
use crate::log::{Epoch, Log, Position, StartPoint, comes_back_as};
use crate::metrics::SourceMetrics;
use crate::sync::{Notify, look_until};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A live source.
pub struct Channel {
    name: Box<str>,
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    log: Log,
    pub(super) ids: Ids,
    /// The writing side: several upstreams may be merged, one writes at a time. Readers never take
    /// this lock.
    writer_state: Mutex<WriterState>,
    /// Notified when an event is held back.
    pub(super) held: Notify,
    pub(super) followers: Followers,
    pub(super) compression: Compression,
    pub(super) backpressure: Backpressure,
    pub(super) ending: Ending,
    pub(super) membership: Membership,
    pub(super) asks: Asks,
    pub(super) catching_up: CatchingUp,
    pub(super) derivations: Derivations<Self>,
    pub(super) opening: Opening,
    /// What reads a shared log further back than the ring, if anything does.
    pub(super) older: OnceLock<Arc<dyn Older>>,
    pub(super) joins: Joins<Self>,
    pub(super) lineage: Lineage<Self>,
    /// Whether its stream had begun before this process.
    pub(super) goes_on: bool,
    /// The ids behind which the upstreams begin; empty: none.
    pub(super) places: Box<[Bytes]>,
    /// Set once its source is no more.
    removal: OnceLock<Removal>,
    /// The origin's last `retry`, in milliseconds plus one; 0: none.
    origin_retry: AtomicU64,
}

/// What a channel is made of that may come from before.
pub(super) struct Parts {
    pub(super) writer: WriterState,
    pub(super) log: Log,
    pub(super) ids: Ids,
    pub(super) ending: Ending,
    pub(super) membership: Membership,
    /// See [`Channel::origin_retry`].
    pub(super) origin_retry: Option<Duration>,
    /// See [`Channel::goes_on`].
    pub(super) goes_on: bool,
    /// The ids behind which the upstreams begin; empty: none.
    pub(super) places: Box<[Bytes]>,
    pub(super) opening: Opening,
    pub(super) lineage: Lineage<Channel>,
}

impl Channel {
    /// A channel with an empty log, whose numbering is `epoch`.
    pub fn new(settings: Settings, metrics: Arc<SourceMetrics>, epoch: Epoch) -> Arc<Self> {
        Self::empty_behind(settings, metrics, (epoch, Position::START), Vec::new(), false)
    }

    /// A channel with an empty log that goes on behind a position.
    pub(super) fn empty_behind(
        settings: Settings,
        metrics: Arc<SourceMetrics>,
        begin: (Epoch, Position),
        places: Vec<Bytes>,
        goes_on: bool,
    ) -> Arc<Self> {
        Self::beginning_with(settings, metrics, begin, places, goes_on, Opening::open())
    }

    /// The same where its log may not be known yet.
    pub(super) fn beginning_with(
        settings: Settings,
        metrics: Arc<SourceMetrics>,
        (epoch, start): (Epoch, Position),
        places: Vec<Bytes>,
        goes_on: bool,
        opening: Opening,
    ) -> Arc<Self> {
        let source = settings.snapshot();
        let upstreams = source.upstreams.len();
        let (writer, log) = Log::continuing(start, source.log.limits());
        let parts = Parts {
            writer: WriterState::new(writer),
            log,
            goes_on,
            opening,
            places: places.into(),
            ids: Ids::new(epoch, source.ids, upstreams),
            ending: Ending::new(upstreams),
            membership: Membership::new(),
            origin_retry: None,
            lineage: Lineage::Upstreams,
        };
        Self::of(parts, settings, metrics)
    }

    pub(super) fn of(parts: Parts, settings: Settings, metrics: Arc<SourceMetrics>) -> Arc<Self> {
        match parts.lineage {
            Lineage::Upstreams => metrics.channels.increment(1.0),
            Lineage::Filtered(..) | Lineage::Joined(_) => metrics.derived_channels.add(1.0),
        }
        let channel = Self {
            name: settings.load().name.as_str().into(),
            ids: parts.ids,
            writer_state: Mutex::new(parts.writer),
            held: Notify::new(),
            followers: Followers::new(),
            compression: Compression::new(),
            backpressure: Backpressure::new(),
            ending: parts.ending,
            membership: parts.membership,
            asks: Asks::new(),
            catching_up: CatchingUp::new(),
            derivations: Derivations::new(),
            opening: parts.opening,
            older: OnceLock::new(),
            joins: Joins::new(),
            lineage: parts.lineage,
            goes_on: parts.goes_on,
            places: parts.places,
            removal: OnceLock::new(),
            origin_retry: AtomicU64::new(0),
            settings,
            metrics,
            log: parts.log,
        };
        parts
            .origin_retry
            .into_iter()
            .for_each(|time| channel.set_origin_retry(time));
        Arc::new(channel)
    }

    /// The configured name of its source.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The configured names of the sources whose events it has.
    pub fn sources(&self) -> Vec<&str> {
        match &self.lineage {
            Lineage::Upstreams => vec![self.name()],
            Lineage::Filtered(whole, _) => whole.sources(),
            Lineage::Joined(join) => join.sources.iter().map(|source| &*source.name).collect(),
        }
    }

    /// The settings of its source, which may be replaced at any time.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The handles of its source.
    pub fn metrics(&self) -> &Arc<SourceMetrics> {
        &self.metrics
    }

    /// Its record of recent events.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The writing side, whether anything may still be written or not.
    pub(super) fn writer_state(&self) -> MutexGuard<'_, WriterState> {
        // A panic while writing leaves the log as it was before or after an append: both are whole.
        self.writer_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writing side, for another entry. `None`: the stream has ended, nothing comes behind its
    /// last one.
    pub(super) fn write(&self) -> Option<MutexGuard<'_, WriterState>> {
        let writer_state = self.writer_state();
        (!self.ending.is_over()).then_some(writer_state)
    }

    /// Lets go what is too old, and brings the log's gauges up to date. To be called about once a
    /// second.
    ///
    /// A stream that has ended by its terminal event is kept whole for `linger`, and then let go
    /// whole, once no client is left.
    pub fn sweep(&self, now: Instant) {
        let ended = self.end().filter(|end| end.cause == Cause::Terminal);
        let settings = self.settings.load();
        let mut writer_state = self.writer_state();
        match ended {
            None => writer_state.trim(settings.log.limits(), now),
            // Clients that are in still get the rest.
            Some(end) if now.saturating_duration_since(end.at) >= settings.linger && self.subscribers() == 0 => {
                writer_state.clear();
            }
            Some(_) => {}
        }
        writer_state.gauge(self.log.events() as f64, self.log.bytes() as f64, &self.metrics);
        drop(writer_state);
        self.trim_joined();
        self.joins.forget_gone();
        self.sweep_derived(now);
    }

    /// Releases what is held back for `coalesce`, in time. Never completes.
    pub(crate) async fn release_in_time(&self) {
        loop {
            let due = look_until(&self.held, || self.writer_state().held.first_due()).await;
            tokio::time::sleep_until(due.into()).await;
            let limits = self.settings.load().log.limits();
            let released = self.writer_state().release_due(&self.ids, limits, Instant::now());
            if released {
                self.notify_all();
            }
        }
    }

    /// The reconnection time that the origin named last.
    pub fn origin_retry(&self) -> Option<Duration> {
        if let Some(whole) = self.lineage.whole() {
            return whole.origin_retry();
        }
        self.origin_retry
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .map(Duration::from_millis)
    }

    pub(super) fn set_origin_retry(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1);
        self.origin_retry.store(millis.saturating_add(1), Ordering::Relaxed);
    }
}

/// Its source's changes.
impl Channel {
    /// Other settings are in force: followers are to look at what they go by.
    pub(crate) fn settings_replaced(&self) {
        self.notify_changed();
        // The publishing side may wait by bounds that were lower.
        self.backpressure.progressed();
    }

    /// Its source is no more: nothing will come, and its clients leave.
    pub(crate) fn remove(&self, removal: Removal) {
        self.writer_state().release(&self.ids, Instant::now());
        // Once removed, it stays so.
        let _ = self.removal.set(removal);
        // Nothing is asked any more for those who wait for an answer of the origin.
        self.end_asking();
        self.notify_changed();
    }

    /// How its clients leave, if its source is no more.
    pub fn removal(&self) -> Option<Removal> {
        let of_parent = || self.lineage.parents().find_map(|parent| parent.removal());
        self.removal.get().copied().or_else(of_parent)
    }
}

/// Clients.
impl Channel {
    /// Clients at this moment.
    pub fn subscribers(&self) -> usize {
        self.membership.clients()
    }

    /// The shard of its clients, as long as they are few; taken modulo the number of shards.
    pub(crate) fn preferred_shard(&self) -> usize {
        self.membership.preferred_shard()
    }

    /// Since when there has been no client; `None` while there is one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.membership.idle_since()
    }

    /// Completes when there is no client, and says since when.
    pub(crate) async fn idle(&self) -> Instant {
        self.membership.idle().await
    }
}

/// The stream's end.
impl Channel {
    /// How the stream ended, if it has.
    pub fn end(&self) -> Option<Arc<End>> {
        self.ending.get()
    }

    /// Whether an event is the stream's last one, by the rules in force.
    pub(crate) fn is_last(&self, event: &Event<'_>) -> bool {
        is_terminal(&self.settings.load().end_when, event)
    }

    /// Whether a terminal event has been published.
    pub(crate) fn has_terminated(&self) -> bool {
        self.ending.is_terminal()
    }

    /// Completes when a terminal event has been published.
    pub(crate) async fn terminated(&self) {
        self.ending.terminated().await;
    }

    /// The origin has no more events: clients get what there is, then their streams end.
    pub(crate) fn finish(&self) {
        let mut writer_state = self.writer_state();
        writer_state.release(&self.ids, Instant::now());
        if !self.ending.is_over() {
            self.ending.set(Cause::Origin, self.log.tip());
        }
        drop(writer_state);
        self.asks.close();
        self.notify_changed();
    }

    /// The origin has opened the stream again after it had said that there is no more.
    pub(super) fn reopen(&self) {
        let writer_state = self.writer_state();
        self.ending.take_back();
        drop(writer_state);
        self.notify_changed();
    }

    /// Whether a client that comes with this last event ID has nothing left to hear: it is answered
    /// 204, on which an EventSource stops. `admitted`: where it starts without one, if it has been
    /// let in already.
    pub fn is_over_for(&self, last_event_id: Option<&[u8]>, admitted: Option<StartPoint>) -> bool {
        if let Some(whole) = self.lineage.whole() {
            return whole.is_over_for(last_event_id, admitted);
        }
        let Some(end) = self.end() else { return false };
        if let Some(join) = self.lineage.join() {
            return self.is_joined_over_for(join, &end, last_event_id, admitted);
        }
        let id = last_event_id.filter(|id| !id.is_empty());
        let has_all = id.is_some_and(|id| comes_back_as(&end.id, id) || self.ids.is_own(id, end.position));
        // One that was let in before the end gets the rest, however long its answer took.
        let was_in = id.is_none() && matches!(admitted, Some(StartPoint::At(next)) if next <= end.last);
        match end.cause {
            _ if has_all => true,
            _ if was_in => false,
            // One that comes late gets the end too, for a while.
            Cause::Terminal => end.at.elapsed() >= self.settings.load().linger,
            // At the origin there is nothing any more; but a client that was cut before the end
            // gets the rest.
            Cause::Origin => id.is_none_or(|id| {
                let place = self.place_behind(id);
                place.gap.is_some() || place.next > end.last
            }),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        match self.lineage {
            Lineage::Upstreams => self.metrics.channels.decrement(1.0),
            Lineage::Filtered(..) | Lineage::Joined(_) => self.metrics.derived_channels.add(-1.0),
        }
        let writer_state = self.writer_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        writer_state.gauge(0.0, 0.0, &self.metrics);
    }
}
