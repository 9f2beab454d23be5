//! Any bytes as an origin's response head: to an upstream, and to a request that was passed on.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fanfare::fuzzing::answer(bytes);
    fanfare::fuzzing::passed_answer(bytes);
});
