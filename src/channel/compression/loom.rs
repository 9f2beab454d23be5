//! A history that is extended by whichever thread publishes: an entry that is left out would be
//! withheld from its followers.
//!
//! Tried by hand, each makes a model fail: no fence in `published`; a look only before it is
//! unlocked; `join` without a look of its own.

use super::{Compression, Extend};
use crate::channel::followers::Follower;
use crate::config::LogLimits;
use crate::log::{Cursor, Draft, Kind, Log, Moves, Writer, frame};
use ::loom::sync::Mutex;
use ::loom::sync::atomic::{AtomicBool, Ordering};
use ::loom::{model, thread};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Takes one entry at a time.
struct Counted;

impl Extend for Counted {
    fn begin() -> Self {
        Self
    }

    fn extend(&mut self, log: &Log, head: Cursor, _quiet: Duration) -> Cursor {
        // Another thread may have been here between the look and the lock.
        if log.head() > head { head.next() } else { head }
    }
}

#[derive(Default)]
struct Notified(AtomicBool);

impl Follower for Notified {
    fn notify(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn offered(&self) -> Cursor {
        Cursor::START
    }
}

struct Scene {
    log: Log,
    writer: Mutex<Writer>,
    compression: Compression<Counted>,
}

impl Scene {
    fn new() -> Arc<Self> {
        let (writer, log) = Log::new(LogLimits {
            events: 4,
            bytes: 1000,
            age: Duration::ZERO,
        });
        Arc::new(Self {
            log,
            writer: Mutex::new(writer),
            compression: Compression::new(),
        })
    }

    fn publish(&self) {
        self.writer.lock().expect("no panic").append(Draft {
            frame: frame(&[b"x"]),
            id: Bytes::new(),
            indexed: false,
            kind: Kind::Event,
            received: Instant::now(),
            moves: Moves::Nothing,
        });
        // As the channel's other followers are notified before.
        crate::sync::fence(crate::sync::Ordering::SeqCst);
        self.compression.notify(&self.log, || Duration::ZERO);
    }

    fn join(&self) -> Arc<Notified> {
        let follower = Arc::new(Notified::default());
        self.compression.join(follower.clone(), &self.log, Duration::ZERO);
        follower
    }
}

#[test]
fn who_joins_is_notified_of_what_comes_or_finds_it() {
    model(|| {
        let scene = Scene::new();
        let publisher = {
            let scene = scene.clone();
            thread::spawn(move || scene.publish())
        };
        let follower = scene.join();
        let seen = scene.compression.head();
        publisher.join().expect("no panic");
        assert_eq!(scene.compression.head(), Cursor::FIRST, "withheld");
        assert!(seen == Cursor::FIRST || follower.0.load(Ordering::Acquire), "not told");
    });
}

#[test]
fn of_two_who_publish_one_extends_it_for_both() {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(3);
    checker.check(|| {
        let scene = Scene::new();
        let follower = scene.join();
        let other = {
            let scene = scene.clone();
            thread::spawn(move || scene.publish())
        };
        scene.publish();
        other.join().expect("no panic");
        assert_eq!(scene.compression.head(), Cursor::nth(2), "withheld");
        assert!(follower.0.load(Ordering::Acquire));
    });
}

#[test]
fn one_who_leaves_does_not_withhold_what_was_published_meanwhile() {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(3);
    checker.check(|| {
        let scene = Scene::new();
        let (_stays, leaves) = (scene.join(), scene.join());
        let publisher = {
            let scene = scene.clone();
            thread::spawn(move || scene.publish())
        };
        let leaves: Arc<dyn Follower> = leaves;
        scene.compression.leave(&leaves, &scene.log, Duration::ZERO);
        publisher.join().expect("no panic");
        assert_eq!(scene.compression.head(), Cursor::FIRST, "withheld");
    });
}
