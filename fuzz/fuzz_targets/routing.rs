//! Any bytes as a request's head, up to the origin's URL that its path is filled into.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::routing(bytes));
