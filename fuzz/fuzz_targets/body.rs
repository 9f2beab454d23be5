//! Any bytes as an origin's answer, head and body: one body, on every split.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::body(bytes));
