//! Joining while something is published.
//!
//! Tried by hand: without the fence in `add`, or the one in `ring_all`, there is a run in which the publisher misses the
//! new bell and the joiner the new head.

use super::{Bell, Bells};
use ::loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ::loom::{model, thread};
use std::sync::Arc;

#[derive(Default)]
struct Rung(AtomicBool);

impl Bell for Rung {
    fn ring(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn offered(&self) -> u64 {
        0
    }
}

#[test]
fn who_joins_is_rung_or_sees_the_head() {
    model(|| {
        let bells = Arc::new(Bells::new());
        let head = Arc::new(AtomicU64::new(0));
        let publisher = {
            let (bells, head) = (bells.clone(), head.clone());
            thread::spawn(move || {
                head.store(1, Ordering::Release);
                bells.ring_all();
            })
        };
        let bell = Arc::new(Rung::default());
        bells.add(bell.clone());
        let seen = head.load(Ordering::Acquire);
        publisher.join().expect("no panic");
        assert!(
            seen == 1 || bell.0.load(Ordering::Acquire),
            "the publish is lost on the new follower"
        );
    });
}

#[test]
fn those_who_join_and_leave_at_once_do_not_undo_each_other() {
    model(|| {
        let bells = Arc::new(Bells::new());
        let leaving: Arc<dyn Bell> = Arc::new(Rung::default());
        bells.add(leaving.clone());
        let other = {
            let bells = bells.clone();
            thread::spawn(move || bells.remove(&leaving))
        };
        let bell = Arc::new(Rung::default());
        bells.add(bell.clone());
        other.join().expect("no panic");
        assert_eq!(bells.list.load().map_or(0, |list| list.len()), 1);
        bells.ring_all();
        assert!(bell.0.load(Ordering::Acquire));
    });
}

/// Tried by hand: without the fence in `until`, or counting in after the look, the waiter is not woken.
#[test]
fn who_waits_for_a_ring_sees_what_was_published() {
    model(|| {
        let bells = Arc::new(Bells::new());
        let head = Arc::new(AtomicU64::new(0));
        let publisher = {
            let (bells, head) = (bells.clone(), head.clone());
            thread::spawn(move || {
                head.store(1, Ordering::Release);
                bells.ring_all();
            })
        };
        crate::sync::model::block_on(bells.until(|| (head.load(Ordering::Acquire) == 1).then_some(())));
        publisher.join().expect("no panic");
    });
}
