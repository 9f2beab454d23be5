//! The metrics are kept true: `docs/metrics.md` is what the program has, and every series of a
//! scrape moves in some scene.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

#[path = "../support/mod.rs"]
mod support;

mod documentation;
mod moves;
mod scenes;
