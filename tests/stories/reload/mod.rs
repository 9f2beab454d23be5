//! Another configuration while clients are connected: what did not change goes on, what changed is
//! in force, what is gone ends in order.

mod applying;
mod leftovers;
mod limits;
mod listeners;
mod pass;
mod process;
mod sequences;
mod sources;
mod tls;
mod upstreams;
mod values;

use applying::read;
