//! A publisher that waits for its followers: a lost wake-up is a deadlock, which the checker
//! reports.
//!
//! Tried by hand, each makes a model fail: no fence in `progressed`; no fence in `wait`; `wait`
//! counts itself in after its last look.

use super::{Backpressure, Limits};
use crate::channel::followers::{Follower, Followers};
use crate::config::LogLimits;
use crate::log::{AtomicCursor, Cursor, Draft, Kind, Log, Moves, frame};
use crate::sync::Ordering;
use crate::sync::model::block_on;
use ::loom::{model, thread};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Shard(AtomicCursor);

impl Follower for Shard {
    fn notify(&self) {}

    fn offered(&self) -> Cursor {
        self.0.load(Ordering::Acquire)
    }
}

const LIMITS: Limits = Limits { events: 1, bytes: 1000 };

struct Scene {
    log: Log,
    followers: Followers,
    backpressure: Backpressure,
}

impl Scene {
    /// As `Channel::outruns`.
    fn outruns(&self) -> bool {
        let offered = self.followers.offered();
        offered.is_some_and(|offered| LIMITS.are_exceeded_by(&self.log, offered))
    }
}

/// Two entries, of which none has been offered and one may be open.
fn scene(shards: &[Arc<Shard>]) -> Arc<Scene> {
    let (mut writer, log) = Log::new(LogLimits {
        events: 2,
        bytes: 1000,
        age: Duration::ZERO,
    });
    for _ in 0..2 {
        writer.append(Draft {
            frame: frame(&[b"x"]),
            id: Bytes::new(),
            indexed: false,
            kind: Kind::Event,
            received: Instant::now(),
            moves: Moves::Nothing,
        });
    }
    let followers = Followers::new();
    for follower in shards {
        followers.add(follower.clone());
    }
    Arc::new(Scene {
        log,
        followers,
        backpressure: Backpressure::new(),
    })
}

fn follower() -> Arc<Shard> {
    Arc::new(Shard(AtomicCursor::new(Cursor::START)))
}

#[test]
fn a_follower_that_moves_wakes_the_publisher() {
    model(|| {
        let follower = follower();
        let scene = scene(std::slice::from_ref(&follower));
        let shard = {
            let scene = scene.clone();
            thread::spawn(move || {
                follower.0.store(Cursor::nth(1), Ordering::Release);
                scene.backpressure.progressed();
            })
        };
        block_on(scene.backpressure.wait(|| scene.outruns()));
        shard.join().expect("no panic");
    });
}

#[test]
fn the_slower_of_two_followers_wakes_the_publisher() {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(3);
    checker.check(|| {
        let followers = [follower(), follower()];
        let scene = scene(&followers);
        let shards = followers.map(|follower| {
            let scene = scene.clone();
            thread::spawn(move || {
                follower.0.store(Cursor::nth(2), Ordering::Release);
                scene.backpressure.progressed();
            })
        });
        block_on(scene.backpressure.wait(|| scene.outruns()));
        for shard in shards {
            shard.join().expect("no panic");
        }
    });
}

#[test]
fn a_follower_that_leaves_wakes_the_publisher() {
    model(|| {
        let follower = follower();
        let scene = scene(std::slice::from_ref(&follower));
        let shard = {
            let scene = scene.clone();
            thread::spawn(move || {
                // As `Channel::leave`.
                let follower: Arc<dyn Follower> = follower;
                scene.followers.remove(&follower);
                scene.backpressure.progressed();
            })
        };
        block_on(scene.backpressure.wait(|| scene.outruns()));
        shard.join().expect("no panic");
    });
}
