//! Any steps, any limits.

use crate::pair::{Pair, Step};
use fanfare::config::{LogLimits, Start};
use fanfare::log::{Kind, Position};
use proptest::prelude::*;
use std::time::Duration;

fn steps() -> impl Strategy<Value = (Step, usize)> {
    let step = prop_oneof![
        4 => (0u8..3).prop_map(Step::Own),
        1 => (0u8..12).prop_map(Step::Own),
        2 => Just(Step::Unique),
        4 => Just(Step::Inherited),
        1 => Just(Step::Reset),
        1 => prop_oneof![Just(Kind::Gap), Just(Kind::NonEvent)].prop_map(Step::Between),
        1 => (0u8..9).prop_map(Step::Hole),
        1 => prop_oneof![Just(Start::Live), Just(Start::Latest), Just(Start::Earliest)].prop_map(Step::LetIn),
        1 => (0u8..8).prop_map(Step::Wait),
        1 => Just(Step::Trim),
        1 => Just(Step::HandOver),
    ];
    (step, prop_oneof![9 => 1usize..20, 1 => 20usize..90])
}

fn numbered() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Inherited),
        1 => Just(Step::Between(Kind::Gap)),
        1 => (0u8..9).prop_map(Step::Hole),
    ]
}

fn limits() -> impl Strategy<Value = LogLimits> {
    let events = prop_oneof![1usize..6, 6usize..40, Just(1000)];
    let bytes = prop_oneof![1u64..100, Just(1 << 20)];
    let age = prop_oneof![Just(0u64), 1u64..12];
    (events, bytes, age).prop_map(|(events, bytes, age)| LogLimits {
        events,
        bytes,
        age: Duration::from_secs(age),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_what_its_model_is(
        limits in limits(),
        // Some streams are numbered by the relay until the origin's first id.
        assigning in any::<bool>(),
        // Some numberings were begun before.
        start in prop_oneof![Just(0u64), 1u64..100],
        numbered in prop::collection::vec(numbered(), 0..8),
        steps in prop::collection::vec(steps(), 0..50),
    ) {
        let mut pair = Pair::continuing(Position::new(start), limits, assigning);
        pair.check();
        for step in &numbered {
            pair.step(step, 5);
            pair.check();
        }
        for (step, len) in &steps {
            pair.step(step, *len);
            pair.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    /// Long enough for the index to grow several times and for its cells to be used again.
    #[test]
    fn a_long_log_is_what_its_model_is(
        events in prop_oneof![1usize..4, 60usize..70, 120usize..200, Just(10_000)],
        steps in prop::collection::vec(steps(), 200..500),
    ) {
        let mut pair = Pair::new(LogLimits { events, bytes: 1 << 20, age: Duration::from_secs(60) }, false);
        for (n, (step, len)) in steps.iter().enumerate() {
            pair.step(step, *len);
            if n % 20 == 19 {
                pair.check();
            }
        }
        pair.check();
    }
}
