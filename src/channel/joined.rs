//! Places of a joined channel: from an id that names one in each of its sources, and back.

use super::channel::Channel;
use super::end::End;
use super::history::{History, HistoryPlace};
use super::join::Join;
use super::joined_block::joined_block;
use super::joined_id::{self, PlaceId, part};
use super::tracks::Going;
use crate::log::{Cursor, Draft, Entry, Log, Moves, Position, Read, ResumePoint, StartPoint, WantedStart};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a place is looked for in logs that let go of it meanwhile.
const LOOKS_MAX: usize = 8;

/// Where a client's stream goes on in a joined channel.
pub(super) struct JoinedPlace {
    pub(super) next: Cursor,
    pub(super) id: Bytes,
    /// Which sources may have missed something before it, and why.
    pub(super) gaps: Vec<(GapReason, Box<str>)>,
    /// What comes before `next` for this client alone.
    pub(super) rest: Option<HistoryPlace>,
}

/// A client's place in each source, as it is found there.
struct Places {
    next: Vec<Cursor>,
    gaps: Vec<(GapReason, Box<str>)>,
}

/// Ids of places in a log.
impl Channel {
    /// What names the place behind an entry, here and where the same events are numbered otherwise.
    pub(super) fn place_id_of(&self, entry: &Entry) -> PlaceId {
        match entry.is_passed() {
            true => PlaceId {
                exact: (!entry.is_named_by_id()).then(|| self.exact_id(entry.position)),
                id: entry.id().clone(),
            },
            false => PlaceId {
                id: self.exact_id(entry.position),
                exact: None,
            },
        }
    }

    /// The same for the place before an entry. `None`: it is no longer known.
    fn place_id_before(&self, next: Cursor) -> Option<PlaceId> {
        if let Read::Entry(entry) = self.log().read(next.before()) {
            return Some(self.place_id_of(&entry));
        }
        let exact = self.exact_id(self.log().position_before(next)?);
        let id = self.ids.begin(self.log(), StartPoint::At(next)).id;
        Some(match id.is_empty() || id == exact {
            true => PlaceId { id: exact, exact: None },
            false => PlaceId { id, exact: Some(exact) },
        })
    }

    /// The first entry, and the place before it.
    pub(super) fn oldest_place(&self) -> (Cursor, PlaceId) {
        loop {
            let tail = self.log().tail();
            // Unknown if it has been let go since.
            if let Some(place) = self.place_id_before(tail) {
                return (tail, place);
            }
        }
    }

    fn place_behind_id(&self, place: &PlaceId) -> ResumePoint {
        let exact = place.exact.as_ref().map(|exact| self.place_behind(exact));
        let known = exact.filter(|exact| exact.gap != Some(GapReason::UnknownId));
        known.unwrap_or_else(|| self.place_behind(&place.id))
    }
}

impl Channel {
    /// The place behind an id that a client of it came back with.
    pub(super) fn joined_place(&self, join: &Join<Self>, id: &[u8]) -> JoinedPlace {
        let here = self.ids.resume(self.log(), id);
        if here.gap.is_none() {
            return JoinedPlace {
                next: here.next,
                id: here.id,
                gaps: Vec::new(),
                rest: None,
            };
        }
        let wanted = join.long_ids.meant(id).and_then(|id| joined_id::places(&id));
        for _ in 0..LOOKS_MAX {
            let places = self.find_places(join, wanted.as_deref());
            let tail = self.log().tail();
            let going = self.taken_in(join, |state| state.tracks.going_on(&places.next, tail));
            if let Some(place) = self.begin_at(join, places, going) {
                return place;
            }
        }
        // It is let go faster than it is looked at.
        let oldest = self.ids.begin(self.log(), StartPoint::Oldest);
        let lost = join
            .sources
            .iter()
            .map(|source| (GapReason::Evicted, source.name.clone()));
        JoinedPlace {
            next: oldest.next,
            id: oldest.id,
            gaps: lost.collect(),
            rest: None,
        }
    }

    fn find_places(&self, join: &Join<Self>, wanted: Option<&[(String, PlaceId)]>) -> Places {
        let start = self.settings().load().start;
        let found = join.sources.iter().map(|source| {
            let channel = &source.channel;
            let named = wanted.map(|wanted| wanted.iter().find(|(name, _)| **name == *source.name));
            let place = match named {
                Some(Some((_, place))) => channel.place_behind_id(place),
                // A client that has had others of the sources starts in this one.
                Some(None) => channel.place(None, channel.log().start(start)),
                None => ResumePoint {
                    gap: Some(GapReason::UnknownId),
                    ..channel.place(None, StartPoint::Oldest)
                },
            };
            (place.next, place.gap.map(|reason| (reason, source.name.clone())))
        });
        let (next, gaps): (_, Vec<_>) = found.unzip();
        Places {
            next,
            gaps: gaps.into_iter().flatten().collect(),
        }
    }

