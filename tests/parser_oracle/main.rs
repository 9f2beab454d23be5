//! The parser against a plain reading of the standard, on every split.

#[path = "../reference/mod.rs"]
mod reference;

mod blocks;
mod bounds;
mod carried;
mod splits;
mod vectors;

use fanfare::event_stream::ParserOptions;
use reference::{Found, assert_agreement, parse};

const UNLIMITED: ParserOptions = ParserOptions {
    event_bytes_max: 1 << 20,
    comments: false,
};
const WITH_COMMENTS: ParserOptions = ParserOptions {
    comments: true,
    ..UNLIMITED
};

fn limited(event_bytes_max: usize) -> ParserOptions {
    ParserOptions {
        event_bytes_max,
        ..UNLIMITED
    }
}

/// In one read, byte by byte, and cut in two at every place.
fn assert_agreement_everywhere(stream: &[u8], options: ParserOptions) {
    let every_byte: Vec<usize> = (1..stream.len()).collect();
    assert_agreement(stream, &[], options);
    assert_agreement(stream, &every_byte, options);
    for cut in 0..=stream.len() {
        assert_agreement(stream, &[cut], options);
    }
}

/// Cut in three at every pair of places.
fn assert_agreement_in_three(stream: &[u8], options: ParserOptions) {
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            assert_agreement(stream, &[first, second], options);
        }
    }
}

fn found(stream: &[u8], options: ParserOptions) -> Vec<Found> {
    parse(stream, &[], options)
}

fn event(block: &str) -> Found {
    Found::Event(block.as_bytes().to_vec())
}
