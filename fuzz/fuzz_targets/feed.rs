//! Any bytes as a feed: the stream that it names, and its links when they are rewritten.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fanfare::fuzzing::discovery(bytes);
    fanfare::fuzzing::feed(bytes);
});