    /// `None`: a log has let go of it meanwhile.
    fn begin_at(&self, join: &Join<Self>, places: Places, going: Going) -> Option<JoinedPlace> {
        let Places { next, mut gaps } = places;
        if going.missing.iter().all(Range::is_empty) {
            return Some(JoinedPlace {
                id: self.log().id_before(going.next)?,
                next: going.next,
                gaps,
                rest: None,
            });
        }
        match self.rest(join, &going)? {
            Some((id, rest)) => Some(JoinedPlace {
                next: going.next,
                id,
                gaps,
                rest: Some(rest),
            }),
            // It is more than a client may have outstanding: it gets some of what it has had again.
            None => {
                let (head, tail) = (self.log().head(), self.log().tail());
                let going = join.state().tracks.repeating(&next, head, tail);
                let lost = going
                    .missing
                    .iter()
                    .zip(&join.sources)
                    .filter(|(missing, _)| !missing.is_empty());
                gaps.extend(lost.map(|(_, source)| (GapReason::Evicted, source.name.clone())));
                Some(JoinedPlace {
                    id: self.log().id_before(going.next)?,
                    next: going.next,
                    gaps,
                    rest: None,
                })
            }
        }
    }

    /// What a client gets before the joined log, in the order in which it was received, and the id of
    /// the place before it. `Some(None)`: it is too much. `None`: a source has let go of it.
    #[expect(clippy::option_option, reason = "the two are told apart by who looks")]
    fn rest(&self, join: &Join<Self>, going: &Going) -> Option<Option<(Bytes, HistoryPlace)>> {
        let settings = self.settings().load();
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (n, missing) in going.missing.iter().enumerate() {
            for cursor in missing.start.up_to(missing.end) {
                let Read::Entry(entry) = join.sources[n].channel.log().read(cursor) else {
                    return None;
                };
                bytes += entry.len_bytes();
                if bytes > settings.slow_client.bytes {
                    return Some(None);
                }
                entries.push((entry.received(), n, entry));
            }
        }
        entries.sort_by_key(|(received, n, entry)| (*received, *n, entry.cursor));
        let places = going.missing.iter().zip(&join.sources).map(|(missing, source)| {
            let place = source.channel.place_id_before(missing.start)?;
            Some(part(&source.name, &place))
        });
        let mut parts = places.collect::<Option<Vec<String>>>()?;
        let first = join.id(&parts);
        let mut limits = settings.log.limits();
        limits.events = entries.len().max(1);
        (limits.bytes, limits.age) = (u64::MAX, Duration::ZERO);
        let (mut writer, log) = Log::new(limits);
        for (received, n, entry) in &entries {
            let source = &join.sources[*n];
            parts[*n] = part(&source.name, &source.channel.place_id_of(entry));
            let id = join.id(&parts);
            if let Some(block) = joined_block(entry, &id, join.prefix_events.then_some(&*source.name)) {
                writer.append(Draft {
                    frame: block.frame,
                    id,
                    indexed: true,
                    kind: entry.kind(),
                    received: *received,
                    moves: Moves::Nothing,
                });
            }
        }
        let end = log.head().next();
        let history = Arc::new(History::new(Bytes::new(), log, end));
        Some(Some((first, history.whole())))
    }

    /// The id that names the place before an entry exactly. `None`: it is no longer known.
    pub(super) fn joined_id_before(&self, join: &Join<Self>, next: Cursor) -> Option<Bytes> {
        let places = join.state().tracks.places_at(next);
        let parts = places.iter().zip(&join.sources).map(|(place, source)| {
            let place = source.channel.place_id_before(*place)?;
            Some(part(&source.name, &place))
        });
        Some(join.id(&parts.collect::<Option<Vec<String>>>()?))
    }

    /// The same behind a position.
    pub(super) fn joined_id_behind(&self, join: &Join<Self>, position: Position) -> Option<Bytes> {
        self.joined_id_before(join, self.log().cursor_of(position)?.next())
    }

    /// Whether some of what a client wants from a time on is missing.
    pub(super) fn lacks(join: &Join<Self>, wanted: WantedStart) -> bool {
        let lacks = |parent: &Arc<Self>| {
            matches!(wanted, WantedStart::Since(_))
                && parent.log().start_wanted(wanted, Instant::now()) == StartPoint::OldestOfMore
        };
        join.channels().any(lacks)
    }

    /// Whether a client that comes with this id has nothing left to hear in any source.
    pub(super) fn is_joined_over_for(
        &self,
        join: &Join<Self>,
        end: &End,
        id: Option<&[u8]>,
        admitted: Option<StartPoint>,
    ) -> bool {
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            // One that was let in before the end gets the rest.
            let was_in = matches!(admitted, Some(StartPoint::At(next)) if next <= end.last);
            return !was_in && join.channels().all(|parent| parent.is_over_for(None, None));
        };
        let here = self.ids.resume(self.log(), id);
        if here.gap.is_none() {
            return here.next > end.last;
        }
        let wanted = join.long_ids.meant(id).and_then(|id| joined_id::places(&id));
        let named = wanted.unwrap_or_default();
        join.sources.iter().all(|source| {
            let place = named
                .iter()
                .find(|(name, _)| **name == *source.name)
                .map(|(_, place)| place);
            let is_over = |id: &Bytes| source.channel.is_over_for(Some(id), None);
            match place {
                Some(place) => is_over(place.exact.as_ref().unwrap_or(&place.id)),
                None => source.channel.is_over_for(None, None),
            }
        })
    }
}

#[cfg(test)]
#[path = "joined_tests.rs"]
mod tests;
