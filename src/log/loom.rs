//! One writer and one reader of a tiny log, whose slots and index cells are used again at once.
//!
//! Tried by hand, each makes a model fail: the head moves before the slot is filled; the tail moves
//! before the last evicted entry is marked; `read` doesn't compare positions; the head moves before
//! the id is entered, or after the use before is unlinked.

use super::{Cursor, Draft, Epoch, Kind, Log, Moves, Numbering, Position, Read, ResumePoint, Writer, frame};
use crate::config::LogLimits;
use crate::metrics::GapReason;
use ::loom::thread;
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Enough for any two steps of the writer to come between any two of the reader, and back.
const PREEMPTIONS_MAX: usize = 3;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(PREEMPTIONS_MAX);
    checker.check(model);
}

fn draft(id: &'static str) -> Draft {
    let id = Bytes::from_static(id.as_bytes());
    Draft {
        frame: frame(&[&id]),
        id,
        indexed: true,
        kind: Kind::Event,
        received: Instant::now(),
        moves: Moves::Nothing,
    }
}

fn log(events: usize, ids: &[&'static str]) -> (Writer, Log) {
    let (mut writer, log) = Log::new(LogLimits {
        events,
        bytes: 1 << 20,
        age: Duration::ZERO,
    });
    for id in ids {
        writer.append(draft(id));
    }
    (writer, log)
}

/// Runs `read` while the writer appends `ids` to a log that holds `before`.
///
/// The reader is the thread that starts later: the checker looks for races with the last access of
/// a place only, and the writer's own loads would hide the reader's.
fn while_written(
    events: usize,
    before: &'static [&'static str],
    ids: &'static [&'static str],
    read: impl Fn(&Log) + Send + Sync + 'static,
) {
    let read = Arc::new(read);
    check(move || {
        let (mut writer, log) = log(events, before);
        let read = read.clone();
        let reading = thread::spawn(move || read(&log));
        for id in ids {
            writer.append(draft(id));
        }
        reading.join().expect("no panic");
    });
}

const LETTERS: [&str; 5] = ["a", "b", "c", "d", "e"];

fn letter(cursor: Cursor) -> &'static str {
    LETTERS[cursor.get() as usize - 1]
}

fn is_whole(cursor: Cursor, read: &Read) -> bool {
    let id = letter(cursor);
    match read {
        Read::Entry(entry) => {
            let whole = entry.cursor == cursor && entry.id() == id && entry.plain() == id;
            assert!(whole, "{cursor:?}: {entry:?}");
            true
        }
        Read::NotYet | Read::Gone => false,
    }
}

#[test]
fn a_reader_sees_its_entry_or_that_it_is_gone() {
    for cursor in (1..=4).map(Cursor::nth) {
        while_written(2, &LETTERS[..2], &LETTERS[2..4], move |log| {
            let before = log.head();
            let read = log.read(cursor);
            if !is_whole(cursor, &read) {
                match read {
                    Read::NotYet => assert!(cursor > before),
                    _ => assert!(log.tail() > cursor, "{cursor:?} is not behind the tail"),
                }
            }
        });
    }
}

#[test]
fn a_follower_sees_everything_in_order_or_that_it_is_gone() {
    while_written(2, &[], &LETTERS[..3], |log| {
        let mut next = Cursor::nth(1);
        for _ in 0..3 {
            match log.read(next) {
                read if is_whole(next, &read) => next = next.next(),
                Read::NotYet => thread::yield_now(),
                _ => {
                    assert!(log.tail() > next);
                    next = log.tail();
                }
            }
        }
    });
}

#[test]
fn the_tip_is_one_place() {
    for events in [1, 2] {
        while_written(events, &LETTERS[..1], &LETTERS[1..3], |log| {
            let tip = log.tip();
            assert_eq!(tip.id, letter(tip.cursor));
            assert_eq!(tip.position, Position::new(tip.cursor.get()));
        });
    }
}

