//! What stories share. Each takes what it needs.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "every test program compiles all of it and uses a part"
)]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

pub mod client;
pub mod filler;
pub mod frames;
pub mod http2_wire;
pub mod origin;
pub mod ports;
pub mod process;
#[path = "../reference/mod.rs"]
pub mod reference;
pub mod relay;
pub mod tls;
pub mod wire;
