//! The stories of `tests/stories` once more, by clients that ask for gzip, from sources that allow it:
//! what is promised in clear holds compressed, byte for byte. Another inflater than the relay's
//! decodes it (`tests/support/client/gunzip.rs`); the stories know nothing of it.
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
#[path = "../stories/first_events.rs"]
mod first_events;
#[path = "../stories/good_ends.rs"]
mod good_ends;
#[path = "../stories/handover/mod.rs"]
mod handover;
#[path = "../stories/herd.rs"]
mod herd;
#[path = "../stories/hopping.rs"]
mod hopping;
#[path = "../stories/ids.rs"]
mod ids;
#[path = "../stories/kept_log/mod.rs"]
mod kept_log;
#[path = "../stories/long_ids.rs"]
mod long_ids;
#[path = "../stories/long_poll.rs"]
mod long_poll;
#[path = "../stories/merged.rs"]
mod merged;
#[path = "../stories/outages.rs"]
mod outages;
#[path = "../stories/quiet.rs"]
mod quiet;
#[path = "../stories/refusals.rs"]
mod refusals;
#[path = "../stories/reload/mod.rs"]
mod reload;
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
