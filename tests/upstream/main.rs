//! The upstream against origins over real sockets: what it says, what it makes of the answers, and
//! how it comes back.
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod running;

mod failures;
mod feed;
mod garbage;
mod http2;
mod patience;
mod redirects;
mod resume;
mod tls;
