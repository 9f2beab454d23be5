//! The one loop that accepts connections, and the one place that tells its errors apart.

use super::starvation::{News, Starvation};
use super::{Listener, Stream};
use crate::quotas::Descriptors;
use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// Connections accepted before other tasks have their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections that come closer together than this are a storm (more than 2,000 in a second).
const STORM_GAP: Duration = Duration::from_micros(500);
/// In a storm, the time between two rounds of accepting: by then the requests have come too, so
/// that nothing has to wait for them, and runtime and shards wake up once for several connections
/// instead of once for each.
const STORM_PAUSE: Duration = Duration::from_millis(5);
/// Such pauses before a connection is closed for which there is no descriptor.
const PAUSES_MAX: u32 = 20;
/// Connections that are accepted of a listener that goes: a longer queue would hold up everything.
const LAST_MAX: usize = 4096;
/// Wait after an error of `accept` that doesn't concern one connection (no descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server does with its connections.
pub(crate) trait Accepted {
    /// Takes up a connection. Must not block.
    fn connection(&self, stream: Stream, peer: SocketAddr);

    /// There is no descriptor for a connection that waits: those that need theirs least are to be
    /// closed.
    fn make_room(&self) {}

    /// A connection could not be accepted, and waits: the process has no descriptor left, or the
    /// system no memory.
    fn starved(&self) {}
}

/// Accepts connections of a listener that the runtime watches, until it is dropped. No error of
/// `accept` ends it. A connection for which the budget has no descriptor left is closed at once: a
/// client in the kernel's queue would not learn that it is not going to be served.
pub(crate) async fn accept(
    fd: impl Borrow<AsyncFd<Listener>>,
    server: impl Accepted,
    budget: Arc<Descriptors>,
) -> io::Result<()> {
    let fd = fd.borrow();
    let name = fd.get_ref().to_string();
    let mut starvation = Starvation::default();
    let mut last = Instant::now();
    let (mut full, mut pauses) = (false, 0);
    loop {
        let mut ready = fd.readable().await?;
        let mut accepted = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            let descriptor = budget.take();
            full = descriptor.is_none();
            if full && pauses < PAUSES_MAX {
                pauses += 1;
                break;
            }
            full = false;
            pauses = 0;
            match ready.try_io(|fd| fd.get_ref().accept()) {
                Ok(Ok((transport, peer))) => {
                    accepted += 1;
                    let Some(descriptor) = descriptor else {
                        if starvation.failed(Instant::now()) == Some(News::Begun) {
                            tracing::warn!(listener = name, "no descriptors left for connections: they are closed");
                        }
                        server.starved();
                        continue;
                    };
                    if starvation.accepted(Instant::now()) == Some(News::Over) {
                        tracing::info!(listener = name, "accepting again");
                    }
                    server.connection(Stream::new(transport, Some(descriptor)), peer);
                }
                Ok(Err(error)) if concerns_one_connection(&error) => {}
                Ok(Err(error)) => {
                    if starvation.failed(Instant::now()) == Some(News::Begun) {
                        tracing::warn!(listener = name, %error, "can't accept; trying again every 100 ms");
                    }
                    server.starved();
                    // A connection that waits stays in the kernel's queue, and is accepted once
                    // another has ended.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    break;
                }
                Err(_would_block) => break,
            }
        }
        drop(ready);
        if full {
            server.make_room();
            // They are gone in a moment.
            tokio::time::sleep(STORM_PAUSE).await;
            continue;
        }
        if accepted == 0 {
            continue;
        }
        let gap = std::mem::replace(&mut last, Instant::now()).elapsed();
        let_others_run(accepted, gap).await;
    }
}

/// Accepts what waits in the kernel's queue of a listener that is about to be closed: the queue
/// goes with it, and those in it would be reset.
pub(crate) fn accept_last(listener: &Listener, server: &impl Accepted, budget: &Descriptors) {
    for _ in 0..LAST_MAX {
        let Some(descriptor) = budget.take() else { return };
        match listener.accept() {
            Ok((transport, peer)) => server.connection(Stream::new(transport, Some(descriptor)), peer),
            Err(error) if concerns_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// After a round in which so many connections were accepted, so long after the one before.
async fn let_others_run(accepted: u32, gap: Duration) {
    // A full round leaves others waiting: they are next.
    let all = (accepted as usize) < ACCEPTS_PER_TURN;
    if all && gap < STORM_GAP * accepted {
        tokio::time::sleep(STORM_PAUSE).await;
    } else {
        tokio::task::yield_now().await;
    }
}

/// accept(2): errors of the connection that was to be accepted are reported by the listener.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, PermissionDenied,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
    )
}
