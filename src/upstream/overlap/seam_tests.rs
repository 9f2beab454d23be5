//! Two connections to an origin of the model's: it brings the same events in both, each with a delay of
//! its own, the new one with an opening before. Wherever a place is found, it is the right one.

use super::*;
use crate::event_stream::{Event, Item};
use proptest::prelude::*;

/// Feeds an event with this data.
fn with_item(data: u32, feed: impl FnOnce(&Item<'_>)) {
    let block = format!("data: {data}\n\n");
    feed(&Item::Event(Event::parse_block(block.as_bytes()).expect("a block")));
}

const MS: Duration = Duration::from_millis(1);

/// What comes, and when: on the old connection or the new one, in milliseconds since both are open.
#[derive(Debug, Default)]
struct Streams {
    old: Vec<(u32, u32)>,
    new: Vec<(u32, u32)>,
}

impl Streams {
    /// The place that is found at a time, by what has come until then.
    fn found(&self, at: u32) -> Found {
        let opened = Instant::now();
        let mut all: Vec<_> = self.old.iter().map(|(at, data)| (*at, true, *data)).collect();
        all.extend(self.new.iter().map(|(at, data)| (*at, false, *data)));
        // In each of them the order stays.
        all.sort_by_key(|(at, ..)| *at);
        let mut seam = Seam::new(opened);
        for (when, is_old, data) in all.into_iter().filter(|(when, ..)| *when <= at) {
            match is_old {
                true => with_item(data, |item| seam.old(item, opened + MS * when)),
                false => with_item(data, |item| seam.new_one(item, opened + MS * when)),
            }
        }
        seam.found(opened + MS * at, None)
    }

    fn both(events: &[(u32, u32)]) -> Self {
        Self {
            old: events.to_vec(),
            new: events.to_vec(),
        }
    }
}

#[test]
fn one_event_in_both_is_enough_once_nothing_contradicts_it() {
    let streams = Streams::both(&[(1500, 7)]);
    assert_eq!(streams.found(1600), Found::NotYet, "too early");
    assert_eq!(streams.found(2000), Found::At(1));
    assert_eq!(Streams::default().found(60_000), Found::NotYet, "nothing came in both");
}

#[test]
fn what_only_the_opening_has_is_none_of_the_stream() {
    let mut streams = Streams::both(&[(400, 1), (800, 2)]);
    // A greeting, and some of the past.
    streams.new.splice(0..0, [(1, 90), (2, 91), (3, 92)]);
    assert_eq!(streams.found(2000), Found::At(5));
    // What the old one brought before the new one was registered.
    streams.old.splice(0..0, [(1, 92)]);
    assert_eq!(streams.found(2000), Found::At(5));
    let mut late = Streams::both(&[(1500, 1), (2500, 2)]);
    late.new.insert(0, (1400, 90));
    assert_eq!(
        late.found(2600),
        Found::NotYet,
        "an event that only one has is no opening any more"
    );
    late.new.remove(0);
    late.old.insert(0, (1400, 90));
    assert_eq!(late.found(2600), Found::NotYet);
}

#[test]
fn a_burst_of_one_event_is_told_by_what_follows_it_or_by_a_pause() {
    let burst: Vec<_> = (0..50).map(|n| (300 + n, 1)).collect();
    let mut streams = Streams::both(&burst);
    // The new one was registered in its middle.
    streams.new.drain(..20);
    assert_eq!(streams.found(2000), Found::At(30), "a pause");
    let more = (0..200).map(|n| (400 + 10 * n, 1));
    streams.old.extend(more.clone());
    streams.new.extend(more);
    assert_eq!(streams.found(2300), Found::NotYet, "it may be any of them");
    for stream in [&mut streams.old, &mut streams.new] {
        stream.push((2400, 2));
    }
    assert_eq!(streams.found(2401), Found::At(231));
}

#[test]
fn a_stream_that_repeats_itself_is_never_joined_while_it_flows() {
    let ticks: Vec<_> = (0..100).map(|n| (n * 100, n % 2)).collect();
    for at in (2000..9000).step_by(50) {
        assert_eq!(Streams::both(&ticks).found(at), Found::NotYet, "{at}");
    }
    // One that is slow enough is told by the time.
    let ticks: Vec<_> = (0..5).map(|n| (n * 3000, 1)).collect();
    assert_eq!(Streams::both(&ticks).found(7500), Found::At(3));
}

#[test]
fn what_one_of_them_has_yet_is_on_its_way_in_the_other() {
    let events: Vec<_> = (0..40).map(|n| (n * 100, n)).collect();
    let late: Vec<_> = events.iter().map(|(at, data)| (at + 300, *data)).collect();
    let old_is_late = Streams {
        old: late.clone(),
        new: events.clone(),
    };
    assert_eq!(
        old_is_late.found(2550),
        Found::At(23),
        "the old one has brought 23 of 26"
    );
    let new_is_late = Streams { old: events, new: late };
    assert_eq!(new_is_late.found(2550), Found::At(26), "three are still to be repeated");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    /// Few kinds of events, bursts and pauses; the two delays, the opening, the moment at which the new
    /// one is registered, and the moment of looking are any.
    #[test]
    fn a_place_that_is_found_is_the_right_one(
        events in proptest::collection::vec((0_u32..700, 0_u32..3, 1_usize..6), 0..40),
        registered in 0_u32..400,
        delays in (0_u32..300, 0_u32..300),
        opening in proptest::collection::vec(0_u32..3, 0..4),
        at in 2000_u32..8000,
    ) {
        let mut now = 0;
        let mut streams = Streams::default();
        streams.new.extend(opening.iter().map(|data| (registered + delays.1, *data)));
        let (mut sent, mut missed) = (0, 0);
        for (pause, data, times) in events {
            now += pause;
            for _ in 0..times {
                streams.old.push((now + delays.0, data));
                if now >= registered {
                    streams.new.push((now + delays.1, data));
                } else {
                    missed += 1;
                }
                sent += 1;
            }
        }
        let _ = sent;
        if let Found::At(place) = streams.found(at) {
            let come = streams.old.iter().filter(|(when, _)| *when <= at).count();
            let right = (come + opening.len()).checked_sub(missed);
            prop_assert_eq!(Some(place), right, "{:?}", streams);
        }
    }
}
