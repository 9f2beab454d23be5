use super::*;
use bytes::Bytes;

fn event(len: usize) -> Content {
    Content::Events {
        upstream: 0,
        blocks: vec![b'x'; len].into(),
    }
}

#[test]
fn what_there_is_no_room_for_is_told() {
    let inbox = Inbox::new(100);
    inbox.push(1, event(1));
    assert_eq!(inbox.take(9), []);
    inbox.begin(1, false);
    inbox.push(1, event(90));
    inbox.push(1, event(20));
    inbox.push(1, event(5));
    inbox.push(0, event(5));
    assert_eq!(inbox.take(9), [event(90)]);
    assert_eq!(inbox.take(9), []);
    inbox.free(Freed { contents: 1, bytes: 90 });
    let gap = Content::Gap {
        upstream: 0,
        reason: GapReason::Skipped,
        skipped: Some(2),
    };
    assert_eq!(inbox.take(9), std::slice::from_ref(&gap));
    inbox.free(Freed { contents: 1, bytes: 0 });
    assert_eq!(inbox.buffered(), 0);
    inbox.push(1, event(99));
    inbox.push(1, event(99));
    inbox.free(Freed { contents: 1, bytes: 99 });
    // Before the event that comes next.
    inbox.push(1, event(3));
    let told = inbox.take(9);
    assert!(matches!(told[1], Content::Gap { skipped: Some(1), .. }), "{told:?}");
    assert_eq!(told[2], event(3));
}

#[test]
fn inboxes_share_a_budget() {
    let budget = Budget::new(100);
    let two = [0, 1].map(|_| Inbox::within(80, Some(budget.clone())));
    two.iter().for_each(|inbox| inbox.begin(1, false));
    two[0].push(1, event(70));
    two[1].push(1, event(40));
    assert_eq!((two[0].buffered(), two[1].buffered()), (1, 0));
    two[0].free(Freed { contents: 1, bytes: 70 });
    // It is told, and there is room again.
    two[1].push(1, event(40));
    assert_eq!(two[1].buffered(), 2);
    two[1].clear();
    assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    two[0].push(1, event(50));
    drop(two);
    assert_eq!(budget.used.load(Ordering::Relaxed), 0);
}

#[test]
fn a_gap_is_told_once() {
    let inbox = Inbox::new(100);
    inbox.begin(1, true);
    inbox.push_gap(1, 0, GapReason::UpstreamReconnected);
    assert_eq!(inbox.take(9), []);
    inbox.push(1, event(1));
    inbox.push_gap(1, 0, GapReason::UpstreamReconnected);
    inbox.push_gap(1, 0, GapReason::UpstreamReconnected);
    assert_eq!(inbox.take(9).len(), 2);
    inbox.push(
        1,
        Content::Moved {
            upstream: 0,
            id: Bytes::new(),
        },
    );
    assert_eq!(inbox.buffered(), 2);
}
