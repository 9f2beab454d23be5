//! Some stories of `tests/stories` once more, by clients that agree on HTTP/2 in a TLS handshake, as
//! browsers do (`tests/support/tls.rs`, `tests/support/client/http2.rs`).
#![allow(unreachable_pub, dead_code, reason = "modules of another test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../stories/access_log.rs"]
mod access_log;
#[path = "../stories/delivery.rs"]
mod delivery;
#[path = "../stories/drain.rs"]
mod drain;
#[path = "../stories/ends.rs"]
mod ends;
#[path = "../stories/long_poll.rs"]
mod long_poll;
#[path = "../stories/outages.rs"]
mod outages;
#[path = "../stories_http2/proxy.rs"]
mod proxy;
#[path = "../stories/quiet.rs"]
mod quiet;
#[path = "../stories/refusals.rs"]
mod refusals;
#[path = "../stories_http2/reload.rs"]
mod reload;
#[path = "../stories/requests.rs"]
mod requests;
#[path = "../stories/resume.rs"]
mod resume;
#[path = "../stories/slow_clients/mod.rs"]
mod slow_clients;
#[path = "../stories/templated.rs"]
mod templated;
