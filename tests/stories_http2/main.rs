//! The stories of `tests/stories` that are not about one version of HTTP, told again by clients
//! that speak HTTP/2 (by prior knowledge, `support/client/http2.rs`).
#![allow(unreachable_pub, dead_code, reason = "modules of another test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../stories/access_log.rs"]
mod access_log;
#[path = "../stories/ask_origin.rs"]
mod ask_origin;
#[path = "../stories/combined/mod.rs"]
mod combined;
#[path = "../stories/delivery.rs"]
mod delivery;
#[path = "../stories/drain.rs"]
mod drain;
#[path = "../stories/ends.rs"]
mod ends;
#[path = "../stories/filters.rs"]
mod filters;
#[path = "../stories/filters_attacked.rs"]
mod filters_attacked;
#[path = "../stories/good_ends.rs"]
mod good_ends;
#[path = "../stories/herd.rs"]
mod herd;
#[path = "../stories/hopping.rs"]
mod hopping;
#[path = "../stories/ids.rs"]
mod ids;
#[path = "../stories/long_ids.rs"]
mod long_ids;
#[path = "../stories/long_poll.rs"]
mod long_poll;
#[path = "../stories/merged.rs"]
mod merged;
#[path = "../stories/outages.rs"]
mod outages;
mod proxy;
#[path = "../stories/quiet.rs"]
mod quiet;
#[path = "../stories/refusals.rs"]
mod refusals;
mod reload;
#[path = "../stories/requests.rs"]
mod requests;
#[path = "../stories/resume.rs"]
mod resume;
#[path = "../stories/settings.rs"]
mod settings;
#[path = "../stories/slow_clients/mod.rs"]
mod slow_clients;
#[path = "../stories/starts.rs"]
mod starts;
#[path = "../stories/templated.rs"]
mod templated;
#[path = "../stories/tree.rs"]
mod tree;
