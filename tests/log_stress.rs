//! One writer at full speed, followers that read as fast as they can, clients that resume: on real
//! threads, for a second or two.

#![expect(clippy::print_stdout, reason = "the numbers are what it is run for")]

use bytes::Bytes;
use fanfare::config::LogLimits;
use fanfare::log::{Cursor, Draft, Epoch, Kind, Log, Moves, Numbering, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const FOLLOWERS: usize = 3;
const EVENTS_MAX: u64 = 2_000_000;
const TIME_MAX: Duration = Duration::from_secs(2);

fn id(position: u64) -> String {
    format!("event {position}")
}

/// Says its own position over and over, so that a torn or a wrong entry is seen.
fn frame(position: u64) -> Bytes {
    Bytes::from(format!("{position:x} ").repeat(1 + position as usize % 7))
}

fn follow(log: &Log, done: &AtomicBool) -> (u64, u64) {
    let (mut next, mut read, mut missed) = (Cursor::nth(1), 0, 0);
    loop {
        let finished = done.load(Ordering::Acquire);
        match log.read(next) {
            Read::Entry(entry) => {
                assert_eq!((entry.cursor, entry.chunked()), (next, &frame(next.get())));
                assert_eq!(entry.id(), id(next.get()).as_bytes());
                read += 1;
                next = next.next();
            }
            Read::NotYet if finished => return (read, missed),
            Read::NotYet => thread::yield_now(),
            Read::Gone => {
                let tail = log.tail();
                assert!(tail > next, "{next:?} is said to be gone, but the tail is {tail:?}");
                missed += tail.since(next);
                next = tail;
            }
        }
    }
}

/// A client at a place of its own choice comes back: what it is told is true.
fn resume(log: &Log, done: &AtomicBool) -> u64 {
    let epoch = Epoch::new();
    let numbering = Numbering {
        epoch: &epoch,
        assigning: false,
    };
    let mut exact = 0;
    for back in [0, 1, 5, 20, 70, 1000].into_iter().cycle() {
        if done.load(Ordering::Acquire) {
            break;
        }
        let before = log.head();
        let was = before.get().saturating_sub(back).max(1);
        let place = log.resume(id(was).as_bytes(), &numbering);
        match place.gap {
            None if log.head() == Cursor::START => unreachable!("nothing to resume at"),
            None => {
                assert_eq!(place.next, Cursor::nth(was + 1));
                exact += 1;
            }
            Some(_) => {
                assert!(
                    before == Cursor::START || log.tail() > Cursor::nth(was),
                    "{was} is kept: {place:?}"
                );
                // Told truly where it goes on.
                assert_eq!(
                    place.id,
                    if place.next == Cursor::nth(1) {
                        String::new()
                    } else {
                        id(place.next.before().get())
                    }
                );
            }
        }
        let tip = log.tip();
        let newest = match tip.cursor {
            Cursor::START => String::new(),
            cursor => id(cursor.get()),
        };
        assert_eq!(tip.id, newest);
        assert!(log.bytes_from(tip.cursor.before().before()) <= 4096 * 64);
    }
    exact
}

#[test]
fn followers_get_everything_in_order_or_are_told() {
    for events in [1, 2, 64, 1000] {
        let (mut writer, log) = Log::new(LogLimits {
            events,
            bytes: 1 << 20,
            age: Duration::ZERO,
        });
        let done = AtomicBool::new(false);
        let (written, results, exact) = thread::scope(|scope| {
            let followers: Vec<_> = (0..FOLLOWERS).map(|_| scope.spawn(|| follow(&log, &done))).collect();
            let resumer = scope.spawn(|| resume(&log, &done));
            let until = Instant::now() + TIME_MAX / 4;
            let mut position = 0;
            while position < EVENTS_MAX && (position % 64 != 0 || Instant::now() < until) {
                position += 1;
                let draft = Draft {
                    frame: frame(position),
                    id: id(position).into(),
                    indexed: true,
                    kind: Kind::Event,
                    received: until,
                    moves: Moves::Nothing,
                };
                assert_eq!(writer.append(draft), Cursor::nth(position));
            }
            done.store(true, Ordering::Release);
            let results: Vec<_> = followers
                .into_iter()
                .map(|follower| follower.join().expect("no panic"))
                .collect();
            (position, results, resumer.join().expect("no panic"))
        });
        println!("{events} kept: {written} written; (read, missed) {results:?}; {exact} exact resumes");
        for (read, missed) in results {
            assert_eq!(read + missed, written, "every event is read or reported as gone");
        }
    }
}
