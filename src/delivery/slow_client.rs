//! The slow-client policy: what becomes of a client that is behind, as a function of what a look at
//! it finds.
//!
//! Nothing here has a socket, a shard or a clock. What the policy has to remember of a client from
//! one look to the next is its [`SlowState`]. A further policy is a name in the configuration and a
//! branch of [`decide`]; one that does something new is also a [`Decision`], carried out in
//! `lag.rs`.

use super::clock::Tick;
use crate::config::{SlowClient, SlowPolicy};
use crate::metrics::EvictReason;
use std::time::Duration;

/// How far a client is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Time since a byte of its was taken, while bytes wait.
    pub(super) stalled: Duration,
}

/// What a look at a client found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) lag: Lag,
    /// The log has let go what the client needs next, and nothing else is left for it.
    pub(super) lapsed: bool,
    /// So far behind that the upstream waits for it, where it waits for clients at all.
    pub(super) holds_upstream: bool,
    pub(super) now: Tick,
}

/// What is remembered of a client from one look to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlowState {
    /// By how many bytes it was behind, as far as they fit.
    Behind(u32),
    /// Over a bound and coming nearer: by how many bytes it was behind when it was nearest, and at
    /// how many looks in a row since it was no nearer than that.
    CatchingUp { nearest: u32, looks: u8 },
    /// The upstream stands still for it.
    Holding { since: Tick },
}

impl SlowState {
    /// A client that is at the head.
    pub(super) const LEVEL: Self = Self::Behind(0);
    /// A client that joins: one that comes back from far is catching up from the beginning.
    pub(super) const RETURNING: Self = Self::Behind(u32::MAX);
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It goes on, and is looked at again.
    Wait,
    /// It jumps to the head once its socket takes something.
    Skip,
    /// Its stream ends.
    Evict(EvictReason),
}

/// Decides on a client that is not level.
pub(super) fn decide(policy: &SlowClient, look: &Look, state: &mut SlowState) -> Decision {
    match policy.policy {
        SlowPolicy::Evict => evict(policy, look, state),
        SlowPolicy::Skip => skip(policy, look, state),
        SlowPolicy::Pause => pause(policy, look, state),
    }
}

/// Whether the upstream waits for clients that are behind.
pub(super) fn upstream_waits(policy: SlowPolicy) -> bool {
    policy == SlowPolicy::Pause
}

/// Whether a look that is due soon may be put off when the client's socket takes something and is
/// full again: the upstream goes at the pace of such a client already.
pub(super) fn blocking_puts_off_looks(policy: SlowPolicy) -> bool {
    upstream_waits(policy)
}

fn evict(policy: &SlowClient, look: &Look, state: &mut SlowState) -> Decision {
    if look.lapsed {
        return Decision::Evict(EvictReason::Log);
    }
    let reason = too_far_and_no_nearer(policy, &look.lag, state).or(stalled(policy, &look.lag, 1));
    reason.map_or(Decision::Wait, Decision::Evict)
}

fn skip(policy: &SlowClient, look: &Look, state: &mut SlowState) -> Decision {
    let too_far = too_far_and_no_nearer(policy, &look.lag, state).or(stalled(policy, &look.lag, 1));
    // Even a jump needs a socket that takes something.
    if let Some(reason) = stalled(policy, &look.lag, 2) {
        return Decision::Evict(reason);
    }
    match look.lapsed || too_far.is_some() {
        true => Decision::Skip,
        false => Decision::Wait,
    }
}

fn pause(policy: &SlowClient, look: &Look, state: &mut SlowState) -> Decision {
    if look.lapsed {
        return Decision::Evict(EvictReason::Log);
    }
    let stalled = stalled(policy, &look.lag, 1);
    if !look.holds_upstream {
        *state = SlowState::LEVEL;
        return stalled.map_or(Decision::Wait, Decision::Evict);
    }
    let since = match *state {
        SlowState::Holding { since } => since,
        SlowState::Behind(_) | SlowState::CatchingUp { .. } => look.now,
    };
    *state = SlowState::Holding { since };
    if look.now.since(since) >= policy.pause_max {
        let reason = too_far(policy, &look.lag).or(stalled);
        return Decision::Evict(reason.unwrap_or(EvictReason::Pause));
    }
    stalled.map_or(Decision::Wait, Decision::Evict)
}

/// The bound that a lag is over, if any.
fn too_far(policy: &SlowClient, lag: &Lag) -> Option<EvictReason> {
    if lag.events > policy.events {
        Some(EvictReason::Events)
    } else if lag.bytes > policy.bytes {
        Some(EvictReason::Bytes)
    } else {
        None
    }
}

/// Looks in a row at which a client that is catching up may be no nearer than it was: three quarters
/// of a second, for a network that pauses and a program that is busy with what it got.
const PAUSE_LOOKS: u8 = 3;

