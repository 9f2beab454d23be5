//! What a client misses that is made to skip a part of the log, and how far it may be made to.

use super::channel::Channel;
use super::join::{Join, JoinedSource};
use super::lineage::Lineage;
use crate::log::{Cursor, Kind, Log, Read};

/// Events of one source that a client has not had.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Missed {
    /// The source's configured name.
    pub(crate) source: Box<str>,
    /// How many; `None`: that is no longer known.
    pub(crate) events: Option<u64>,
}

impl Channel {
    /// The first terminal event that the log holds from an entry on: the stream's own, or that of one
    /// of several sources. It is for every client.
    pub(crate) fn first_terminal(&self, from: Cursor) -> Option<Cursor> {
        self.ending.first_terminal(from.max(self.log().tail()))
    }

    /// What a client misses that goes on at `to` instead of `from`, by source. Costs a look at each of
    /// the entries where clients filter several sources: less than to deliver them.
    pub(crate) fn missed(&self, from: Cursor, to: Cursor) -> Vec<Missed> {
        let of_several = match &self.lineage {
            Lineage::Upstreams => None,
            Lineage::Joined(join) => Some((&**join, counted(join, self.log(), from, to))),
            Lineage::Filtered(whole, _) => {
                let join = whole.lineage.join();
                join.map(|join| (join, self.counted_in(whole, join, from, to)))
            }
        };
        match of_several {
            None => vec![Missed {
                source: self.name().into(),
                events: Some(to.since(from)),
            }],
            Some((join, counts)) => by_source(join, counts),
        }
    }

    /// The same as [`counted`] for what a filter has let through.
    fn counted_in(&self, whole: &Self, join: &Join<Self>, from: Cursor, to: Cursor) -> Option<Vec<u64>> {
        let mut stood = Vec::new();
        for cursor in from.up_to(to) {
            let Read::Entry(entry) = self.log().read(cursor) else {
                return None;
            };
            // What only tells clients where they stand is no event.
            if entry.kind() != Kind::NonEvent {
                stood.push(whole.log().cursor_of(entry.position)?);
            }
        }
        let state = join.state();
        let first = stood.first().copied().unwrap_or(to);
        // What is let go of is so under this lock.
        let is_known = stood.is_empty() || first >= whole.log().tail();
        is_known.then(|| state.tracks.count(&stood))
    }
}

/// How many of a joined log's entries are of each source. `None`: some of them have been let go.
fn counted(join: &Join<Channel>, log: &Log, from: Cursor, to: Cursor) -> Option<Vec<u64>> {
    let state = join.state();
    (from >= log.tail()).then(|| state.tracks.count_between(from, to))
}

fn by_source(join: &Join<Channel>, counts: Option<Vec<u64>>) -> Vec<Missed> {
    let missed = |(n, source): (usize, &JoinedSource<Channel>)| {
        let events = counts.as_ref().map(|counts| counts[n]);
        (events != Some(0)).then(|| Missed {
            source: source.name.clone(),
            events,
        })
    };
    join.sources.iter().enumerate().filter_map(missed).collect()
}
