//! Cases that were worth a name.

use crate::pair::{Pair, Step};
use fanfare::config::LogLimits;
use fanfare::log::{Cursor, Position};
use fanfare::metrics::GapReason;
use std::time::Duration;

fn limits_of(events: usize, bytes: u64, age_secs: u64) -> LogLimits {
    LogLimits {
        events,
        bytes,
        age: Duration::from_secs(age_secs),
    }
}

fn own(id: u8) -> Step {
    Step::Own(id)
}

/// `events: 1`: each event pushes out the one before it, and with it the place of everybody who had
/// that one.
#[test]
fn a_log_of_one_event() {
    let mut pair = Pair::new(limits_of(1, 1000, 0), false);
    for step in [own(1), Step::Inherited, own(1), own(2), own(1), Step::Inherited] {
        pair.step(&step, 5);
        pair.check();
    }
}

/// A run of inherited ids longer than the log, another id, and the first one again: who stood in
/// the run has missed much.
#[test]
fn an_id_that_comes_back_after_its_run_was_cut() {
    let mut pair = Pair::new(limits_of(10, 1000, 0), false);
    pair.step(&own(1), 5);
    for _ in 0..100 {
        pair.step(&Step::Inherited, 5);
    }
    pair.step(&own(2), 5);
    pair.step(&own(1), 5);
    pair.check();
    let place = pair.log.resume(b"id 1", &pair.model.numbering());
    assert_eq!(place.gap, Some(GapReason::Evicted));
}

/// As many events are kept as the index has cells, and the id that comes back is that of the last
/// one which went: whoever stands there has missed all of them.
#[test]
fn an_id_that_comes_back_when_it_has_just_gone() {
    for events in [64, 128] {
        let mut pair = Pair::new(limits_of(events, 100_000, 0), false);
        for _ in 0..events {
            pair.step(&own(0), 5);
        }
        pair.step(&own(1), 5);
        for _ in 0..events {
            pair.step(&own(0), 5);
        }
        pair.step(&own(1), 5);
        pair.check();
        let place = pair.log.resume(b"id 1", &pair.model.numbering());
        assert_eq!(place.gap, Some(GapReason::Evicted), "{events}");
    }
}

/// Everything has gone by age: the last id is still a place, if it is one.
#[test]
fn a_log_that_has_forgotten_everything() {
    for shared in [false, true] {
        let mut pair = Pair::new(limits_of(10, 1000, 5), false);
        pair.step(&own(1), 5);
        if shared {
            pair.step(&Step::Inherited, 5);
        }
        pair.step(&Step::Wait(6), 5);
        pair.step(&Step::Trim, 5);
        assert_eq!(pair.log.events(), 0);
        pair.check();
        let place = pair.log.resume(b"id 1", &pair.model.numbering());
        assert_eq!(place.gap.is_some(), shared);
        // What comes after it inherits the id.
        pair.step(&Step::Inherited, 5);
        pair.check();
    }
}

/// The same where it has gone a while ago, and a successor has taken the log over in between: it knows
/// the id again by its hash.
#[test]
fn an_id_that_comes_back_in_a_successor() {
    const SINCE: usize = 20;
    for events in [10, 40] {
        for handed_over_after in (0..=events + SINCE).step_by(7) {
            let mut pair = Pair::new(limits_of(events, 100_000, 0), false);
            pair.step(&own(1), 5);
            for n in 0..=events + SINCE {
                if n == handed_over_after {
                    pair.step(&Step::HandOver, 5);
                }
                pair.step(&own(0), 5);
            }
            pair.step(&own(1), 5);
            pair.check();
            let place = pair.log.resume(b"id 1", &pair.model.numbering());
            assert_eq!(place.gap, Some(GapReason::Evicted), "{events}, {handed_over_after}");
        }
    }
}

/// An origin that counts from 1 again: who has an old 3 is not where the new 3 is.
#[test]
fn an_origin_that_counts_anew() {
    let mut pair = Pair::new(limits_of(8, 1000, 0), false);
    for round in 0..3 {
        for n in 1..20 {
            pair.step(&own(n), 5);
            pair.check();
        }
        let place = pair.log.resume(b"id 15", &pair.model.numbering());
        assert_eq!(place.gap.is_some(), round > 0);
    }
}

/// The index grows with the 65th entry, and at twice as many: what is kept is found, however far
/// back it is.
#[test]
fn an_id_is_known_as_long_as_it_is_kept() {
    for between in (60..70).chain(124..132).chain([255, 256, 257]) {
        for silent in [false, true] {
            let mut pair = Pair::new(limits_of(1000, 1 << 20, 0), false);
            pair.step(&own(1), 5);
            if silent {
                // No id in force: nothing is entered.
                pair.step(&Step::Reset, 5);
            }
            for _ in 0..between {
                pair.step(if silent { &Step::Inherited } else { &Step::Unique }, 5);
            }
            pair.step(&own(1), 5);
            pair.check();
        }
    }
}

/// Numbers that were given from outside, with a wide hole: what lies in it is a gap, and what came
/// before it is not sent again.
#[test]
fn a_number_in_a_hole() {
    let mut pair = Pair::continuing(Position::new(1_000), limits_of(100, 100_000, 0), true);
    for round in 0..4 {
        for _ in 0..10 {
            pair.step(&Step::Inherited, 5);
        }
        pair.model.given = Some(Position::new(10_000 << (round * 8)));
    }
    let numbered = |number| {
        pair.log.resume(
            pair.model.epoch.id(Position::new(number)).as_bytes(),
            &pair.model.numbering(),
        )
    };
    let place = numbered(5_000);
    assert_eq!((place.next, place.gap), (Cursor::nth(11), Some(GapReason::UnknownId)));
    assert_eq!(place.id, pair.model.epoch.id(Position::new(1_010)));
    assert_eq!((numbered(1_010).next, numbered(1_010).gap), (Cursor::nth(11), None));
    assert_eq!((numbered(10_003).next, numbered(10_003).gap), (Cursor::nth(15), None));
    assert_eq!(numbered(u64::MAX).gap, Some(GapReason::UnknownId));
    assert_eq!(
        numbered(999).gap,
        Some(GapReason::Evicted),
        "it was given before the log began"
    );
}
