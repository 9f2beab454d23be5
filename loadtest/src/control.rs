//! What the driver and the processes that it starts say to each other: one JSON value a line, over
//! stdin and stdout.
//!
//! A process ends when its stdin ends, so no load outlives the driver.

use crate::rate::Series;
use crate::source::changelog;
use crate::tally::Counts;
use rustix::process::{Resource, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;

/// To an event source: the origin or the floor.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceOrder {
    /// Sends events on the schedule until told to stop.
    Start { events_per_second: f64, burst: u32 },
    /// Sends this many events at once.
    Burst { events: u64 },
    /// Sends this many events evenly over a time, and then none.
    Volley { events: u64, over_ns: u64 },
    /// Writes a terminal event to every stream, and ends them.
    End,
    /// Stops sending; answered by `Stopped`.
    Stop,
}

/// From an event source.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SourceReport {
    /// Ready on this address, and with its change log on that one.
    Listening {
        address: SocketAddr,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changelog: Option<SocketAddr>,
    },
    /// The last sequence number that was sent (the highest of all streams), and what was in the
    /// way.
    Stopped {
        last: u64,
        streams: u64,
        skipped: u64,
        /// The floor: batches of all shards, and what they took from the first write to the last.
        #[serde(default)]
        batches: u64,
        #[serde(default)]
        batches_ns: u64,
        late_max_us: u64,
        /// What came to its change log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        changelog: Option<changelog::Counts>,
    },
}

/// What a swarm process is to do, said once at its start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SwarmSetup {
    /// Where to connect; clients go round them.
    pub(crate) targets: Vec<Target>,
    /// Clients of this process.
    pub(crate) clients: usize,
    /// The number of the first one, over all processes.
    pub(crate) first_client: usize,
    /// The addresses to connect from; clients go round them. None: the kernel's choice.
    pub(crate) sources: Vec<IpAddr>,
    /// Value of the `Authorization` field.
    pub(crate) authorization: Option<String>,
    /// More fields of the request, `Name: value`.
    pub(crate) headers: Vec<String>,
    /// Connections under way at one time.
    pub(crate) connecting_max: usize,
    /// Share of clients that never read after the first bytes.
    pub(crate) stalled_share: f64,
    /// Share of clients that read at most `slow_bytes_per_second`.
    pub(crate) slow_share: f64,
    pub(crate) slow_bytes_per_second: u64,
    /// Whether reconnects carry `Last-Event-ID`.
    pub(crate) resume: bool,
    /// Delay before a reconnect, in milliseconds; `None`: what the server's `retry` says, else 1 s.
    pub(crate) reconnect_ms: Option<u64>,
    /// The event that a client must get first on its first stream; 0: any.
    pub(crate) first_seq: u64,
    /// Events in a row that are identical and may be delivered once; 0 and 1: each counts for
    /// itself.
    pub(crate) repeats: u32,
    /// The type of the event that announces a gap.
    pub(crate) gap_event: String,
    /// The server gives several events out as one, a line of data each, and sends events of its own
    /// between them: these are not counted.
    pub(crate) wrapped: bool,
    /// Speak HTTP/2, with this many streams on a connection; 0: HTTP/1.1.
    pub(crate) http2_streams: u32,
    /// Bytes of an HTTP/2 stream's window and of a connection's; `None`: more than a server fills.
    pub(crate) http2_windows: Option<[u32; 2]>,
    /// CA file (PEM) for TLS; `None`: any certificate is accepted.
    pub(crate) ca: Option<std::path::PathBuf>,
    /// What a stalled client's kernel takes in unread, in bytes; `None`: the kernel's own choice.
    pub(crate) stalled_receive_bytes: Option<usize>,
    /// Streams that `{stream}` in a path goes round; over 1, there are no statistics per event.
    pub(crate) streams: usize,
    /// What every event makes a client GET.
    pub(crate) fetch: Option<FetchSetup>,
}

/// A request that every event makes each client send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FetchSetup {
    pub(crate) target: Target,
    /// Connections of one process for this at one time.
    pub(crate) at_once: usize,
}

impl FetchSetup {
    /// For one of several processes.
    pub(crate) fn of_one(&self, processes: usize) -> Self {
        Self {
            at_once: (self.at_once / processes.max(1)).max(1),
            target: self.target.clone(),
        }
    }
}

/// One URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) address: SocketAddr,
    /// The `Host` field, and the name in TLS (without the port).
    pub(crate) authority: String,
    /// Path and query; `{client}` stands for the client's number, `{stream}` for its stream's.
    pub(crate) path: String,
}

/// To a swarm process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SwarmOrder {
    /// Have this many clients, opened at this rate.
    Connect { clients: usize, per_second: f64 },
    /// Close all connections, and stay away until `Connect`.
    Cut,
    /// Close so many of the connections, and open none until `Connect`; the others stay.
    CutSome { clients: usize },
    /// Close and reopen this many clients per second, and half of them together this often (0:
    /// never).
    Churn { per_second: f64, half_every_ms: u64 },
    /// Begin a measurement.
    Reset,
    /// End it: answered by `Window`.
    Measure,
    /// Report as `behind` how many readers have not got this event: of all that are wanted, or,
    /// after `CutSome`, of those that are live.
    Await { seq: u64 },
    /// Report the totals, `last` being the last event that was sent (0: unknown), and exit.
    Finish { last: u64 },
}

