//! The protocol of one channel explored, as [`crate::fleet::model`] does with that of a source without
//! parameters: members over an engine that loses, delays, duplicates and reorders what is said to it and
//! what it says, that lets go of what is old, and whose sequences have holes.
//!
//! After each step: what each member has published are the origin's events in order, once, and where some
//! are missing a gap is told between them; and no two members have anything else under the same sequence.
//! When everything works again, one leads, and all arrives everywhere.

mod checks;
mod member;
mod world;

use self::member::Published;
use self::world::{Choice, World};
use crate::fleet::record::Content;
use proptest::prelude::*;

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        30 => (0usize..64).prop_map(Choice::Deliver),
        3 => (0usize..64).prop_map(Choice::Lose),
        3 => (0usize..64).prop_map(Choice::Double),
        12 => Just(Choice::Origin),
        14 => (0usize..3, 1usize..5).prop_map(|(n, messages)| Choice::Read(n, messages)),
        8 => (1u64..900).prop_map(Choice::Pass),
        2 => (3000u64..12_000).prop_map(Choice::Pass),
        1 => (0usize..3).prop_map(Choice::Restart),
        1 => (0usize..3).prop_map(Choice::CutOff),
        2 => (0usize..3).prop_map(Choice::Mend),
        1 => (0usize..3).prop_map(Choice::StandStill),
        2 => (0usize..3).prop_map(Choice::GoOn),
        3 => (0usize..3).prop_map(Choice::Suspect),
        1 => (0usize..3).prop_map(Choice::Release),
        1 => (0usize..5).prop_map(Choice::Expire),
    ]
}

fn explore(choices: &[Choice], has_ids: bool) {
    let mut world = World::new(has_ids);
    for choice in choices {
        world.step(choice);
        world.check();
    }
    world.heal();
    world.step(&Choice::Origin);
    world.heal();
    world.check();
    world.check_all_arrived();
}

/// More of them by `FANFARE_MODEL_CASES`.
fn cases() -> u32 {
    let wanted = std::env::var("FANFARE_MODEL_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 3000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_in_silence(choices in prop::collection::vec(choice(), 0..400)) {
        explore(&choices, false);
    }

    #[test]
    fn an_origin_with_ids_loses_nothing(choices in prop::collection::vec(choice(), 0..400)) {
        explore(&choices, true);
    }
}

/// Without any fault, one leads, and everything is in the channel.
#[test]
fn a_fleet_at_peace() {
    let mut world = World::new(false);
    world.heal();
    for _ in 0..200 {
        world.step(&Choice::Origin);
    }
    world.heal();
    world.check();
    world.check_all_arrived();
    let terms = world
        .log
        .values()
        .filter(|record| matches!(record.content, Content::Term { .. }));
    assert_eq!(terms.count(), 1);
    assert!(
        world
            .members
            .iter()
            .all(|member| !member.published.contains(&Published::Gap))
    );
}