/// The same, but for a client that is nearer than at the look before: it is catching up, and to cut
/// it would only send it back to where it is now. One that was may pause for some looks.
fn too_far_and_no_nearer(policy: &SlowClient, lag: &Lag, state: &mut SlowState) -> Option<EvictReason> {
    let behind = u32::try_from(lag.bytes).unwrap_or(u32::MAX);
    let too_far = too_far(policy, lag);
    let (is_nearer, nearest, looks) = match *state {
        SlowState::Behind(before) => (behind < before, before, PAUSE_LOOKS),
        SlowState::CatchingUp { nearest, looks } => (behind < nearest, nearest, looks),
        // It was under another policy: there is nothing to compare with before the next look.
        SlowState::Holding { .. } => {
            *state = SlowState::Behind(behind);
            return None;
        }
    };
    *state = match too_far {
        None => SlowState::Behind(behind),
        Some(_) if is_nearer => SlowState::CatchingUp {
            nearest: behind,
            looks: 0,
        },
        Some(_) if looks < PAUSE_LOOKS => SlowState::CatchingUp {
            nearest,
            looks: looks + 1,
        },
        Some(_) => SlowState::Behind(behind),
    };
    too_far.filter(|_| !matches!(state, SlowState::CatchingUp { .. }))
}

/// Whether its socket has taken nothing for so many times as long as it may.
fn stalled(policy: &SlowClient, lag: &Lag, times: u32) -> Option<EvictReason> {
    (!policy.stall.is_zero() && lag.stalled >= policy.stall * times).then_some(EvictReason::Stall)
}

#[cfg(test)]
mod tests {
    use super::Decision::{Evict, Skip, Wait};
    use super::*;
    use EvictReason::{Bytes, Events, Log, Pause, Stall};
    use SlowState::{Behind, CatchingUp, Holding};

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn policy(policy: SlowPolicy) -> SlowClient {
        SlowClient {
            policy,
            events: 100,
            bytes: 1000,
            stall: seconds(20),
            pause_max: seconds(10),
        }
    }

    fn at(seconds: u64) -> Tick {
        Tick::at(0).plus(Duration::from_secs(seconds))
    }

    /// A look at second 100.
    fn look(events: u64, bytes: u64, stalled_s: u64) -> Look {
        Look {
            lag: Lag {
                events,
                bytes,
                stalled: seconds(stalled_s),
            },
            lapsed: false,
            holds_upstream: false,
            now: at(100),
        }
    }

    fn holding(look: Look) -> Look {
        Look {
            holds_upstream: true,
            ..look
        }
    }

    fn lapsed(look: Look) -> Look {
        Look { lapsed: true, ..look }
    }

    /// What was found and remembered; what `evict`, `skip` and `pause` decide; what is remembered
    /// then by the first two and by the third.
    type Row = (Look, SlowState, [Decision; 3], SlowState, SlowState);

