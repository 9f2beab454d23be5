//! The protocol explored: members over an engine that loses, delays, duplicates and reorders what is
//! said to it and what it says.
//!
//! A hand-made explorer, under proptest: what is chosen is which message arrives next, which is lost
//! or doubled, who stands still, restarts or is cut off, and when the engine comes back with less. The
//! members are the state machines that the driver runs, unchanged; a checker of a language of its own
//! (stateright, shuttle) would check a second text of them, and has no use for their clocks.
//!
//! After each step: what every member has published is what the log says, judged by all of it from its
//! beginning on; no append of a leader counts behind another's term record; events are in the order in
//! which the origin sent them, once, and where some are missing a gap is told between them; so are what
//! clients of an instance get, which may leave the log at any time and serve them alone. And when
//! everything works again, all of it arrives.

mod engine;
mod world;

use proptest::prelude::*;
use world::{Choice, World};

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        30 => (0usize..64).prop_map(Choice::Deliver),
        3 => (0usize..64).prop_map(Choice::Lose),
        3 => (0usize..64).prop_map(Choice::Double),
        12 => Just(Choice::Origin),
        10 => (0usize..3, 1usize..5).prop_map(|(n, messages)| Choice::Read(n, messages)),
        8 => (1u64..900).prop_map(Choice::Pass),
        2 => (3000u64..12_000).prop_map(Choice::Pass),
        1 => (0usize..3).prop_map(Choice::Restart),
        1 => (0usize..3).prop_map(Choice::HandOver),
        1 => (0usize..3).prop_map(Choice::CutOff),
        2 => (0usize..3).prop_map(Choice::Mend),
        1 => (0usize..3).prop_map(Choice::StandStill),
        2 => (0usize..3).prop_map(Choice::GoOn),
        1 => (0usize..3).prop_map(Choice::ExpireLease),
        2 => (0usize..3).prop_map(Choice::Leave),
    ]
}

/// A run of choices, then everything works again.
fn explore(choices: &[Choice], has_ids: bool, loses: Option<usize>) {
    let mut world = World::new(3, has_ids);
    for (n, choice) in choices.iter().enumerate() {
        if loses == Some(n) {
            world.lose_newest();
        }
        world.step(choice);
        world.check();
    }
    world.heal();
    world.check();
    world.check_all_arrived();
    // More than the engine has lost: who comes back to the log waits until it is as long as it was.
    for _ in 0..8 {
        world.step(&Choice::Origin);
        world.heal();
    }
    world.check();
    world.check_all_see();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_in_silence(choices in prop::collection::vec(choice(), 0..400)) {
        explore(&choices, false, None);
    }

    #[test]
    fn an_origin_with_ids_loses_nothing(choices in prop::collection::vec(choice(), 0..400)) {
        explore(&choices, true, None);
    }

    #[test]
    fn an_engine_with_less_is_told(choices in prop::collection::vec(choice(), 0..400), at in 0usize..400) {
        explore(&choices, false, Some(at));
    }
}

/// More of them by `FANFARE_MODEL_CASES`.
fn cases() -> u32 {
    let wanted = std::env::var("FANFARE_MODEL_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// Without any fault, the first instance leads and everything is in the log.
#[test]
fn a_fleet_at_peace() {
    let mut world = World::new(3, false);
    world.heal();
    for _ in 0..1000 {
        world.step(&Choice::Origin);
    }
    world.heal();
    world.check();
    world.check_all_arrived();
    assert_eq!(world.terms(), 1);
    assert_eq!(world.gaps(), 0);
}

/// A leader that stands still past its lease, with appends on their way, and goes on.
#[test]
fn a_leader_that_slept_is_refused() {
    let mut world = World::new(3, false);
    world.heal();
    let first = world.leader().unwrap();
    for _ in 0..20 {
        world.step(&Choice::Origin);
    }
    world.step(&Choice::StandStill(first));
    world.step(&Choice::Pass(11_000));
    world.settle(|world| world.leader().is_some_and(|leader| leader != first));
    world.step(&Choice::GoOn(first));
    world.heal();
    world.check();
    world.check_all_arrived();
    assert_eq!(world.terms(), 2);
}

/// A leader is handed over again and again, with appends on their way: nothing is missing, and nothing
/// is told.
#[test]
fn a_leader_that_is_handed_over_tells_no_gap() {
    for seed in 0..200 {
        let mut world = World::new(3, false);
        world.heal();
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..8 {
            let leader = world.leader().unwrap();
            for _ in 0..random.usize(0..40) {
                world.step(&Choice::Origin);
                if random.bool() {
                    world.step(&Choice::Deliver(random.usize(0..64)));
                }
                world.step(&Choice::Read(random.usize(0..3), random.usize(1..5)));
            }
            for _ in 0..random.usize(1..4) {
                world.step(&Choice::HandOver(leader));
                world.check();
                for _ in 0..random.usize(0..6) {
                    world.step(&Choice::Deliver(random.usize(0..64)));
                }
            }
            for _ in 0..random.usize(0..20) {
                world.step(&Choice::Origin);
            }
            world.settle(|world| world.leader().is_some());
            assert_eq!(world.leader(), Some(leader));
        }
        world.heal();
        world.check();
        world.check_all_arrived();
        assert_eq!(world.gaps(), 0);
    }
}
