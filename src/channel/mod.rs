//! A live source: what its upstreams yield becomes entries of its log, and the log's followers are notified.
//!
//! A channel knows no socket and no configuration file. Followers (a delivery shard, an HTTP/2 body, a long poll) join with a
//! [`Follower`] and look at the log themselves; publishing notifies them and goes on.

mod followers;
mod blocks;
mod coalesce;
mod counted;
mod end;
mod end_rules;
mod json_pointer;
mod backpressure;
mod possible;
mod publisher;
mod settings;

pub(crate) use blocks::{gap_block, gap_blocks, retry_block};
pub use end::{Cause, End};
pub use followers::Follower;
pub use possible::metrics_of;
pub use publisher::Publisher;
pub use settings::Settings;

use crate::config::{Ids, Start};
use crate::log::{Cursor, Epoch, Log, Numbering, Position, ResumePoint, StartPoint};
use crate::metrics::{GapReason, Protocol, SourceMetrics};
use backpressure::{Backpressure, Limits};
use bytes::Bytes;
use end::Ending;
use followers::Followers;
use publisher::WriterState;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A live source.
pub struct Channel {
    name: Box<str>,
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    epoch: Epoch,
    log: Log,
    /// The writing side: several upstreams may be merged, one writes at a time. Readers never take this lock.
    writer_state: Mutex<WriterState>,
    /// Whose ids clients see.
    ids: Ids,
    /// Whether the origin's own ids are passed on; never goes back.
    passing: AtomicBool,
    followers: Followers,
    /// Notified when an event is held back.
    held: Notify,
    backpressure: Backpressure,
    ending: Ending,
    /// Upstreams that the origin has not ended.
    upstreams: AtomicUsize,
    subscribers: AtomicUsize,
    /// The shard of its clients, as long as they are few; taken modulo the number of shards.
    preferred_shard: usize,
    created: Instant,
    /// When a client left last, in microseconds since `created`.
    left: AtomicU64,
    /// Notified when the last client leaves.
    idle: Notify,
    /// The origin's last `retry`, in milliseconds plus one; 0: none.
    origin_retry: AtomicU64,
}

/// A client that has been let in.
pub struct Admission {
    /// Its membership.
    pub subscription: Subscription,
    /// Where it starts, if it has no last event ID: all that comes from then on is for it, however late its stream is written.
    pub start: StartPoint,
}

/// A client's membership in a channel: leaving is dropping it.
pub struct Subscription {
    channel: Arc<Channel>,
    protocol: Protocol,
}

impl Channel {
    /// A channel with an empty log, whose numbering is `epoch`.
    pub fn new(settings: Settings, metrics: Arc<SourceMetrics>, epoch: Epoch) -> Arc<Self> {
        let source = settings.snapshot();
        let (writer, log) = Log::new(source.log);
        metrics.channels.increment(1.0);
        Arc::new(Self {
            passing: AtomicBool::new(source.ids == Ids::Pass),
            // Ids of several origins say nothing about each other: only a numbering of our own names a place in all of them.
            ids: match (source.ids, source.upstreams.len()) {
                (Ids::Auto, 2..) => Ids::Assign,
                (ids, _) => ids,
            },
            epoch,
            writer_state: Mutex::new(WriterState::new(writer)),
            followers: Followers::new(),
            held: Notify::new(),
            backpressure: Backpressure::new(),
            ending: Ending::new(),
            upstreams: AtomicUsize::new(source.upstreams.len()),
            subscribers: AtomicUsize::new(0),
            preferred_shard: fastrand::usize(..),
            created: Instant::now(),
            left: AtomicU64::new(0),
            idle: Notify::new(),
            origin_retry: AtomicU64::new(0),
            name: source.name.as_str().into(),
            settings,
            metrics,
            log,
        })
    }

    /// The configured name of its source.
    pub fn name(&self) -> &str {
        &self.name
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

    /// A sink for one upstream.
    pub fn publisher(self: &Arc<Self>) -> Publisher {
        Publisher::new(self.clone(), false)
    }

    /// A sink for an upstream that the origin had ended, and is asked for again: until it is connected nothing changes.
    pub fn publisher_again(self: &Arc<Self>) -> Publisher {
        Publisher::new(self.clone(), true)
    }

    /// Joins the followers. Register, then look: the follower is notified of everything that is published after this returns.
    pub fn join(&self, follower: Arc<dyn Follower>) {
        self.followers.add(follower);
    }

    /// Leaves the followers.
    pub fn leave(&self, follower: &Arc<dyn Follower>) {
        self.followers.remove(follower);
        self.backpressure.progressed();
    }

    /// Completes when there is something at `cursor` or beyond, or the stream has ended before it.
    pub(crate) async fn until(&self, cursor: Cursor) {
        let ended = || self.end().is_some_and(|end| end.last < cursor);
        let look = || (self.log.head() >= cursor || ended()).then_some(());
        self.followers.until(look).await;
    }

    /// An id that names a place in this channel's log exactly, whatever ids its events have.
    pub(crate) fn exact_id(&self, position: Position) -> Bytes {
        self.epoch.id(position).into()
    }

    /// The same for the place before an entry. `None`: the log has let it go meanwhile.
    pub(crate) fn exact_id_before(&self, cursor: Cursor) -> Option<Bytes> {
        Some(self.exact_id(self.log.position_before(cursor)?))
    }

    /// Whether the origin has reset the id that is in force before an entry: a client that goes on there after a gap has to be
    /// told, since what follows carries none.
    pub(crate) fn is_id_reset_before(&self, cursor: Cursor) -> bool {
        self.log.is_id_reset_before(cursor)
    }

    /// To be called by a follower after it has moved on.
    pub fn progressed(&self) {
        self.backpressure.progressed();
    }

    /// Whether a follower this far behind makes the publishing side wait.
    pub fn waits_for(&self, lag_events: u64, lag_bytes: u64) -> bool {
        Limits::of(&self.settings.load()).are_exceeded(lag_events, lag_bytes)
    }

    fn subscribe(self: &Arc<Self>, protocol: Protocol) -> Subscription {
        self.subscribers.fetch_add(1, Ordering::Relaxed);
        self.metrics.clients[protocol.index()].increment(1.0);
        Subscription {
            channel: self.clone(),
            protocol,
        }
    }

    /// Clients at this moment.
    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// The shard of its clients, as long as they are few; taken modulo the number of shards.
    pub(crate) fn preferred_shard(&self) -> usize {
        self.preferred_shard
    }

    /// Since when there has been no client; `None` while there is one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let since = || self.created + Duration::from_micros(self.left.load(Ordering::Acquire));
        (self.subscribers.load(Ordering::Acquire) == 0).then(since)
    }