    #[rustfmt::skip]
    fn table() -> Vec<Row> {
        let since = |s| Holding { since: at(s) };
        let nearer = |nearest, looks| CatchingUp { nearest, looks };
        let (near, far) = (Behind(500), Behind(5000));
        let pause = Evict(Pause);
        vec![
            // Within its bounds, whatever was before.
            (look(100, 1000, 19), Behind(0), [Wait, Wait, Wait], Behind(1000), Behind(0)),
            (look(100, 1000, 19), far, [Wait, Wait, Wait], Behind(1000), Behind(0)),
            // Over a bound, and farther than before or as far: but `pause` knows no bound of these
            // by itself.
            (look(101, 600, 0), near, [Evict(Events), Skip, Wait], Behind(600), Behind(0)),
            (look(1, 1001, 0), near, [Evict(Bytes), Skip, Wait], Behind(1001), Behind(0)),
            (look(1, 1001, 0), Behind(1001), [Evict(Bytes), Skip, Wait], Behind(1001), Behind(0)),
            (look(101, 1001, 0), near, [Evict(Events), Skip, Wait], Behind(1001), Behind(0)),
            (look(1, 1001, 0), SlowState::LEVEL, [Evict(Bytes), Skip, Wait], Behind(1001), Behind(0)),
            // Over a bound and nearer than before: it is catching up.
            (look(101, 400, 0), near, [Wait, Wait, Wait], nearer(400, 0), Behind(0)),
            (look(900, 4999, 0), far, [Wait, Wait, Wait], nearer(4999, 0), Behind(0)),
            (look(900, 9000, 0), SlowState::RETURNING, [Wait, Wait, Wait], nearer(9000, 0), Behind(0)),
            // It may pause for some looks, and has to be nearer then than it ever was.
            (look(900, 9000, 0), nearer(9000, 0), [Wait, Wait, Wait], nearer(9000, 1), Behind(0)),
            (look(900, 9999, 0), nearer(9000, 2), [Wait, Wait, Wait], nearer(9000, 3), Behind(0)),
            (look(900, 9000, 0), nearer(9000, 3), [Evict(Events), Skip, Wait], Behind(9000), Behind(0)),
            (look(900, 8999, 0), nearer(9000, 3), [Wait, Wait, Wait], nearer(8999, 0), Behind(0)),
            (look(100, 1000, 0), nearer(9000, 3), [Wait, Wait, Wait], Behind(1000), Behind(0)),
            // More than fits is far, and does not come nearer.
            (look(900, 1 << 40, 0), SlowState::RETURNING, [Evict(Events), Skip, Wait], Behind(u32::MAX), Behind(0)),
            // Stalled: nearer or not, over a bound or not; a jump is waited for as long again.
            (look(1, 10, 20), near, [Evict(Stall), Skip, Evict(Stall)], Behind(10), Behind(0)),
            (look(1, 10, 39), near, [Evict(Stall), Skip, Evict(Stall)], Behind(10), Behind(0)),
            (look(1, 10, 40), near, [Evict(Stall), Evict(Stall), Evict(Stall)], Behind(10), Behind(0)),
            (look(101, 400, 20), near, [Evict(Stall), Skip, Evict(Stall)], nearer(400, 0), Behind(0)),
            (look(101, 600, 20), near, [Evict(Events), Skip, Evict(Stall)], Behind(600), Behind(0)),
            // The upstream stands still for it: for the first time, for a while, for too long.
            (holding(look(9, 600, 0)), Behind(600), [Wait, Wait, Wait], Behind(600), since(100)),
            (holding(look(9, 600, 0)), since(91), [Wait, Wait, Wait], Behind(600), since(91)),
            (holding(look(9, 600, 0)), since(90), [Wait, Wait, pause], Behind(600), since(90)),
            (holding(look(9, 600, 20)), since(90), [Evict(Stall), Skip, Evict(Stall)], Behind(600), since(90)),
            (holding(look(9, 600, 20)), since(99), [Evict(Stall), Skip, Evict(Stall)], Behind(600), since(99)),
            (holding(look(101, 600, 0)), since(90), [Wait, Wait, Evict(Events)], Behind(600), since(90)),
            (holding(look(9, 1001, 0)), since(91), [Wait, Wait, Wait], Behind(1001), since(91)),
            // It holds the upstream no longer: the next time begins anew.
            (look(9, 10, 0), since(1), [Wait, Wait, Wait], Behind(10), Behind(0)),
            // What it needs is gone.
            (lapsed(look(9, 10, 0)), near, [Evict(Log), Skip, Evict(Log)], Behind(10), near),
            (lapsed(look(900, 9000, 0)), far, [Evict(Log), Skip, Evict(Log)], Behind(9000), far),
        ]
    }

    #[test]
    fn every_policy_decides_as_the_table_says() {
        for (look, before, decisions, remembered, remembered_by_pause) in table() {
            let policies = [SlowPolicy::Evict, SlowPolicy::Skip, SlowPolicy::Pause];
            for (name, wanted) in policies.into_iter().zip(decisions) {
                let mut state = before;
                let what = format!("{name:?}, {before:?}: {look:?}");
                assert_eq!(decide(&policy(name), &look, &mut state), wanted, "{what}");
                let wanted = match name {
                    SlowPolicy::Pause => remembered_by_pause,
                    // An eviction ends what is remembered.
                    SlowPolicy::Evict if look.lapsed => before,
                    SlowPolicy::Evict | SlowPolicy::Skip => remembered,
                };
                assert_eq!(state, wanted, "{what}");
            }
        }
    }

    #[test]
    fn without_a_bound_on_stalls_there_are_none() {
        for name in [SlowPolicy::Evict, SlowPolicy::Skip, SlowPolicy::Pause] {
            let policy = SlowClient {
                stall: Duration::ZERO,
                ..policy(name)
            };
            let mut state = SlowState::LEVEL;
            assert_eq!(decide(&policy, &look(1, 10, 1_000_000), &mut state), Wait, "{name:?}");
        }
    }

    #[test]
    fn the_clock_may_wrap_while_the_upstream_stands_still() {
        let since = Tick(u32::MAX - 100);
        let mut state = Holding { since };
        let mut look = holding(look(9, 600, 0));
        look.now = since.plus(seconds(9));
        assert_eq!(decide(&policy(SlowPolicy::Pause), &look, &mut state), Wait);
        look.now = since.plus(seconds(10));
        assert_eq!(decide(&policy(SlowPolicy::Pause), &look, &mut state), Evict(Pause));
    }
}
