//! A channel that is put together by whichever thread publishes: what no thread takes in would be
//! withheld from its clients until something else is published.
//!
//! Tried by hand, each makes a model fail: no fence in `add`; none in `notify_all`; `forget_gone`
//! unlocks the list before it says that there is none.

use super::Joins;
use crate::channel::followers::{Follower, Followers};
use crate::config::LogLimits;
use crate::log::{Cursor, Draft, Kind, Log, Moves, Writer, frame};
use ::loom::sync::Mutex;
use ::loom::sync::atomic::{AtomicBool, Ordering};
use ::loom::{model, thread};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn log() -> (Writer, Log) {
    Log::new(LogLimits {
        events: 4,
        bytes: 1000,
        age: Duration::ZERO,
    })
}

fn append(writer: &Mutex<Writer>) {
    writer.lock().expect("no panic").append(Draft {
        frame: frame(&[b"x"]),
        id: Bytes::new(),
        indexed: false,
        kind: Kind::Event,
        received: Instant::now(),
        moves: Moves::Nothing,
    });
}

/// One of the channels that are put together.
struct Source {
    log: Log,
    writer: Mutex<Writer>,
    followers: Followers,
    joins: Joins<Joined>,
}

impl Source {
    fn new() -> Arc<Self> {
        let (writer, log) = log();
        Arc::new(Self {
            log,
            writer: Mutex::new(writer),
            followers: Followers::new(),
            joins: Joins::new(),
        })
    }

    /// As `Channel::notify_all`.
    fn publish(&self) {
        append(&self.writer);
        self.followers.notify_all();
        if self.joins.are_any() {
            self.joins.all().iter().for_each(|joined| joined.take_in());
        }
    }
}

/// The channel that they become. It takes in what there is, as `Channel::take_in` does.
struct Joined {
    sources: Vec<Arc<Source>>,
    /// Each source's first entry that has not been taken in.
    done: Mutex<Vec<Cursor>>,
    log: Log,
    writer: Mutex<Writer>,
    followers: Followers,
}

impl Joined {
    fn new(sources: &[Arc<Source>]) -> Arc<Self> {
        let (writer, log) = log();
        Arc::new(Self {
            sources: sources.to_vec(),
            done: Mutex::new(vec![Cursor::FIRST; sources.len()]),
            log,
            writer: Mutex::new(writer),
            followers: Followers::new(),
        })
    }

    /// Register, then look.
    fn begin(self: &Arc<Self>) {
        self.sources.iter().for_each(|source| source.joins.add(self));
        self.take_in();
    }

    fn take_in(&self) {
        let mut done = self.done.lock().expect("no panic");
        let mut is_news = false;
        for (done, source) in done.iter_mut().zip(&self.sources) {
            while *done <= source.log.head() {
                append(&self.writer);
                (*done, is_news) = (done.next(), true);
            }
        }
        drop(done);
        if is_news {
            self.followers.notify_all();
        }
    }
}

#[derive(Default)]
struct Notified(AtomicBool);

impl Follower for Notified {
    fn notify(&self) {
        // As a shard's wake flag: it sees what each of those saw who notified it.
        self.0.swap(true, Ordering::AcqRel);
    }

    fn offered(&self) -> Cursor {
        Cursor::START
    }
}

#[test]
fn what_is_published_while_it_joins_is_taken_in() {
    model(|| {
        let source = Source::new();
        let publisher = {
            let source = source.clone();
            thread::spawn(move || source.publish())
        };
        let joined = Joined::new(&[source]);
        joined.begin();
        publisher.join().expect("no panic");
        assert_eq!(joined.log.head(), Cursor::FIRST, "withheld");
    });
}

#[test]
fn of_sources_that_publish_at_once_all_is_taken_in_and_told() {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(3);
    checker.check(|| {
        let sources = [Source::new(), Source::new()];
        let joined = Joined::new(&sources);
        joined.begin();
        let follower = Arc::new(Notified::default());
        joined.followers.add(follower.clone());
        let [one, other] = sources;
        let other = thread::spawn(move || other.publish());
        let shard = {
            let (joined, follower) = (joined.clone(), follower.clone());
            thread::spawn(move || {
                // As a shard: clear, then look.
                follower.0.swap(false, Ordering::AcqRel);
                joined.log.head()
            })
        };
        one.publish();
        other.join().expect("no panic");
        let seen = shard.join().expect("no panic");
        assert_eq!(joined.log.head(), Cursor::nth(2), "withheld");
        assert!(seen == Cursor::nth(2) || follower.0.load(Ordering::Acquire), "not told");
    });
}

/// A sweep that finds none left, and one that joins at that moment.
#[test]
fn one_that_joins_while_the_last_one_is_forgotten_is_not() {
    model(|| {
        let source = Source::new();
        Joined::new(std::slice::from_ref(&source)).begin();
        let sweep = {
            let source = source.clone();
            thread::spawn(move || source.joins.forget_gone())
        };
        let joined = Joined::new(std::slice::from_ref(&source));
        joined.begin();
        sweep.join().expect("no panic");
        source.publish();
        assert_eq!(joined.log.head(), Cursor::FIRST, "withheld");
    });
}
