//! The network's side of every server in the process: bound listeners, the one loop that accepts,
//! and the streams that it makes.
//!
//! - A [`Stream`] is made once, when its connection is accepted, and never wrapped again on its way
//!   to its shard.
//! - No error of `accept` ends the loop, and none of them fills the log.
//! - A connection that has asked for nothing may be let go for another one
//!   (`pending.rs`).

mod accept;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod listener;
mod pending;
mod phase;
pub(crate) mod proxy_protocol;
mod sent;
mod starvation;
mod stream;
pub(crate) mod tls;
mod transport;
mod watched;

pub(crate) use accept::{Accepted, accept, accept_last};
pub use listener::{Listener, bind};
pub(crate) use pending::{Askers, PendingConnections};
pub(crate) use phase::{Phase, SharedPhase};
pub use sent::Sent;
pub use stream::Stream;
pub use tls::TlsError;
pub(crate) use watched::Watched;

use std::io;
use std::os::fd::AsRawFd;
use tokio::io::unix::AsyncFd;

/// Registers a descriptor with the runtime.
#[expect(
    deprecated,
    reason = "its replacement is unsafe; ours own what they name for as long as they live"
)]
pub(crate) fn watch<T: AsRawFd>(fd: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::new(fd)
}
