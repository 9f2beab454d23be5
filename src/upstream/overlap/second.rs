//! The second connection, until the stream goes on over it.

use super::noting::Both;
use super::seam::{Found, LAG_MAX, Seam};
use crate::event_stream::{Event, Item, Parser};
use crate::upstream::answer::{Meaning, meaning};
use crate::upstream::discovery::discover;
use crate::upstream::exchange::AnswerBody;
use crate::upstream::redirect;
use crate::upstream::request::{ConfiguredOrigin, Wanted};
use crate::upstream::runner::{ATTEMPT_MAX, Setup};
use crate::upstream::url::Url;
use crate::upstream::{Failure, Reason};
use http_body_util::BodyExt as _;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval, timeout_at};

/// Between two looks at whether the place is found.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// For how long events are kept: those of which it is open whether the old connection has brought
/// them.
const KEPT_FOR: Duration = Duration::from_millis(1500);
/// Bytes of them; a stream that brings more in that time is not joined.
const KEPT_BYTES_MAX: usize = 4 << 20;

/// A second connection, and what is kept of its events.
pub(super) struct Second {
    pub(super) body: AnswerBody,
    pub(super) parser: Parser,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// Events that are kept no more.
    forgotten: usize,
}

/// An item, behind so many events.
struct Kept {
    behind: usize,
    item: KeptItem,
    at: Instant,
}

/// An item that is kept. An event is a copy: as a part of the read that brought it, it would keep all
/// of that.
pub(super) enum KeptItem {
    Event(Box<[u8]>),
    Other(Item<'static>),
}

impl KeptItem {
    fn of(item: Item<'_>) -> Self {
        match item {
            Item::Event(event) => Self::Event(event.block().into()),
            Item::Retry(time) => Self::Other(Item::Retry(time)),
            Item::Comment(line) => Self::Other(Item::Comment(line)),
            Item::Oversized { bytes, id } => Self::Other(Item::Oversized { bytes, id }),
        }
    }

    /// The item. `None`: never, since it was one.
    pub(super) fn get(&self) -> Option<Item<'_>> {
        match self {
            Self::Event(block) => Event::parse_block(block).map(Item::Event),
            Self::Other(item) => Some(item.clone()),
        }
    }

    /// See [`Seam::counts`].
    pub(super) fn counts(&self) -> bool {
        match self {
            Self::Event(_) => true,
            Self::Other(item) => Seam::counts(item),
        }
    }

    fn bytes(&self) -> usize {
        let held = match self {
            Self::Event(block) => block.len(),
            Self::Other(Item::Comment(line)) => line.len(),
            Self::Other(_) => 0,
        };
        size_of::<Kept>() + held
    }
}

/// What has come of the two.
pub(super) enum Outcome {
    /// They are joined: the stream goes on with this event of the second.
    Joined(usize),
    /// There is no such place, or more than one; why, for people.
    Apart(&'static str),
}

impl Second {
    /// Asks for the stream once more, from no place.
    pub(super) async fn open(setup: &Setup, target: &str, is_feed: bool) -> Result<Self, Failure> {
        let deadline = tokio::time::Instant::now() + setup.config.connect_timeout.min(ATTEMPT_MAX);
        let url = Url::parse(target).map_err(|why| Failure::new(Reason::Dns, why.to_string()))?;
        let configured = ConfiguredOrigin::new(&setup.config, url);
        let start = match is_feed {
            true => discover(&configured, deadline)
                .await
                .map_err(|refusal| refusal.failure)?,
            false => configured.url().clone(),
        };
        let (_, answer) = redirect::get(&configured, start, Wanted::Stream(None), deadline, |_| {}).await?;
        match meaning(&answer.head) {
            Meaning::Stream => Ok(Self {
                body: answer.body,
                parser: Parser::new(setup.parser),
                kept: VecDeque::new(),
                kept_bytes: 0,
                forgotten: 0,
            }),
            Meaning::Ended => Err(Failure::new(Reason::Ended, "the origin has ended the stream")),
            Meaning::Failure(refusal) => Err(refusal.failure),
        }
    }