    /// Completes when there is no client, and says since when.
    pub(crate) async fn idle(&self) -> Instant {
        loop {
            // Register, then look.
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if let Some(since) = self.idle_since() {
                return since;
            }
            idle.await;
        }
    }

    /// Counts a client in whose request is let in, and takes its place.
    pub fn admit(self: &Arc<Self>, protocol: Protocol) -> Admission {
        Admission {
            start: self.log.start(self.start()),
            subscription: self.subscribe(protocol),
        }
    }

    /// Where a client's stream starts: behind its last event ID, wherever that is by now, or where it was let in.
    pub fn place(&self, last_event_id: Option<&[u8]>, start: StartPoint) -> ResumePoint {
        let numbering = self.numbering();
        match last_event_id {
            // 9.2.2: an empty last event ID is not sent; some libraries send it all the same.
            None | Some(b"") => self.log.begin(start, &numbering),
            Some(id) => self.resume(id, &numbering),
        }
    }

    /// The place behind an id that this channel's clients have had.
    pub(crate) fn place_behind(&self, id: &[u8]) -> ResumePoint {
        self.resume(id, &self.numbering())
    }

    fn resume(&self, id: &[u8], numbering: &Numbering<'_>) -> ResumePoint {
        let place = self.log.resume(id, numbering);
        match (place.gap, from_latin1(id)) {
            (Some(GapReason::UnknownId), Some(utf8)) => self.log.resume(utf8.as_bytes(), numbering),
            _ => place,
        }
    }

    fn numbering(&self) -> Numbering<'_> {
        Numbering {
            epoch: &self.epoch,
            assigning: !self.passing.load(Ordering::Acquire),
        }
    }

    /// Once the stream has ended there is no next event to start with: a client that comes late gets at least the
    /// end.
    fn start(&self) -> Start {
        match self.settings.load().start {
            Start::Live if self.end().is_some_and(|end| end.cause == Cause::Terminal) => Start::Latest,
            start => start,
        }
    }

    /// The reconnection time that the origin named last.
    pub fn origin_retry(&self) -> Option<Duration> {
        self.origin_retry
            .load(Ordering::Relaxed)
            .checked_sub(1)
            .map(Duration::from_millis)
    }

    /// Lets go what is too old, and brings the log's gauges up to date. To be called about once a second.
    ///
    /// A stream that has ended by its terminal event is kept whole for `linger`, and then let go whole, once no client is left.
    pub fn sweep(&self, now: Instant) {
        let ended = self.end().filter(|end| end.cause == Cause::Terminal);
        let settings = self.settings.load();
        let mut writer_state = self.writer_state();
        writer_state.limit(settings.log);
        match ended {
            None => writer_state.trim(now),
            // Clients that are in still get the rest.
            Some(end) if now.saturating_duration_since(end.at) >= settings.linger && self.subscribers() == 0 => {
                writer_state.clear();
            }
            Some(_) => {}
        }
        writer_state.gauge(self.log.events() as f64, self.log.bytes() as f64, &self.metrics);
    }

    fn writer_state(&self) -> std::sync::MutexGuard<'_, WriterState> {
        // A panic while writing leaves the log as it was before or after an append: both are whole.
        self.writer_state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.metrics.channels.decrement(1.0);
        let writer_state = self.writer_state.get_mut().unwrap_or_else(PoisonError::into_inner);
        writer_state.retire(&self.metrics);
    }
}

impl Subscription {
    /// The channel.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// How the client speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.channel.metrics.clients[self.protocol.index()].decrement(1.0);
        let channel = &self.channel;
        let since = u64::try_from(channel.created.elapsed().as_micros()).unwrap_or(u64::MAX);
        // The time first: a task that sees no client sees since when.
        channel.left.store(since, Ordering::Relaxed);
        if channel.subscribers.fetch_sub(1, Ordering::AcqRel) == 1 {
            channel.idle.notify_waiters();
        }
    }
}

/// An id as a client meant it that writes headers in Latin-1, as libraries on top of `fetch` do; `None`: it may be what it seems.
fn from_latin1(id: &[u8]) -> Option<String> {
    let is_utf8 = std::str::from_utf8(id).is_ok();
    (!is_utf8).then(|| id.iter().copied().map(char::from).collect())
}
