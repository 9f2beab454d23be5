//! A parser that is made anew from its state, again and again, yields what one does that goes on.

use crate::reference::{Found, parse};
use crate::splits::{cuts, options, stream};
use bytes::Bytes;
use fanfare::event_stream::{LineState, Parser, ParserOptions, ParserState};
use proptest::prelude::*;

/// The state is taken out after each read and after each item, and another parser goes on.
fn parse_by_many(stream: &[u8], cuts: &[usize], options: ParserOptions) -> Vec<Found> {
    let other = |parser: &Parser| Parser::from_state(options, &parser.state()).expect("a state that was given");
    let ends = cuts.iter().copied().chain([stream.len()]);
    let mut parser = Parser::new(options);
    let mut items = Vec::new();
    let mut start = 0;
    for end in ends {
        parser.push(Bytes::copy_from_slice(&stream[start..end]));
        parser = other(&parser);
        while let Some(item) = parser.next_item() {
            items.push(Found::from(item));
            parser = other(&parser);
        }
        parser = other(&parser);
        start = end;
    }
    items
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_carried_is_all_there_is(stream in stream(0..40), at in prop::collection::vec(any::<prop::sample::Index>(), 0..20), options in options()) {
        let cuts = cuts(&stream, at);
        prop_assert_eq!(parse_by_many(&stream, &cuts, options), parse(&stream, &cuts, options));
    }

    /// Whatever another process says, it is taken or refused, and what is taken can go on.
    #[test]
    fn any_state_is_taken_or_refused(
        bom in prop::option::of(0u8..5),
        after_cr: bool,
        parts in prop::collection::vec(stream(0..4), 3),
        oversized in prop::option::of((any::<u64>(), any::<bool>())),
        fate in prop::sample::select(vec![LineState::Collected, LineState::Ignored, LineState::Dropped]),
        rest in stream(0..10),
        options in options(),
    ) {
        let mut state = ParserState { bom, after_cr, unread: parts[0].clone(), ..ParserState::default() };
        state.block.lines = parts[1].clone();
        state.block.line = parts[2].clone();
        state.block.oversized = oversized;
        state.block.fate = fate;
        if let Some(mut parser) = Parser::from_state(options, &state) {
            while parser.next_item().is_some() {}
            parser.push(Bytes::from(rest));
            while parser.next_item().is_some() {}
        }
    }
}
