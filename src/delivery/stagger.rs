//! `stagger`: the clients of a view get an event one after the other over some time, for events on which each fetches something.
//!
//! A pointer goes round the view's clients once per `stagger`, as long as anybody is behind; whom it comes to gets everything
//! up to the head. So each client gets an event within `stagger`, in order, and a flood of events moves no faster than one.

use super::client::State;
use super::shard::Shard;
use std::time::{Duration, Instant};

/// Clients that one view's pointer comes to in one turn of the shard.
const VISITS_PER_TURN: usize = 256;

/// Visits that are due within this share of a round, and no longer time than that, are made together: a shard that wakes up for each of
/// thousands a second pays more for that than for the delivery.
const TOGETHER_SHARE: u32 = 20;
const TOGETHER_MAX: Duration = Duration::from_millis(5);

/// A view's way round its clients.
pub(super) struct Round {
    /// How long one takes.
    over: Duration,
    /// The seat that is visited next, if there is one that far.
    seat: usize,
    /// Visits until everybody has been visited since the newest event; 0: nobody is behind.
    left: usize,
    /// When the next visit is due.
    next_at: Instant,
    /// The first entry that not everybody has been offered.
    from: u64,
}

impl Round {
    pub(super) fn new(over: Duration) -> Self {
        Self {
            over,
            seat: 0,
            left: 0,
            next_at: Instant::now(),
            from: 0,
        }
    }

    /// Something new, from `from` on: everybody has to be visited.
    fn begin(&mut self, clients: usize, from: u64, now: Instant) {
        if self.left == 0 {
            (self.next_at, self.from) = (now, from);
        }
        self.left = clients;
    }

    /// When the next visits are made.
    fn wakes_at(&self) -> Instant {
        self.next_at + (self.over / TOGETHER_SHARE).min(TOGETHER_MAX)
    }

    /// The seat of the next visit that is due.
    fn next(&mut self, clients: usize, now: Instant) -> Option<usize> {
        if self.left == 0 || clients == 0 || now < self.next_at {
            return None;
        }
        self.left -= 1;
        self.next_at += self.over / u32::try_from(clients).unwrap_or(u32::MAX);
        let seat = self.seat % clients;
        self.seat = seat + 1;
        Some(seat)
    }
}

impl Shard {
    /// Looks at the log for a view that staggers. Returns how much work that was.
    pub(super) fn stagger(&mut self, key: u32) -> usize {
        let now = self.clock.now();
        let view = &mut self.views[key as usize];
        let Some(from) = view.take_news() else {
            view.queued = false;
            return 1 + self.end_streams(key);
        };
        let clients = view.clients.len();
        let Some(round) = &mut view.round else { return 1 };
        round.begin(clients, from, now);
        let from = round.from;
        if view.is_too_much(from) {
            self.end_round(key);
        } else if !self.staggering.contains(&key) {
            self.staggering.push(key);
        }
        // Once more: the bell has been answered before the look.
        self.working.push_back(key);
        1
    }

    /// Goes on with the rounds that are under way.
    pub(super) fn rounds(&mut self) {
        let now = self.clock.now();
        for key in std::mem::take(&mut self.staggering) {
            if self.go_round(key, now) {
                self.staggering.push(key);
            }
        }
    }

    /// Whether the round goes on.
    fn go_round(&mut self, key: u32, now: Instant) -> bool {
        for _ in 0..VISITS_PER_TURN {
            let Some(view) = self.views.get_mut(key as usize) else {
                return false;
            };
            let Some(round) = &mut view.round else { return false };
            let Some(seat) = round.next(view.clients.len(), now) else {
                break;
            };
            let (client, next) = (view.clients[seat], view.next);
            self.deliver_up_to(client, next);
        }
        let goes_on = self
            .views
            .get(key as usize)
            .and_then(|view| view.round.as_ref())
            .is_some_and(|round| round.left > 0);
        if !goes_on {
            self.end_round(key);
        }
        goes_on
    }

    /// Whoever the pointer has missed, since seats change as clients leave, is not left behind.
    fn end_round(&mut self, key: u32) {
        let Some(view) = self.views.get_mut(key as usize) else {
            return;
        };
        if let Some(round) = &mut view.round {
            round.left = 0;
        }
        let (clients, next) = (view.clients.clone(), view.next);
        clients.into_iter().for_each(|client| self.deliver_up_to(client, next));
    }

    fn deliver_up_to(&mut self, key: u32, next: u64) {
        let client = &self.clients[key as usize];
        if client.state == State::Live && client.next < next {
            self.replay_later(key);
        }
    }

    /// When the next visit of any round is due.
    pub(super) fn until_next_visit(&self) -> Option<Duration> {
        let rounds = self.staggering.iter().filter_map(|key| self.views.get(*key as usize));
        let due = rounds.filter_map(|view| Some(view.round.as_ref()?.wakes_at())).min()?;
        Some(due.saturating_duration_since(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_round_takes_its_time_and_comes_to_everybody() {
        let mut round = Round::new(Duration::from_secs(1));
        let start = Instant::now();
        round.begin(10, 1, start);
        let mut seen = Vec::new();
        for ms in (0..1000).step_by(10) {
            while let Some(seat) = round.next(10, start + Duration::from_millis(ms)) {
                seen.push((ms, seat));
            }
        }
        assert_eq!(seen, (0..10).map(|n| (n as u64 * 100, n)).collect::<Vec<_>>());
    }

    #[test]
    fn a_flood_does_not_hold_the_pointer_up() {
        let mut round = Round::new(Duration::from_secs(1));
        let start = Instant::now();
        let mut visits = vec![0; 100];
        for ms in 0..3000 {
            let now = start + Duration::from_millis(ms);
            round.begin(100, ms, now);
            while let Some(seat) = round.next(100, now) {
                visits[seat] += 1;
            }
        }
        assert_eq!(visits, [3; 100]);
    }
}
