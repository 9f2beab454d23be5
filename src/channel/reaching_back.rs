//! What a client would have to get from a shared log itself, since the ring has let go of it.

use super::channel::Channel;
use super::older::{Older, Wanted};
use super::shared_place::Place;
use crate::log::{Cursor, Kind, Position, Read};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::sync::Arc;

impl Channel {
    /// From now on the log is read further back than the ring, if it has not been before.
    pub(crate) fn reads_older(&self, older: Arc<dyn Older>) {
        // Set once, when the channel's source begins.
        let _ = self.older.set(older);
    }

    /// What a client would have to get from the log itself, if that is so.
    pub(super) fn older(&self, id: &Bytes) -> Option<(&dyn Older, Wanted)> {
        let older = self.older.get()?;
        let (epoch, behind) = self.shared_place(self.ids.epoch().position(id)?)?;
        if self.place_behind(id).gap != Some(GapReason::Evicted) {
            return None;
        }
        let (position, next) = self.joint()?;
        let (_, up_to) = self.shared_place(position)?;
        let wanted = Wanted {
            id: id.clone(),
            epoch,
            behind,
            up_to,
            next,
        };
        Some((&**older, wanted))
    }

    fn shared_place(&self, position: Position) -> Option<(String, Place)> {
        let (epoch, sequence, number) = self.ids.epoch().shared_place(position)?;
        Some((epoch, Place { sequence, number }))
    }

    /// An event in the ring's middle, and the place behind it. Where the ring is empty, the last one that
    /// it had.
    fn joint(&self) -> Option<(Position, Cursor)> {
        let log = self.log();
        let (tail, tip) = (log.tail(), log.tip());
        if tail > tip.cursor {
            return Some((tip.position, tip.cursor.next()));
        }
        let middle = tip.cursor.back(tip.cursor.since(tail) / 2);
        middle
            .up_to(tip.cursor.next())
            .find_map(|cursor| match log.read(cursor) {
                Read::Entry(entry) if entry.kind() != Kind::Gap => Some((entry.position, cursor.next())),
                _ => None,
            })
    }
}
