//! Peers that mean harm, told over real sockets: clients that hold connections, flood, or send what
//! two readers could read differently; origins that send bombs, lead in circles, or say one thing
//! and do another.
//!
//! Whatever they do, an *audience* watches: clients of an event stream that get every event in
//! order, without a gap, and are not cut. What is done is a *wave*; waves come from a process of
//! their own (`attacker.rs`), which leaves the relay's descriptors and the audience's alone.
//!
//! How much later events come under each of them is measured and not asserted, since a test would
//! depend on the machine: `scripts/long hostile` runs `measure.rs`, and docs/security.md has what
//! came out.
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod attacker;
mod audience;
mod bombs;
mod clients;
mod desync;
mod lines;
mod measure;
mod vanished;
mod waves;
