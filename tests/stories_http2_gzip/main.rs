//! The stories of `tests/stories` once more, by clients that speak HTTP/2 and ask for gzip, as
//! browsers do. Another inflater than the relay's
//! decodes it (`tests/support/client/gunzip.rs`); the stories know nothing of it.
#![allow(unreachable_pub, dead_code, reason = "modules of another test program")]
#![allow(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../stories/delivery.rs"]
mod delivery;
#[path = "../stories/drain.rs"]
mod drain;
#[path = "../stories/ends.rs"]
mod ends;
#[path = "../stories/herd.rs"]
mod herd;
#[path = "../stories/hopping.rs"]
mod hopping;
#[path = "../stories/long_poll.rs"]
mod long_poll;
#[path = "../stories/outages.rs"]
mod outages;
#[path = "../stories/quiet.rs"]
mod quiet;
#[path = "../stories/resume.rs"]
mod resume;
#[path = "../stories/settings.rs"]
mod settings;
#[path = "../stories/slow_clients/mod.rs"]
mod slow_clients;
#[path = "../stories/templated.rs"]
mod templated;
