//! `stagger`: the clients of a channel get an event one after the other over some time, for events on which each fetches something.
//!
//! A cursor goes round the channel's clients once per `stagger`, as long as anybody is behind; the client that it reaches gets everything
//! up to the head. So each client gets an event within `stagger`, in order, and a flood of events moves no faster than one.

use super::client::ClientState;
use super::shard::Shard;
use crate::log::Cursor;
use std::time::{Duration, Instant};

/// Clients that one channel's cursor reaches in one turn of the shard.
const VISITS_PER_TURN: usize = 256;

/// Visits that are due within this share of a round, and no longer time than that, are made together: a shard that wakes up for each of
/// thousands a second pays more for that than for the delivery.
const TOGETHER_SHARE: u32 = 20;
const TOGETHER_MAX: Duration = Duration::from_millis(5);

/// The way round a channel's clients.
pub(super) struct StaggerCursor {
    /// How long one takes.
    over: Duration,
    /// The index that is visited next, if there is one that far.
    index: usize,
    /// Visits until everybody has been visited since the newest event; 0: nobody is behind.
    left: usize,
    /// When the next visit is due.
    next_at: Instant,
    /// The first entry that not everybody has been offered.
    from: Cursor,
}

impl StaggerCursor {
    pub(super) fn new(over: Duration) -> Self {
        Self {
            over,
            index: 0,
            left: 0,
            next_at: Instant::now(),
            from: Cursor::START,
        }
    }

    pub(super) fn set_over(&mut self, over: Duration) {
        self.over = over;
    }

    /// Something new, from `from` on: everybody has to be visited.
    fn begin(&mut self, clients: usize, from: Cursor, now: Instant) {
        if self.left == 0 {
            (self.next_at, self.from) = (now, from);
        }
        self.left = clients;
    }

    /// When the next visits are made.
    fn wakes_at(&self) -> Instant {
        self.next_at + (self.over / TOGETHER_SHARE).min(TOGETHER_MAX)
    }

    /// The index of the next visit that is due.
    fn next(&mut self, clients: usize, now: Instant) -> Option<usize> {
        if self.left == 0 || clients == 0 || now < self.next_at {
            return None;
        }
        self.left -= 1;
        self.next_at += self.over / u32::try_from(clients).unwrap_or(u32::MAX);
        let index = self.index % clients;
        self.index = index + 1;
        Some(index)
    }
}

impl Shard {
    /// Looks at the log for a channel that staggers. Returns how much work that was.
    pub(super) fn stagger(&mut self, key: u32) -> usize {
        let now = self.clock.now();
        let shard_channel = &mut self.channels[key as usize];
        let Some(from) = shard_channel.take_news() else {
            shard_channel.queued = false;
            return 1 + self.end_streams(key);
        };
        let clients = shard_channel.clients.len();
        let Some(cursor) = &mut shard_channel.cursor else {
            return 1;
        };
        cursor.begin(clients, from, now);
        let from = cursor.from;
        if shard_channel.is_too_much(from) {
            self.end_stagger(key);
        } else if !self.staggering.contains(&key) {
            self.staggering.push(key);
        }
        // Once more: the flag was cleared before the look.
        self.working.push_back(key);
        1
    }

    /// Moves the cursors that are under way.
    pub(super) fn staggers(&mut self) {
        let now = self.clock.now();
        for key in std::mem::take(&mut self.staggering) {
            if self.advance_stagger(key, now) {
                self.staggering.push(key);
            }
        }
    }

    /// Whether the round goes on.
    fn advance_stagger(&mut self, key: u32, now: Instant) -> bool {
        for _ in 0..VISITS_PER_TURN {
            let Some(shard_channel) = self.channels.get_mut(key as usize) else {
                return false;
            };
            let Some(cursor) = &mut shard_channel.cursor else {
                return false;
            };
            let Some(index) = cursor.next(shard_channel.clients.len(), now) else {
                break;
            };
            let (client, next) = (shard_channel.clients[index], shard_channel.next);
            self.deliver_up_to(client, next);
        }
        let goes_on = self
            .channels
            .get(key as usize)
            .and_then(|shard_channel| shard_channel.cursor.as_ref())
            .is_some_and(|cursor| cursor.left > 0);
        if !goes_on {
            self.end_stagger(key);
        }
        goes_on
    }

    /// Clients that the cursor has missed, since indices change as clients leave, are not left behind.
    pub(super) fn end_stagger(&mut self, key: u32) {
        let Some(shard_channel) = self.channels.get_mut(key as usize) else {
            return;
        };
        if let Some(cursor) = &mut shard_channel.cursor {
            cursor.left = 0;
        }
        let (clients, next) = (shard_channel.clients.clone(), shard_channel.next);
        clients.into_iter().for_each(|client| self.deliver_up_to(client, next));
    }

    fn deliver_up_to(&mut self, key: u32, next: Cursor) {
        let client = &self.clients[key as usize];
        if client.state == ClientState::Live && client.next < next {
            self.replay_later(key);
        }
    }

    /// When the next visit of any cursor is due.
    pub(super) fn until_next_visit(&self) -> Option<Duration> {
        let staggers = self
            .staggering
            .iter()
            .filter_map(|key| self.channels.get(*key as usize));
        let due = staggers
            .filter_map(|shard_channel| Some(shard_channel.cursor.as_ref()?.wakes_at()))
            .min()?;
        Some(due.saturating_duration_since(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_round_takes_its_time_and_comes_to_everybody() {
        let mut cursor = StaggerCursor::new(Duration::from_secs(1));
        let start = Instant::now();
        cursor.begin(10, Cursor::nth(1), start);
        let mut seen = Vec::new();
        for ms in (0..1000).step_by(10) {
            while let Some(index) = cursor.next(10, start + Duration::from_millis(ms)) {
                seen.push((ms, index));
            }
        }
        assert_eq!(seen, (0..10).map(|n| (n as u64 * 100, n)).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_does_not_hold_the_pointer_up() {
        let mut cursor = StaggerCursor::new(Duration::from_secs(1));
        let start = Instant::now();
        let mut visits = vec![0; 100];
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            cursor.begin(100, Cursor::nth(ms), now);
            while let Some(index) = cursor.next(100, now) {
                visits[index] += 1;
            }
        }
        assert_eq!(visits, [3; 100]);
    }
}
