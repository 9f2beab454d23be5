//! What the relay promises to clients, told over real sockets: an origin, the relay, clients, and
//! what happens.
//!
//! One file per group of promises (listeners, delivery, resume and gaps, awkward ids, slow clients,
//! quiet streams and refusals, drain, trouble upstream, outages). Nothing sleeps to let things
//! settle: what can't be awaited is looked for until it is there.
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod access_log;
mod ask_origin;
mod combined;
mod compression;
mod crowds;
mod delivery;
mod descriptors;
mod drain;
mod ends;
mod filters;
mod filters_attacked;
mod first_events;
mod good_ends;
mod half_close;
mod handover;
mod herd;
mod hopping;
mod http2;
mod long_ids;
mod long_poll;
mod merged;
mod ids;
mod kept_log;
mod listeners;
mod log_output;
mod observed;
mod outages;
mod proxy;
mod proxy_protocol;
mod quiet;
mod refusals;
mod reload;
mod requests;
mod requests_http1;
mod resume;
mod settings;
mod slow_clients;
mod starts;
mod tail;
mod templated;
mod tls;
mod tree;
mod upstream_trouble;
