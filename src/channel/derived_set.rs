//! The channels that are derived from one, and how far they are.

use super::derivation::{Derivation, event_of};
use super::deriving::{Derived, Due, Parent};
use super::end::Cause;
use super::filter::Filter;
use super::matching::Places;
use crate::log::{Cursor, Entry, Position, Read};
use std::sync::Arc;
use std::time::Instant;

/// The derived channels of a parent. All of them are equally far.
pub(super) struct DerivedSet<C> {
    /// The parent's first entry that has not been looked at; `None` before there was any channel.
    done: Option<Cursor>,
    /// Whether an id is in force before that.
    has_id: bool,
    /// Whether the parent's stream has ended without a terminal event, as it was last seen.
    is_over: bool,
    places: Places,
    derivations: Vec<Derivation<C>>,
    /// Nothing keeps the parent: only clients keep what is derived from it.
    is_closed: bool,
}

/// A channel with what a filter lets through of what its parent's log held.
pub(super) struct Filled<C> {
    channel: Arc<C>,
    /// The parent's first entry that was not looked at.
    up_to: Cursor,
}

impl<C: Derived> Filled<C> {
    pub(super) fn of(parent: &Parent<'_>, filter: &Arc<Filter>, make: impl FnOnce(Position) -> Arc<C>) -> Self {
        let (tail, before) = loop {
            let tail = parent.log.tail();
            // Unknown if it has been let go since.
            if let Some(before) = parent.log.position_before(tail) {
                break (tail, before);
            }
        };
        let channel = make(before);
        let up_to = parent.log.head().next();
        let mut places = Places::default();
        let mut derivation = Derivation::new(parent, up_to, (filter.clone(), &mut places), &channel, None);
        derivation.fill(parent, &places, tail, up_to);
        Self { channel, up_to }
    }
}