#[test]
fn the_tip_of_a_log_that_forgets_is_one_place() {
    check(|| {
        let (mut writer, log) = Log::new(LogLimits {
            events: 2,
            bytes: 1 << 20,
            age: Duration::from_secs(1),
        });
        writer.append(draft("a"));
        let reading = thread::spawn(move || {
            let tip = log.tip();
            assert_eq!(tip.id, letter(tip.cursor));
            assert_eq!(tip.position, Position::new(tip.cursor.get()));
        });
        writer.trim(Instant::now() + Duration::from_secs(60));
        writer.append(draft("b"));
        reading.join().expect("no panic");
    });
}

fn resume(log: &Log, id: &str) -> ResumePoint {
    log.resume(
        id.as_bytes(),
        &Numbering {
            epoch: &Epoch::new(),
            assigning: false,
        },
    )
}

/// The cells of the index are used again while a reader follows them.
#[test]
fn an_id_is_found_or_told_to_be_gone() {
    while_written(2, &LETTERS[..2], &LETTERS[2..4], |log| {
        let place = resume(log, "a");
        match place.gap {
            None => assert_eq!(place.next, Cursor::nth(2)),
            Some(_) => assert!(
                place.next >= Cursor::nth(3) && place.id == letter(place.next.before()),
                "{place:?}"
            ),
        }
    });
    while_written(2, &LETTERS[..2], &LETTERS[2..3], |log| {
        assert_eq!(
            (resume(log, "b").next, resume(log, "b").gap),
            (Cursor::nth(3), None),
            "kept all the time"
        );
    });
    while_written(2, &LETTERS[..2], &LETTERS[2..4], |log| {
        assert_eq!(resume(log, "x").gap, Some(GapReason::UnknownId), "never used");
    });
}

/// An id that comes again is never missing in between, and never stands for its last use alone.
#[test]
fn an_id_that_comes_again_stays_where_it_was_first() {
    // With room for everything, where the table grows meanwhile, and where it doesn't.
    for before in [&["a", "b"][..], &["a", "b", "c"]] {
        while_written(4, before, &["a"], |log| {
            assert_eq!((resume(log, "a").next, resume(log, "a").gap), (Cursor::nth(2), None));
            assert_eq!((resume(log, "b").next, resume(log, "b").gap), (Cursor::nth(3), None));
        });
    }
    // With the first use going as the second comes.
    while_written(2, &["a", "b"], &["a"], |log| {
        let place = resume(log, "a");
        assert!(
            matches!((place.next.get(), place.gap), (2, None) | (2 | 3, Some(_))),
            "{place:?}"
        );
    });
}

/// A reader that has an event has its id, and finds it.
#[test]
fn an_event_that_can_be_read_can_be_resumed_after() {
    for before in [&["a"][..], &["a", "b"]] {
        while_written(4, before, &["c"], |log| {
            let head = log.head();
            if let Read::Entry(entry) = log.read(head) {
                let place = resume(log, std::str::from_utf8(entry.id()).expect("a letter"));
                assert_eq!((place.next, place.gap), (head.next(), None));
            }
        });
    }
}

/// A client that joins live, at a place with an id, can come back to it.
#[test]
fn a_place_at_the_head_can_be_resumed_at() {
    while_written(2, &LETTERS[..1], &LETTERS[1..2], |log| {
        let epoch = Epoch::new();
        let numbering = Numbering {
            epoch: &epoch,
            assigning: false,
        };
        let place = log.begin(log.start(crate::config::Start::Live), &numbering);
        assert_eq!(place.id, letter(place.next.before()));
        let again = resume(log, std::str::from_utf8(&place.id).expect("a letter"));
        assert_eq!((again.next, again.gap), (place.next, None));
    });
}

/// The ring is replaced by a larger one, and what the first one held is let go.
#[test]
fn a_reader_finds_its_entry_while_the_ring_is_replaced() {
    for cursor in (1..=3).map(Cursor::nth) {
        check(move || {
            let (mut writer, log) = log(2, &LETTERS[..2]);
            let reading = thread::spawn(move || {
                let before = log.head();
                let read = log.read(cursor);
                if !is_whole(cursor, &read) {
                    assert!(matches!(read, Read::NotYet) && cursor > before, "{cursor:?} is kept");
                }
            });
            writer.limit(LogLimits {
                events: 3,
                bytes: 1 << 20,
                age: Duration::ZERO,
            });
            writer.append(draft(LETTERS[2]));
            reading.join().expect("no panic");
        });
    }
}
