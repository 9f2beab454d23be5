//! Joining while something is published.
//!
//! Tried by hand: without the fence in `add`, or the one in `notify_all`, there is a run in which
//! the publisher misses the new follower and the joiner the new head.

use super::{Follower, Followers};
use crate::log::Cursor;
use ::loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use ::loom::{model, thread};
use std::sync::Arc;

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

#[test]
fn who_joins_is_rung_or_sees_the_head() {
    model(|| {
        let followers = Arc::new(Followers::new());
        let head = Arc::new(AtomicU64::new(0));
        let publisher = {
            let (followers, head) = (followers.clone(), head.clone());
            thread::spawn(move || {
                head.store(1, Ordering::Release);
                followers.notify_all();
            })
        };
        let follower = Arc::new(Notified::default());
        followers.add(follower.clone());
        let seen = head.load(Ordering::Acquire);
        publisher.join().expect("no panic");
        assert!(
            seen == 1 || follower.0.load(Ordering::Acquire),
            "the publish is lost on the new follower"
        );
    });
}

#[test]
fn those_who_join_and_leave_at_once_do_not_undo_each_other() {
    model(|| {
        let followers = Arc::new(Followers::new());
        let leaving: Arc<dyn Follower> = Arc::new(Notified::default());
        followers.add(leaving.clone());
        let other = {
            let followers = followers.clone();
            thread::spawn(move || followers.remove(&leaving))
        };
        let follower = Arc::new(Notified::default());
        followers.add(follower.clone());
        other.join().expect("no panic");
        assert_eq!(followers.list.load().map_or(0, |list| list.len()), 1);
        followers.notify_all();
        assert!(follower.0.load(Ordering::Acquire));
    });
}

/// Tried by hand: without the fence in `until`, or counting in after the look, the waiter is not
/// woken.
#[test]
fn who_waits_for_a_ring_sees_what_was_published() {
    model(|| {
        let followers = Arc::new(Followers::new());
        let head = Arc::new(AtomicU64::new(0));
        let publisher = {
            let (followers, head) = (followers.clone(), head.clone());
            thread::spawn(move || {
                head.store(1, Ordering::Release);
                followers.notify_all();
            })
        };
        crate::sync::model::block_on(followers.until(|| (head.load(Ordering::Acquire) == 1).then_some(())));
        publisher.join().expect("no panic");
    });
}
