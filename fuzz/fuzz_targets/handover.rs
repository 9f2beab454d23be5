//! Any bytes as what another process says at a hand-over.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::handover(bytes));
