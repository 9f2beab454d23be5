//! Any bytes where a PROXY protocol header is due.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fanfare::fuzzing::proxy_protocol(bytes));
