//! Any bytes as a file of a kept log.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::kept_log(bytes));
