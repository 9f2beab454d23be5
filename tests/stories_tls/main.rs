//! Stories of `tests/stories` once more, with TLS between clients and the relay: what is promised
//! over clear text holds over TLS. Relays get a certificate, and clients make a handshake
//! (`tests/support/tls.rs`); the stories know nothing of it.
#![allow(unreachable_pub, reason = "modules of one test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../stories/delivery.rs"]
mod delivery;
#[path = "../stories/descriptors.rs"]
mod descriptors;
#[path = "../stories/drain.rs"]
mod drain;
#[path = "../stories/ends.rs"]
mod ends;
#[path = "../stories/filters.rs"]
mod filters;
#[path = "../stories/filters_attacked.rs"]
mod filters_attacked;
#[path = "../stories/half_close.rs"]
mod half_close;
#[path = "../stories/long_poll.rs"]
mod long_poll;
#[path = "../stories/outages.rs"]
mod outages;
#[path = "../stories/proxy/mod.rs"]
mod proxy;
#[path = "../stories/requests.rs"]
mod requests;
#[path = "../stories/requests_http1.rs"]
mod requests_http1;
#[path = "../stories/resume.rs"]
mod resume;
#[path = "../stories/slow_clients/mod.rs"]
mod slow_clients;
#[path = "../stories/starts.rs"]
mod starts;
#[path = "../stories/templated.rs"]
mod templated;
