//! One budget of file descriptors for the whole process (docs/decisions/0015).
//!
//! Of the limit on open files a *reserve* is set aside for what must always work: upstreams of
//! sources without parameters, the admin, accepting, names, files. The rest is the pool, out of
//! which come connections of clients (each for as long as its socket is open), proxied requests
//! (one for the origin's side) and upstreams of channels. What does not fit is refused at once.
//!
//! A connection that has asked for nothing yet may be closed for another; what lasts may not. So a
//! part of the pool is never given to what lasts: however full the relay is, a request can be read,
//! and be refused in a way that heals.

use super::Quota;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most connections that have a part of the pool of their own while they ask.
const PENDING_MAX: usize = 8192;
/// The same where descriptors are scarce.
const PENDING_MIN: usize = 2;
/// Pending connections get this part of the pool.
const PENDING_PART: usize = 8;
/// This part of what lasts is never given to proxied requests: an origin that answers none keeps no
/// client out.
const NOT_PROXIED_PART: usize = 8;

/// Admin connections: probes, scrapers, a few people with the dashboard open; and the same where
/// descriptors are scarce.
const ADMIN_MAX: usize = 64;
const ADMIN_MIN: usize = 8;
/// The admin gets this part of the limit, within its bounds.
const ADMIN_PART: usize = 16;

/// An upstream's connection, a second attempt beside it (RFC 8305), and its name's resolution.
const PER_PLAIN_UPSTREAM: usize = 4;
/// Files that are read now and then, second attempts of channels, names that are resolved for them,
/// runtimes that are yet to start.
const SLACK: usize = 32;

/// How the limit is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What the process may have open.
    pub limit: usize,
    /// What is never given to clients.
    pub reserve: usize,
    /// Connections of the admin: a part of the reserve.
    pub admin: usize,
    /// Connections that have not asked for anything yet always have this much of the pool.
    pub pending: usize,
}

impl Budget {
    /// `open`: descriptors that are open already and stay; `plain_upstreams`: those of sources
    /// without parameters.
    pub fn new(limit: usize, open: usize, plain_upstreams: usize) -> Self {
        let admin = (limit / ADMIN_PART).clamp(ADMIN_MIN, ADMIN_MAX);
        let open = open.min(limit);
        // Where they are few clients get half of what is left all the same.
        let wanted = admin + plain_upstreams * PER_PLAIN_UPSTREAM + SLACK;
        let reserve = open + wanted.min((limit - open) / 2);
        let pool = limit - reserve;
        Self {
            limit,
            reserve,
            admin,
            pending: (pool / PENDING_PART).clamp(PENDING_MIN, PENDING_MAX).min(pool / 2),
        }
    }

    /// What clients, proxied requests and upstreams of channels share.
    pub fn pool(&self) -> usize {
        self.limit - self.reserve
    }

    /// How much of the pool what lasts may have: the most clients that fit.
    pub fn lasting(&self) -> usize {
        self.pool() - self.pending
    }
}

/// The pool.
#[derive(Debug)]
pub(crate) struct Descriptors {
    free: Arc<Quota>,
    lasting: Quota,
    /// Those of `lasting` that proxied requests may have.
    proxied: Quota,
    pending: AtomicUsize,
}

/// A descriptor of the pool; dropping it gives it back. Held by what has the socket, and dropped
/// with it.
#[derive(Debug)]
pub(crate) struct Descriptor(Arc<Quota>);

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.0.give_back(1);
    }
}

impl Descriptors {
    pub(super) fn new(budget: &Budget) -> Self {
        Self {
            free: Arc::new(Quota::new(budget.pool())),
            lasting: Quota::new(budget.lasting()),
            proxied: Quota::new(proxied_of(budget)),
            pending: AtomicUsize::new(budget.pending),
        }
    }

    /// Divides the limit anew. What is in use stays in use.
    pub(super) fn divide(&self, budget: &Budget) {
        self.free.set_max(budget.pool());
        self.lasting.set_max(budget.lasting());
        self.proxied.set_max(proxied_of(budget));
        self.pending.store(budget.pending, Ordering::Relaxed);
    }

