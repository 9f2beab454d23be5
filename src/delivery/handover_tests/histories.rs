//! Histories of a shard with and without a hand-over to another one: what clients get is the same,
//! byte for byte where the sockets' room does not decide it, and in order in any case.

use super::{Step, World};
use proptest::prelude::*;

fn steps(ends: bool) -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![6 => 0usize..300, 1 => 60_000usize..150_000];
    let step = prop_oneof![
        8 => (bytes, any::<bool>()).prop_map(|(bytes, has_id)| Step::Publish { bytes, has_id }),
        1 => Just(Step::Comment),
        3 => (prop::option::of(0u8..6), any::<bool>()).prop_map(|(back, is_http10)| Step::Join { back, is_http10 }),
        4 => (0usize..20, 1usize..100_000).prop_map(|(client, bytes)| Step::Read { client, bytes }),
        1 => (0usize..40).prop_map(|client| Step::Leave { client }),
        5 => (0u8..4).prop_map(Step::Turns),
        1 => Just(Step::GivenInVain),
        3 => Just(Step::HandOver),
    ];
    let end = match ends {
        true => prop_oneof![Just(vec![]), Just(vec![Step::End, Step::HandOver])].boxed(),
        false => Just(vec![]).boxed(),
    };
    (prop::collection::vec(step, 1..60), end).prop_map(|(steps, end)| [steps, end].concat())
}

const CASES: u32 = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_hand_over_changes_no_byte(
        steps in steps(true),
        ids in prop_oneof![Just("auto"), Just("pass"), Just("assign")],
        coalesce in prop_oneof![3 => Just("0s"), 1 => Just("10m")],
        start in prop_oneof![Just("live"), Just("latest"), Just("earliest")],
    ) {
        let source = format!("ids: {ids}, start: {start}, comments: relay, end_when: {{ event: end }}");
        // What is held back goes out with a hand-over: then the other world holds nothing back.
        let held_back = format!("{source}, coalesce: {coalesce}");
        let mut with = World::new(if coalesce == "0s" { &source } else { &held_back });
        let mut without = World::new(&source);
        for step in &steps {
            with.step(step, true);
            without.step(step, false);
        }
        if coalesce != "0s" {
            with.hand_over();
        }
        with.finish();
        without.finish();
        for (n, (with, without)) in with.peers.iter().zip(&without.peers).enumerate() {
            with.check("with");
            if with.socket.is_some() && coalesce == "0s" {
                prop_assert_eq!(
                    String::from_utf8_lossy(&with.got),
                    String::from_utf8_lossy(&without.got),
                    "client {}", n
                );
                prop_assert_eq!(with.is_over, without.is_over);
            }
        }
    }

    /// Logs that let go what slow clients need, under each policy.
    #[test]
    fn nothing_is_lost_in_silence(
        steps in steps(false),
        policy in prop_oneof![Just("evict"), Just("skip"), Just("pause")],
        stagger in prop_oneof![Just("0s"), Just("5ms")],
    ) {
        let source = format!(
            "start: live, slow_client: {{ policy: {policy} }}, log: {{ events: 6 }}, stagger: {stagger}"
        );
        let mut world = World::new(&source);
        for step in &steps {
            world.step(step, true);
        }
        world.finish();
        for (n, peer) in world.peers.iter().enumerate() {
            let (last, is_gap) = peer.check(&format!("client {n}"));
            let (body, has_ended) = peer.body();
            // One that is still in has everything, or knows that it has not.
            if peer.socket.is_some() && !peer.is_over && !has_ended && last.is_some() && !is_gap {
                prop_assert_eq!(last, Some(world.events), "client {}: {}", n, &body[..body.len().min(300)]);
            }
        }
    }
}
