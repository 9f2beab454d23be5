//! What a crowd is told, and what it tells: one JSON value a line where it is a process of its own.

use super::tally::Counts;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What a crowd is for, said once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    /// The server.
    pub address: SocketAddr,
    /// Path and query of the stream.
    pub path: String,
    /// The type of the event that announces a gap.
    pub gap_event: String,
    /// Connections that are begun in a second.
    pub connects_per_second: f64,
}

/// What the clients are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Have this many clients.
    Have {
        /// How many.
        clients: usize,
    },
    /// So many of those with a stream open it anew, and then take nothing of it until the server
    /// ends it.
    Stall {
        /// How many.
        clients: usize,
    },
    /// So many close their streams, and open them again after a while, where they were.
    Leave {
        /// How many.
        clients: usize,
        /// After how many milliseconds.
        for_ms: u64,
    },
}

/// Where the crowd stands; several times a second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// When, in nanoseconds of the [clock](super::clock).
    pub at_ns: u64,
    /// Clients with an open stream.
    pub live: usize,
    /// Of them, those that take nothing.
    pub stalled: usize,
    /// Streams opened again since the beginning.
    pub returned: u64,
    /// Streams that the server ended, since the beginning.
    pub ended_by_server: u64,
    /// Connections and requests that were refused, since the beginning.
    pub refused: u64,
    /// Why the first connection that failed did.
    pub first_error: Option<String>,
    /// What came, since the beginning.
    pub counts: Counts,
    /// Of what came since the last report: median and 99th percentile from the origin's stamp to the
    /// client's read, in microseconds.
    pub latency_us: Option<[u32; 2]>,
    /// CPU time that the process has used, in nanoseconds.
    pub cpu_ns: u64,
}
