//! Any bytes where a predecessor's log is due.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::carried_log(bytes));
