//! Every interleaving of a shard that falls asleep with the threads that wake it. A lost wake-up is
//! a deadlock, which the checker reports.
//!
//! Tried by hand, each makes a model fail: `send` loads the flag instead of swapping it;
//! `fall_asleep` stores it; `fall_asleep` takes before it swaps; `send` swaps before it sends; the
//! shard clears after it looked at the head; `clear` stores.

use super::{Mailbox, MailboxSender, Wake, WakeFlag, mailbox};
use ::loom::sync::atomic::{AtomicU64, Ordering};
use ::loom::{sync::Notify, thread};
use std::sync::Arc;

/// Without a bound the models take hours.
const PREEMPTIONS_MAX: usize = 4;

fn model(model: impl Fn() + Send + Sync + 'static) {
    let mut checker = ::loom::model::Builder::new();
    checker.preemption_bound = Some(PREEMPTIONS_MAX);
    checker.check(model);
}

/// What the shard sleeps in: as mio's waker, a wake before the sleep ends it at once.
struct Bed(Notify);

impl Wake for Bed {
    fn wake(&self) {
        self.0.notify();
    }
}

fn shard() -> (Arc<Bed>, MailboxSender<u8, Bed>, Mailbox<u8>) {
    let bed = Arc::new(Bed(Notify::new()));
    let (mailbox_sender, mailbox) = mailbox(bed.clone());
    (bed, mailbox_sender, mailbox)
}

/// One turn of the shard's loop with nothing to do: a note, or sleep.
fn turn(bed: &Bed, mailbox: &Mailbox<u8>) -> Option<u8> {
    if let Some(note) = mailbox.take() {
        return Some(note);
    }
    let missed = mailbox.fall_asleep();
    if missed.is_none() {
        bed.0.wait();
    }
    mailbox.woke();
    missed
}

#[test]
fn what_is_sent_reaches_a_shard_that_falls_asleep() {
    model(|| {
        let (bed, mailbox_sender, mailbox) = shard();
        let senders = [1, 2].map(|note| {
            let mailbox_sender = mailbox_sender.clone();
            thread::spawn(move || mailbox_sender.send(note).expect("the shard lives"))
        });
        let mut notes = Vec::new();
        while notes.len() < 2 {
            notes.extend(turn(&bed, &mailbox));
        }
        notes.sort_unstable();
        assert_eq!(notes, [1, 2]);
        for sender in senders {
            sender.join().expect("no panic");
        }
    });
}

#[test]
fn a_doorbell_swallows_no_publish() {
    model(|| {
        let (bed, mailbox_sender, mailbox) = shard();
        let wake_flag = Arc::new(WakeFlag::<u8, Bed, u8>::new(mailbox_sender, 7));
        let head = Arc::new(AtomicU64::new(0));
        let publisher = {
            let (wake_flag, head) = (wake_flag.clone(), head.clone());
            thread::spawn(move || {
                for position in 1..=2 {
                    head.store(position, Ordering::Release);
                    wake_flag.notify();
                }
            })
        };
        let mut seen = 0;
        while seen < 2 {
            if turn(&bed, &mailbox).is_some() {
                wake_flag.clear();
                seen = head.load(Ordering::Acquire);
            }
        }
        publisher.join().expect("no panic");
    });
}

#[test]
fn two_publishers_ring_for_each_other() {
    model(|| {
        let (bed, mailbox_sender, mailbox) = shard();
        let wake_flag = Arc::new(WakeFlag::<u8, Bed, u8>::new(mailbox_sender, 7));
        let head = Arc::new(AtomicU64::new(0));
        let publishers = [(); 2].map(|()| {
            let (wake_flag, head) = (wake_flag.clone(), head.clone());
            thread::spawn(move || {
                // In the channel this happens under the writer's lock; here it is one step.
                head.fetch_add(1, Ordering::Release);
                wake_flag.notify();
            })
        });
        let mut seen = 0;
        while seen < 2 {
            if turn(&bed, &mailbox).is_some() {
                wake_flag.clear();
                seen = head.load(Ordering::Acquire);
            }
        }
        for publisher in publishers {
            publisher.join().expect("no panic");
        }
    });
}
