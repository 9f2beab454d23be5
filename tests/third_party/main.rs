//! Programs of other people against the relay: clients that nobody here wrote, and servers that
//! stand in front.
//!
//! `scripts/setup` installs them. A story without its program fails and says so: nothing is
//! skipped. Clients tell what they dispatched (`foreign.rs`, `tests/clients/`); proxies run with
//! the files of `deploy/proxies` (`proxy.rs`, `front.rs`).
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod caddy;
mod chromium;
mod credentials;
mod curl;
mod dashboard;
mod demo;
mod event_source;
mod firefox;
mod foreign;
mod front;
mod haproxy;
mod many_tabs;
#[allow(dead_code, reason = "other programs use the rest of it")]
#[path = "../fleet/nats.rs"]
mod nats;
mod nghttp2;
mod nginx;
mod nginx_behind;
mod node;
mod openssl;
mod pages;
mod proxy;
mod python;
mod stream;
mod tools;
