//! A channel as plain data, for a successor process that goes on with it.
//!
//! The log travels beside it ([`Channel::give_log`]). Followers are no part of it: shards give their
//! clients themselves, and polls are answered where they wait.

use super::channel::{Channel, Parts};
use super::end::{Cause, End, Ending};
use super::ids::Ids;
use super::lineage::Lineage;
use super::membership::Membership;
use super::opening::Opening;
use super::settings::Settings;
use super::writer_state::WriterState;
use crate::log::{CarriedLogError, Cursor, Epoch, Era, Position, SharedNumbering, Writer};
use crate::metrics::SourceMetrics;
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a channel is, but for its log. Times are counted from the moment at which it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedChannelState {
    /// The name of its numbering; empty where several processes share the log.
    epoch: String,
    /// What a shared log's numbering has been.
    eras: Vec<Era>,
    /// Whether clients get the origin's own ids.
    passes_ids: bool,
    /// The id in force, as clients see it; empty: none.
    id: Vec<u8>,
    /// Whether that came from the origin.
    id_is_passed: bool,
    /// The reconnection time that the origin named last.
    origin_retry_ms: Option<u64>,
    /// How its stream has ended, if it has.
    end: Option<CarriedEnd>,
    /// Upstreams that the origin has not ended.
    upstreams_left: u32,
    /// For how long it has had no client; `None`: it has some.
    idle_ms: Option<u64>,
    /// Whether the origin may be asked for ids that the log doesn't hold.
    is_asking: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CarriedEnd {
    is_terminal: bool,
    last: u64,
    position: u64,
    id: Vec<u8>,
    age_ms: u64,
}

impl Channel {
    /// All that a successor has to know beside the log. What is held back for `coalesce` is published.
    ///
    /// Its upstreams have stopped, so that nothing changes until the successor has taken it, or this
    /// process goes on.
    pub fn give_state(&self) -> CarriedChannelState {
        let mut writer_state = self.writer_state();
        writer_state.release(&self.ids, Instant::now());
        let (id, id_is_passed) = writer_state.id();
        let state = CarriedChannelState {
            epoch: self.ids.epoch().name().to_owned(),
            eras: self
                .ids
                .epoch()
                .numbering()
                .map(SharedNumbering::eras)
                .unwrap_or_default(),
            passes_ids: self.ids.are_passed(),
            id: id.to_vec(),
            id_is_passed,
            origin_retry_ms: self.origin_retry().map(millis),
            end: self.end().map(|end| CarriedEnd::of(&end)),
            upstreams_left: u32::try_from(self.ending.upstreams()).unwrap_or(u32::MAX),
            idle_ms: self.idle_since().map(|since| millis(since.elapsed())),
            is_asking: self.asks.are_open(),
        };
        drop(writer_state);
        self.notify_all();
        state
    }

    /// Writes the log. Blocks for as long as `out` does, and the publishing side with it.
    pub fn give_log(&self, out: impl Write) -> std::io::Result<()> {
        self.writer_state().give(out)
    }

    /// A channel that goes on with what another process has given, under the settings of this one. Its
    /// source numbers and merges as it did there.
    pub fn take(
        state: &CarriedChannelState,
        log: impl Read,
        settings: Settings,
        metrics: Arc<SourceMetrics>,
    ) -> Result<Arc<Self>, CarriedLogError> {
        Self::take_as(state, log, (settings, metrics), Lineage::Upstreams)
    }

    /// The same where it may be derived from another.
    pub(super) fn take_as(
        state: &CarriedChannelState,
        log: impl Read,
        (settings, metrics): (Settings, Arc<SourceMetrics>),
        lineage: Lineage<Self>,
    ) -> Result<Arc<Self>, CarriedLogError> {
        state.check()?;
        let now = Instant::now();
        let source = settings.snapshot();
        let upstreams = source.upstreams.len();
        let (writer, log) = Writer::take(log, source.log.limits(), now)?;
        let epoch = match &lineage {
            // What is derived goes by the numbering of what it is derived from.
            Lineage::Filtered(parent, _) if !state.eras.is_empty() => parent.ids.epoch().clone(),
            _ => state.epoch(),
        };
        let is_shared = epoch.numbering().is_some();
        let end = state.end.as_ref().map(|end| end.taken(now));
        if end.as_ref().is_some_and(|end| end.last > log.head()) {
            return Err(CarriedLogError::Damaged("it ends behind its last entry"));
        }
        let left = usize::try_from(state.upstreams_left).unwrap_or(upstreams);
        let parts = Parts {
            writer: WriterState::going_on(writer, state.id.clone().into(), state.id_is_passed),
            log,
            ids: Ids::going_on(epoch, source.ids, upstreams, state.passes_ids),
            ending: Ending::going_on(left.min(upstreams), end),
            membership: Membership::idle_for(Duration::from_millis(state.idle_ms.unwrap_or(0))),
            origin_retry: state.origin_retry_ms.map(Duration::from_millis),
            // A shared log says itself where its origins go on.
            goes_on: !is_shared,
            places: Box::default(),
            opening: Opening::going_on(is_shared && matches!(lineage, Lineage::Upstreams)),
            lineage,
        };
        Ok(Self::of(parts, settings, metrics))
    }
}

impl CarriedChannelState {
    /// That what goes out to clients is what a channel has.
    fn check(&self) -> Result<(), CarriedLogError> {
        let ends_line = |bytes: &[u8]| memchr::memchr2(b'\n', b'\r', bytes).is_some();
        let ends = self.end.as_ref().is_some_and(|end| ends_line(&end.id));
        let mut names = std::iter::once(&*self.epoch).chain(self.eras.iter().map(Era::name));
        let are_words = names.all(|name| name.bytes().all(|byte| byte.is_ascii_graphic()));
        if ends || ends_line(&self.id) || !are_words {
            return Err(CarriedLogError::Damaged("an id that ends its line"));
        }
        Ok(())
    }

    fn epoch(&self) -> Epoch {
        match self.eras.is_empty() {
            true => Epoch::named(self.epoch.as_str()),
            false => Epoch::shared(SharedNumbering::going_on(&self.eras)),
        }
    }

    /// Whether clients that come back after a start are asked for at the origin.
    pub(crate) fn is_asking(&self) -> bool {
        self.is_asking
    }
}

impl CarriedEnd {
    fn of(end: &End) -> Self {
        Self {
            is_terminal: end.cause == Cause::Terminal,
            last: end.last.get(),
            position: end.position.get(),
            id: end.id.to_vec(),
            age_ms: millis(end.at.elapsed()),
        }
    }

    fn taken(&self, now: Instant) -> End {
        let age = Duration::from_millis(self.age_ms);
        End {
            cause: match self.is_terminal {
                true => Cause::Terminal,
                false => Cause::Origin,
            },
            last: Cursor::nth(self.last),
            position: Position::new(self.position),
            id: self.id.clone().into(),
            at: now.checked_sub(age).unwrap_or(now),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