impl<C: Derived> DerivedSet<C> {
    pub(super) fn new() -> Self {
        Self {
            done: None,
            has_id: false,
            is_over: false,
            places: Places::default(),
            derivations: Vec::new(),
            is_closed: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.derivations.is_empty()
    }

    pub(super) fn done(&self) -> Option<Cursor> {
        self.done
    }

    pub(super) fn has_reached(&self, next: Cursor) -> bool {
        self.done.is_none_or(|done| done >= next)
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = Arc<C>> + '_ {
        self.derivations.iter().filter_map(Derivation::channel)
    }

    pub(super) fn by_filter(&self) -> Vec<(Arc<Filter>, Arc<C>)> {
        let all = self.derivations.iter();
        all.filter_map(|derivation| Some((derivation.filter().clone(), derivation.channel()?)))
            .collect()
    }

    pub(super) fn find(&self, filter: &Arc<Filter>) -> Option<Arc<C>> {
        let is_it = |derivation: &&Derivation<C>| Arc::ptr_eq(derivation.filter(), filter);
        self.derivations.iter().filter(is_it).find_map(Derivation::channel)
    }

    pub(super) fn take_news(&mut self) -> Vec<Arc<C>> {
        self.derivations.iter_mut().filter_map(Derivation::take_news).collect()
    }

    /// Those without clients since a time that is long ago, by `is_over`.
    pub(super) fn let_go_idle(&mut self, is_over: impl Fn(Instant) -> bool) -> Vec<Arc<C>> {
        let is_idle = |channel: &C| channel.idle_since().is_some_and(&is_over);
        let gone = self.derivations.iter_mut();
        let gone = gone.filter_map(|derivation| derivation.let_go_if(is_idle)).collect();
        self.forget_gone();
        gone
    }

    pub(super) fn forget_gone(&mut self) {
        self.derivations.retain(|derivation| !derivation.is_gone());
        let in_use: usize = self.derivations.iter().map(Derivation::conditions).sum();
        if self.places.count() > 2 * in_use {
            // Those that filters have looked at which are no more would never become fewer.
            let mut places = Places::default();
            self.derivations
                .iter_mut()
                .for_each(|derivation| derivation.renumber(&mut places));
            self.places = places;
        }
    }

    pub(super) fn close(&mut self) -> Vec<Arc<C>> {
        self.is_closed = true;
        let kept = self.derivations.iter_mut();
        kept.filter_map(|derivation| derivation.let_go_if(|_| true)).collect()
    }

    /// There is to be a channel: as long as there was none, nothing was looked at.
    pub(super) fn begin(&mut self, parent: &Parent<'_>) {
        self.forget_gone();
        if self.is_empty() {
            let tip = parent.log.tip();
            self.done = Some(tip.cursor.next());
            self.has_id = !tip.id.is_empty();
            self.is_over = is_over(parent);
        }
        self.catch_up(parent);
    }

    /// Takes in a channel that was filled before.
    pub(super) fn join(&mut self, parent: &Parent<'_>, filter: Arc<Filter>, filled: Filled<C>) -> Arc<C> {
        let Filled { channel, up_to } = filled;
        let done = self.done.unwrap_or(up_to);
        let n = self.insert(parent, filter, &channel);
        self.derivations[n].fill(parent, &self.places, up_to, done);
        if self.is_over {
            channel.follow_end(parent.end.as_deref());
        }
        channel
    }

    /// Returns its place.
    pub(super) fn insert(&mut self, parent: &Parent<'_>, filter: Arc<Filter>, channel: &Arc<C>) -> usize {
        let done = self.done.unwrap_or(Cursor::FIRST);
        let kept = (!self.is_closed).then(|| channel.clone());
        let derivation = Derivation::new(parent, done, (filter, &mut self.places), channel, kept);
        self.derivations.push(derivation);
        self.derivations.len() - 1
    }

    /// Takes in what the parent has published.
    pub(super) fn catch_up(&mut self, parent: &Parent<'_>) {
        let Some(mut done) = self.done else { return };
        let head = parent.log.head();
        if done <= head {
            let due = parent.due();
            while done <= head {
                done = match parent.log.read(done) {
                    Read::Entry(entry) => self.pass_on(&entry, &due),
                    Read::NotYet => break,
                    Read::Gone => self.lapsed(parent),
                };
            }
            self.done = Some(done);
        }
        if self.is_over != is_over(parent) {
            self.is_over = !self.is_over;
            let end = parent.end.as_deref().filter(|_| self.is_over);
            for derivation in &mut self.derivations {
                derivation.follow_end(end);
            }
        }
    }

    /// Gives an entry to the channels that it is for. Returns the cursor of the next one.
    fn pass_on(&mut self, entry: &Entry, due: &Due) -> Cursor {
        let block = entry.plain();
        let event = event_of(entry, &block);
        let mut reading = event.as_ref().map(|event| self.places.reading(event));
        let is_reset = std::mem::replace(&mut self.has_id, !entry.id().is_empty()) && !self.has_id;
        for derivation in &mut self.derivations {
            if reading.as_mut().is_none_or(|reading| derivation.fits(reading)) {
                derivation.append(entry, entry.chunked().clone(), entry.kind());
            } else if is_reset {
                derivation.reset_id(entry);
            } else {
                derivation.pass_over(entry, due);
            }
        }
        entry.cursor.next()
    }

    /// The parent has let go what was not looked at: each channel's clients are told.
    fn lapsed(&mut self, parent: &Parent<'_>) -> Cursor {
        let tail = parent.log.tail();
        if let Some(before) = parent.log.position_before(tail) {
            for derivation in &mut self.derivations {
                derivation.gap(parent, before);
            }
        }
        tail
    }

    /// Tells clients where they stand for whom nothing has come for long.
    pub(super) fn tell_in_time(&mut self, parent: &Parent<'_>, now: Instant) {
        let Some(done) = self.done else { return };
        if let Read::Entry(last) = parent.log.read(done.before()) {
            let age = parent.due().age;
            for derivation in &mut self.derivations {
                derivation.tell_in_time(&last, age, now);
            }
        }
    }
}

/// Whether the origin has said that there is no more. A terminal event ends a derived channel where it
/// stands in its log.
fn is_over(parent: &Parent<'_>) -> bool {
    parent.end.as_ref().is_some_and(|end| end.cause == Cause::Origin)
}