    /// So many that are set aside for connections of one kind alone.
    pub(crate) fn of(count: usize) -> Self {
        Self {
            free: Arc::new(Quota::new(count)),
            lasting: Quota::new(0),
            proxied: Quota::new(0),
            pending: AtomicUsize::new(count),
        }
    }

    /// The descriptor of something that exists already, or is about to.
    pub(crate) fn take(&self) -> Option<Descriptor> {
        self.free.take(1).then(|| Descriptor(self.free.clone()))
    }

    /// Whether none is in use.
    pub(crate) fn are_free(&self) -> bool {
        self.free.taken() == 0
    }

    /// Room for so many descriptors that stay in use.
    pub(super) fn take_lasting(&self, count: usize) -> bool {
        self.lasting.take(count)
    }

    pub(super) fn give_back_lasting(&self, count: usize) {
        self.lasting.give_back(count);
    }

    /// The same for a proxied request, which leaves a part to others.
    pub(super) fn take_proxied(&self, count: usize) -> bool {
        if !self.proxied.take(count) {
            return false;
        }
        let taken = self.take_lasting(count);
        if !taken {
            self.proxied.give_back(count);
        }
        taken
    }

    pub(super) fn give_back_proxied(&self, count: usize) {
        self.lasting.give_back(count);
        self.proxied.give_back(count);
    }

    /// How many connections may have asked for nothing yet. Beyond their own part they get half of
    /// what is free, so that what lasts always finds the other half. A quarter of their part stays
    /// free: a connection that was told to go is there a moment longer.
    pub(crate) fn pending_max(&self) -> usize {
        let pending = self.pending.load(Ordering::Relaxed);
        PENDING_MAX.min(pending - pending / 4 + self.lasting.free() / 2)
    }
}

fn proxied_of(budget: &Budget) -> usize {
    budget.lasting() - budget.lasting() / NOT_PROXIED_PART
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_divided() {
        for (limit, open, plain) in [
            (0, 30, 1),
            (64, 30, 1),
            (256, 30, 1),
            (1024, 30, 20),
            (1_000_000, 60, 1000),
        ] {
            let budget = Budget::new(limit, open, plain);
            assert!(budget.reserve <= limit && budget.pending <= budget.pool(), "{budget:?}");
            assert_eq!(budget.reserve + budget.pending + budget.lasting(), limit, "{budget:?}");
        }
        let small = Budget::new(256, 30, 1);
        assert!(small.lasting() >= 128, "half of the limit is for clients: {small:?}");
        assert!(small.pending >= 16, "{small:?}");
        let large = Budget::new(100_000, 60, 10);
        assert!(large.lasting() >= 90_000, "{large:?}");
    }

    #[test]
    fn what_lasts_leaves_room_for_those_who_ask() {
        let descriptors = Descriptors::new(&Budget::new(256, 30, 1));
        let held: Vec<_> = std::iter::from_fn(|| descriptors.take_lasting(1).then(|| descriptors.take())).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(descriptors.take().is_some() && descriptors.pending_max() >= 8);
        descriptors.give_back_lasting(2);
        assert!(descriptors.take_lasting(2) && !descriptors.take_lasting(1));
    }

    #[test]
    fn proxied_requests_leave_room_for_clients() {
        for limit in [255, 256, 257] {
            let descriptors = Descriptors::new(&Budget::new(limit, 30, 1));
            let lasting = descriptors.lasting.free();
            while descriptors.take_proxied(2) {}
            assert!(descriptors.lasting.free() >= lasting / NOT_PROXIED_PART, "{limit}");
            descriptors.give_back_proxied(2);
            assert!(descriptors.take_proxied(2));
        }
    }

    #[test]
    fn those_who_ask_leave_room_for_what_lasts() {
        let descriptors = Descriptors::new(&Budget::new(256, 30, 1));
        let pending: Vec<_> = (0..descriptors.pending_max()).map(|_| descriptors.take()).collect();
        assert!(pending.iter().all(Option::is_some));
        let half = descriptors.lasting.free() / 2;
        let lasting: Vec<_> = (0..half).map(|_| descriptors.take()).collect();
        assert!(lasting.iter().all(Option::is_some));
    }
}
