//! A log that a successor takes over under other bounds, and bytes that no predecessor has written.

use crate::pair::{Pair, Step};
use fanfare::config::LogLimits;
use fanfare::log::{Cursor, Position, Writer};
use fanfare::metrics::GapReason;
use proptest::prelude::*;
use std::time::Duration;

fn limits(events: usize) -> LogLimits {
    LogLimits {
        events,
        bytes: 100_000,
        age: Duration::ZERO,
    }
}

/// A log of everything that there can be in one: holes, ids that come back, some that have gone.
fn filled() -> Pair {
    let mut pair = Pair::continuing(Position::new(7), limits(20), true);
    for n in 0..70 {
        let step = match n {
            0..20 => Step::Inherited,
            20 => Step::Hole(9),
            n if n % 11 == 0 => Step::Reset,
            n if n % 2 == 0 => Step::Inherited,
            n => Step::Own(n % 7),
        };
        pair.step(&step, usize::from(n));
    }
    pair
}

fn carried(pair: &Pair) -> Vec<u8> {
    let mut carried = Vec::new();
    pair.writer.give(&mut carried, pair.model.now).expect("memory takes it");
    carried
}

#[test]
fn a_smaller_log_keeps_the_newest_and_tells_the_rest_as_evicted() {
    for events in 1..25 {
        let mut pair = filled();
        let oldest = (pair.log.head().get() + 1 - events).max(pair.log.tail().get());
        pair.model.limits = limits(events as usize);
        pair.model.forget_while(|model| model.head() + 1 - model.tail > events);
        pair.hand_over();
        assert_eq!(pair.log.tail(), Cursor::nth(oldest));
        pair.check();
        let first = pair.model.epoch.id(Position::new(8));
        let place = pair.log.resume(first.as_bytes(), &pair.model.numbering());
        assert_eq!(place.gap, Some(GapReason::Evicted));
        pair.step(&Step::Own(3), 5);
        pair.check();
    }
}

#[test]
fn what_ends_too_early_is_an_error() {
    let pair = filled();
    let carried = carried(&pair);
    for len in 0..carried.len() {
        let taken = Writer::take(&carried[..len], limits(20), pair.model.now);
        assert!(taken.is_err(), "{len} of {}", carried.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever bytes say, they are an error, or a log that goes on.
    #[test]
    fn changed_bytes_do_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        events in 1usize..40,
    ) {
        let pair = filled();
        let mut carried = carried(&pair);
        for (at, byte) in changes {
            let at = at.index(carried.len());
            carried[at] = byte;
        }
        if let Ok((mut writer, log)) = Writer::take(&carried[..], limits(events), pair.model.now) {
            let mut again = Vec::new();
            writer.give(&mut again, pair.model.now).expect("memory takes it");
            prop_assert!(Writer::take(&again[..], limits(events), pair.model.now).is_ok());
            for cursor in log.tail().up_to(log.head().next()) {
                log.position_before(cursor);
            }
            writer.trim(pair.model.now);
            for id in ["id 1", "id 3", "epoch.8", "epoch.40"] {
                log.resume(id.as_bytes(), &pair.model.numbering());
            }
        }
    }
}
