//! The clients that the upstream waits for, under the policy `pause`, and the oldest entry that one
//! of them still needs.
//!
//! A client that begins to wait, moves or ceases to wait costs a step in a tree, and the oldest
//! entry is at hand: no turn of the shard looks at clients that did not move.

use super::keys::ClientKey;
use crate::log::Cursor;
use std::collections::{BTreeMap, HashMap};

/// The cursors at which clients wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// Where each client waits, by its key.
    by_client: HashMap<ClientKey, Cursor>,
    /// How many wait at each of these; never 0.
    clients_at: BTreeMap<Cursor, usize>,
}

impl Waiting {
    /// A client waits at this cursor from now on; `None`: it waits no longer. Whether that is a
    /// change.
    pub(super) fn set(&mut self, client: ClientKey, cursor: Option<Cursor>) -> bool {
        let before = match cursor {
            Some(cursor) => self.by_client.insert(client, cursor),
            // Always so under the other policies, whose clients move all the time.
            None if self.by_client.is_empty() => None,
            None => self.by_client.remove(&client),
        };
        if before == cursor {
            return false;
        }
        if let Some(cursor) = cursor {
            *self.clients_at.entry(cursor).or_insert(0) += 1;
        }
        if let Some(before) = before {
            self.take(before);
        }
        true
    }

    fn take(&mut self, cursor: Cursor) {
        if let Some(count) = self.clients_at.get_mut(&cursor) {
            *count -= 1;
            if *count == 0 {
                self.clients_at.remove(&cursor);
            }
        }
    }

    /// Where this client waits, if it does.
    #[cfg(debug_assertions)]
    pub(super) fn cursor_of(&self, client: ClientKey) -> Option<Cursor> {
        self.by_client.get(&client).copied()
    }

    /// The lowest cursor at which one waits.
    pub(super) fn lowest(&self) -> Option<Cursor> {
        self.clients_at.first_key_value().map(|(&cursor, _)| cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_cursor_follows_the_clients_that_move() {
        let mut waiting = Waiting::default();
        let at = |n| Some(Cursor::nth(n));
        let [a, b, c] = [1, 2, 3].map(ClientKey::new);
        assert_eq!(waiting.lowest(), None);
        assert!(waiting.set(a, at(7)) && waiting.set(b, at(5)) && waiting.set(c, at(5)));
        assert_eq!(waiting.lowest(), at(5));
        assert!(!waiting.set(c, at(5)), "it did not move");
        assert!(waiting.set(b, at(9)));
        assert_eq!(waiting.lowest(), at(5), "another still waits there");
        assert!(waiting.set(c, None) && !waiting.set(c, None));
        assert_eq!(waiting.lowest(), at(7));
    }

    proptest! {
        #[test]
        fn it_is_what_a_look_at_all_would_find(
            moves in prop::collection::vec((0..20_usize, prop::option::of(0..30_u64)), 0..200)
        ) {
            let (mut waiting, mut model) = (Waiting::default(), HashMap::new());
            for (client, n) in moves {
                let (client, cursor) = (ClientKey::new(client), n.map(Cursor::nth));
                let before = match cursor {
                    Some(cursor) => model.insert(client, cursor),
                    None => model.remove(&client),
                };
                prop_assert_eq!(waiting.set(client, cursor), before != cursor);
                prop_assert_eq!(waiting.lowest(), model.values().min().copied());
                // A client that moves on leaves nothing behind.
                prop_assert_eq!(waiting.clients_at.values().sum::<usize>(), model.len());
            }
        }
    }
}