    /// Reads until it is known where the two are joined, or that they can't be.
    pub(super) async fn find(&mut self, both: &Both, deadline: tokio::time::Instant) -> Result<Outcome, Failure> {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                read = self.read(both) => {
                    read?;
                    continue;
                }
                _ = looks.tick() => {}
            }
            let now = Instant::now();
            let state = both.lock();
            // What came since an old connection has ended is needed.
            self.forget(state.old_end.unwrap_or(now));
            if self.kept_bytes > KEPT_BYTES_MAX {
                return Ok(Outcome::Apart("too many bytes came"));
            }
            let Some(seam) = &state.seam else { continue };
            let is_late = tokio::time::Instant::now() >= deadline;
            match seam.found(now, state.old_end) {
                Found::At(at) if at >= self.forgotten => return Ok(Outcome::Joined(at)),
                _ if is_late => return Ok(Outcome::Apart("no event told the place in time")),
                _ if seam.is_full() => return Ok(Outcome::Apart("too many events came")),
                _ if state.old_end.is_some() && seam.is_settled(now) => {
                    return Ok(Outcome::Apart("the old connection ended before"));
                }
                _ => {}
            }
        }
    }

    /// Reads on until the events are here that the old connection has brought already; whether they
    /// are the same.
    pub(super) async fn catch_up(&mut self, both: &Both, at: usize) -> Result<bool, Failure> {
        let deadline = tokio::time::Instant::now() + 2 * LAG_MAX;
        let count = || both.lock().seam.as_ref().map_or(at, Seam::new_count);
        let begin = count();
        while count() < at {
            match timeout_at(deadline, self.read(both)).await {
                Ok(read) => read?,
                Err(_) => return Ok(false),
            }
        }
        let state = both.lock();
        let Some(seam) = &state.seam else { return Ok(false) };
        let missing = self.kept.iter().filter(|kept| (begin..at).contains(&kept.behind));
        let mut events = missing.filter(|kept| kept.item.counts());
        let repeats = |kept: &Kept| {
            let item = kept.item.get();
            item.is_some_and(|item| seam.repeats(&item, kept.behind, at))
        };
        Ok(events.all(repeats))
    }

    /// What is kept from this event on.
    pub(super) fn from(&mut self, at: usize) -> Vec<(KeptItem, Instant)> {
        let kept = self.kept.drain(..).filter(|kept| kept.behind >= at);
        kept.map(|kept| (kept.item, kept.at)).collect()
    }

    /// What came after this time.
    pub(super) fn since(&mut self, time: Instant) -> Vec<(KeptItem, Instant)> {
        let kept = self.kept.drain(..).filter(|kept| kept.at > time);
        kept.map(|kept| (kept.item, kept.at)).collect()
    }

    /// Reads once.
    async fn read(&mut self, both: &Both) -> Result<(), Failure> {
        let frame = match self.body.frame().await {
            Some(frame) => frame?,
            None => return Err(Failure::new(Reason::Ended, "the origin ended the second stream")),
        };
        let bytes = frame.into_data().unwrap_or_default();
        let at = Instant::now();
        self.parser.push(bytes);
        let mut state = both.lock();
        let Some(seam) = &mut state.seam else { return Ok(()) };
        while let Some(item) = self.parser.next_item() {
            let behind = seam.new_count();
            seam.new_one(&item, at);
            let item = KeptItem::of(item);
            self.kept_bytes += item.bytes();
            self.kept.push_back(Kept { behind, item, at });
        }
        Ok(())
    }

    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.kept.front()
            && now.saturating_duration_since(first.at) > KEPT_FOR
        {
            self.kept_bytes -= first.item.bytes();
            self.forgotten += usize::from(first.item.counts());
            self.kept.pop_front();
        }
    }
}
