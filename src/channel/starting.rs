//! Where a client's stream begins, and what stands before the log.

use super::channel::Channel;
use super::derivation::event_of;
use super::history::HistoryPlace;
use super::joined::JoinedPlace;
use super::lineage::Lineage;
use super::matching::{Matcher, Places};
use crate::log::{Cursor, Entry, ResumePoint, StartPoint};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::cell::RefCell;

/// Where a client's stream begins.
pub(crate) struct Beginning {
    /// With this entry of the log.
    pub(crate) next: Cursor,
    /// The id in force at first, where it is known; empty: none.
    pub(crate) id: Bytes,
    /// Why events may be missing before it, and of which source.
    pub(crate) gaps: Vec<(GapReason, Box<str>)>,
    /// What the client gets before the log.
    pub(crate) before: Option<HistoryPlace>,
}

impl Channel {
    /// Where a client's stream begins: behind its last event ID, wherever that is by now, or where it
    /// was let in. `history`: what comes behind its id and before the log, if the origin returned it.
    pub(crate) fn beginning(
        &self,
        last_event_id: Option<&[u8]>,
        start: StartPoint,
        history: Option<HistoryPlace>,
    ) -> Beginning {
        match (last_event_id.filter(|id| !id.is_empty()), history, &self.lineage) {
            (Some(id), Some(history), _) => Beginning {
                next: history.next().unwrap_or(Cursor::FIRST),
                id: Bytes::copy_from_slice(id),
                gaps: Vec::new(),
                before: Some(history),
            },
            (Some(id), None, Lineage::Joined(join)) => self.joined_place(join, id).into(),
            (Some(id), None, Lineage::Filtered(whole, filter)) if whole.lineage.join().is_some() => {
                let mut places = Places::default();
                let matcher = Matcher::new(filter.clone(), &mut places);
                let fits = |entry: &Entry| {
                    let block = entry.plain();
                    event_of(entry, &block).is_none_or(|event| matcher.matches(&mut places.reading(&event)))
                };
                self.beginning_in_part(whole, id, fits)
            }
            _ => self.beginning_at(self.place(last_event_id, start)),
        }
    }

    fn beginning_at(&self, place: ResumePoint) -> Beginning {
        let gaps = place.gap.map(|reason| self.of_sources(reason));
        Beginning {
            next: place.next,
            id: place.id,
            gaps: gaps.unwrap_or_default(),
            before: None,
        }
    }

    /// A gap in what the log holds: of several sources, those that have let go of something.
    fn of_sources(&self, reason: GapReason) -> Vec<(GapReason, Box<str>)> {
        let whole = self.lineage.whole().map_or(self, |whole| whole);
        let Some(join) = whole.lineage.join() else {
            return vec![(reason, self.name().into())];
        };
        let all = join.sources.iter();
        let mut gaps: Vec<_> = all
            .filter(|source| !source.channel.log().holds_all())
            .map(|source| (reason, source.name.clone()))
            .collect();
        if gaps.is_empty() {
            gaps.extend(join.sources.iter().map(|source| (reason, source.name.clone())));
        }
        gaps
    }

    /// The same in a part of a joined channel.
    fn beginning_in_part(&self, whole: &Self, id: &[u8], fits: impl Fn(&Entry) -> bool) -> Beginning {
        let found = RefCell::new(None);
        let place = self.place_by(whole, || {
            let beginning = whole.beginning(Some(id), StartPoint::Oldest, None);
            let place = ResumePoint {
                next: beginning.next,
                id: beginning.id.clone(),
                gap: beginning.gaps.first().map(|(reason, _)| *reason),
            };
            *found.borrow_mut() = Some(beginning);
            place
        });
        let of_whole = found.into_inner();
        let here = self.beginning_at(place);
        match of_whole {
            Some(of_whole) if here.gaps.is_empty() || !of_whole.gaps.is_empty() => Beginning {
                next: here.next,
                // Before all that is behind it for this client.
                id: if of_whole.before.is_some() {
                    of_whole.id
                } else {
                    here.id
                },
                gaps: of_whole.gaps,
                before: of_whole.before.map(|before| before.only(fits)),
            },
            _ => here,
        }
    }
}

impl From<JoinedPlace> for Beginning {
    fn from(place: JoinedPlace) -> Self {
        let JoinedPlace { next, id, gaps, rest } = place;
        Self {
            next,
            id,
            gaps,
            before: rest,
        }
    }
}

impl From<JoinedPlace> for ResumePoint {
    /// As far as the log goes: what a client gets before that is left out.
    fn from(place: JoinedPlace) -> Self {
        Self {
            gap: place.gaps.first().map(|(reason, _)| *reason),
            next: place.next,
            id: place.id,
        }
    }
}
