//! The event parser against the plain reading of the standard, on splits that the fuzzer chooses.
//!
//! The input is a stream, and behind its last NUL-NUL pair what is done with it: one byte for the
//! limit and the choice of comments, then one byte for each read's length. Seeds are therefore
//! nearly plain event streams.

#![no_main]

#[path = "../../tests/reference/mod.rs"]
mod reference;

use fanfare::event_stream::ParserOptions;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let (stream, control) = match input.windows(2).rposition(|pair| pair == [0, 0]) {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let (choice, lengths) = control.split_first().unwrap_or((&0, &[]));
    let event_bytes_max = match choice >> 1 {
        0 => 1 << 20,
        limit => usize::from(limit),
    };
    let options = ParserOptions { event_bytes_max, comments: choice & 1 == 1 };

    let mut cuts = Vec::new();
    let mut at = 0;
    // A length of zero is an empty read; the lengths repeat until the stream is used up.
    for length in lengths.iter().cycle().take(stream.len()) {
        at += usize::from(*length);
        if at > stream.len() {
            break;
        }
        cuts.push(at);
    }
    reference::assert_agreement(stream, &cuts, options);
    reference::assert_agreement(stream, &[], options);
});