/// From a swarm process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SwarmReport {
    /// Several times a second.
    Tick(Tick),
    /// At the end of a measurement.
    Window(Box<Window>),
    /// At the end.
    Totals(Box<Totals>),
    /// It can't go on.
    Failed { reason: String },
}

/// Where a swarm process stands.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Tick {
    pub(crate) live: u64,
    /// Streams opened so far, reconnects included.
    pub(crate) opened: u64,
    /// Clients that were refused in a way that doesn't heal, and stay away.
    pub(crate) given_up: u64,
    pub(crate) delivered: u64,
    /// Latencies of the deliveries with a stamp: how many, their sum, and the highest since the last
    /// tick, in microseconds.
    #[serde(default)]
    pub(crate) latencies: [u64; 3],
    pub(crate) bytes: u64,
    pub(crate) refused: u64,
    /// Readers that wait for the event named by `Await`.
    pub(crate) behind: u64,
    /// Whether `behind` answers the latest `Await`.
    pub(crate) awaiting: u64,
    /// The highest number that a reader has got.
    pub(crate) newest: u64,
    /// Fetches asked for and not over.
    pub(crate) fetching: u64,
    /// When the last fetch was over; 0: none was.
    pub(crate) fetched_ns: u64,
}

/// One measurement of one swarm process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) elapsed_ns: u64,
    pub(crate) delivered: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
    /// CPU time of the swarm process.
    pub(crate) cpu_ns: u64,
    /// How long it waited for a core.
    pub(crate) wait_ns: u64,
    /// Histograms in microseconds: HdrHistogram V2, base64.
    pub(crate) latency: String,
    pub(crate) latency_scheduled: String,
    /// From the poll's return to the read: what the swarm itself adds.
    pub(crate) backlog: String,
    /// Per event: sequence number, deliveries, first, median and last latency in microseconds.
    pub(crate) events: Vec<[u64; 5]>,
}

/// All that a swarm process has seen.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    pub(crate) opened: u64,
    pub(crate) reopened: u64,
    /// Streams that were opened with gzip.
    #[serde(default)]
    pub(crate) compressed: u64,
    /// Connections that were refused, or timed out.
    pub(crate) refused_connections: u64,
    /// Why the first connection that failed did.
    pub(crate) first_error: Option<String>,
    /// Answers 204: the stream is over, and the client stays away.
    pub(crate) over: u64,
    /// Clients whose refusal doesn't heal, and which stay away.
    pub(crate) given_up: u64,
    /// Other answers than 200 with an event stream, by status.
    pub(crate) refused_statuses: Vec<(u16, u64)>,
    /// Streams that the server ended or cut.
    pub(crate) ended_by_server: u64,
    /// Of them stalled clients'.
    pub(crate) stalled_ended: u64,
    pub(crate) stalled: u64,
    pub(crate) slow: u64,
    /// Streams whose framing or TLS broke.
    pub(crate) broken: u64,
    /// Clients live at the end.
    pub(crate) live: u64,
    /// From the connection's start to the response head, in microseconds.
    pub(crate) open_latency: String,
    /// What events made clients GET.
    pub(crate) fetched: Fetched,
}

/// What came of one process's fetches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Fetched {
    /// Events that asked for one, and when they came.
    pub(crate) asked: u64,
    pub(crate) rate: Series,
    pub(crate) served: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    /// Why the first one that failed did.
    pub(crate) first_error: Option<String>,
    /// From the event to the whole answer, of those that were served, in microseconds.
    pub(crate) latency: String,
    /// From the event to the beginning of the connection, in microseconds.
    pub(crate) held: String,
}

/// Called first by every process that the driver starts: it ends with the driver, and may open as
/// many files as allowed.
pub(crate) fn begin_child() {
    // Without it a killed driver would leave loads behind until they notice their closed stdin.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    raise_descriptor_limit();
}

/// Raises the limit on open files to its hard bound, and says what it is.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let hard = limit.maximum.unwrap_or(u64::MAX);
    // Raising to the hard bound is always allowed.
    let _ = setrlimit(Resource::Nofile, limit);
    hard
}

/// Writes one line to stdout; a driver that is gone is noticed at stdin.
pub(crate) fn say(value: &impl Serialize) {
    let mut line = serde_json::to_vec(value).expect("reports have string keys only");
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}

/// Reads orders from stdin on a thread of its own and calls `wake` after each. The receiver's end
/// is stdin's end.
pub(crate) fn listen<T>(wake: impl Fn() + Send + 'static) -> mpsc::Receiver<T>
where
    T: for<'de> Deserialize<'de> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            match serde_json::from_str(&line) {
                Ok(order) => {
                    if sender.send(order).is_err() {
                        break;
                    }
                }
                // Both ends are this program: a line that isn't understood is a bug in it.
                Err(error) => panic!("order not understood: {error}: {line}"),
            }
            wake();
        }
        drop(sender);
        wake();
    });
    receiver
}
