//! What the relay says about itself, as plain data: `/status`, `/readyz` and the dashboard are made
//! of it.
//!
//! The data path fills it in, the admin listener writes it out, and neither knows the other. No
//! secret goes in here: upstreams appear under their configured name (without credentials and
//! query), clients as their address. Positions stay inside; what is shown of the log's head is the
//! event id that clients see too.

mod clients;
mod lag;

pub use clients::{ClientCounts, ClientDetails, ClientStatus, LeavingStatus};
pub use lag::{LagSpread, LagStatus, Quantiles};

use crate::metrics::{Metrics, ProcessNumbers, SourceTotals, Totals};
use crate::timestamp::Timestamp;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// What the admin listener observes.
pub trait StatusProvider: Send + Sync + 'static {
    /// Everything for `/status`. It may ask the data path and wait for its answer; the admin
    /// listener stops waiting after a while and drops the future.
    fn status(&self) -> Pin<Box<dyn Future<Output = Status> + Send + '_>>;
    /// The clients at an address, as they are known at this moment.
    fn clients_at(&self, wanted: WantedClient) -> Pin<Box<dyn Future<Output = Vec<ClientDetails>> + Send + '_>>;
    /// Whether new clients should come. Must answer from memory: probes come often and time out
    /// early.
    fn readiness(&self) -> Readiness;
    /// The numbers for `/metrics`.
    fn metrics(&self) -> &Metrics;
    /// What the dashboard's history is made of. Must answer from memory: it is asked for all the
    /// time.
    fn sample(&self) -> Sample;
}

/// Where a client is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedClient {
    /// The address, in its canonical form.
    pub ip: IpAddr,
    /// `None`: any.
    pub port: Option<u16>,
}

/// What is counted, as of now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Clients with an open event stream.
    pub clients: u64,
    /// Of the process, since its start.
    pub totals: Totals,
    /// Of each source that there is, by its name.
    pub sources: Vec<(String, SourceTotals)>,
}

/// Whether new clients should come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// The process is leaving.
    pub draining: bool,
    /// The names of the sources that count (`required: true`).
    pub required: Vec<String>,
    /// What keeps the relay from being ready, apart from its draining; empty: nothing does.
    pub reasons: Vec<NotReady>,
}

impl Readiness {
    /// Whether `/readyz` answers 200.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.reasons.is_empty()
    }
}

/// One thing that keeps the relay from being ready.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NotReady {
    /// The source; `None`: the whole process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The upstream, where it is one in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// A word for programs: the label of an `upstream::Reason`, `connecting`, `stale`, ...
    pub reason: String,
    /// A sentence for people; holds no secret.
    pub detail: String,
}

/// The answer of `/status`.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Status {
    /// The program's version.
    pub version: &'static str,
    /// Since the process started.
    pub uptime_seconds: f64,
    /// Whether the process is leaving.
    pub draining: bool,
    /// The last reload; `None`: there was none.
    pub reload: Option<ReloadStatus>,
    /// The last upgrade by hand-over; `None`: there was none.
    pub upgrade: Option<UpgradeStatus>,
    /// Keys of the file that can't change while the process runs, and say something else by now.
    pub not_in_force: Vec<&'static str>,
    /// Clients with an open event stream.
    pub clients: u64,
    /// What there may be only so many of.
    pub limits: LimitsStatus,
    /// The process's own numbers.
    pub process: ProcessNumbers,
    /// What has been counted since the start.
    pub totals: Totals,
    /// In the order of the configuration.
    pub sources: Vec<SourceStatus>,
    /// The combined paths, in the order of the configuration.
    pub combined: Vec<CombinedStatus>,
}

/// A path at which several sources are one stream.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CombinedStatus {
    /// The path, as configured: the `source` label of its metrics.
    pub path: String,
    /// The names of its sources.
    pub sources: Vec<String>,
    /// Joined channels: one for each set of sources that clients have asked for.
    pub joined_channels: u64,
    /// Channels that are computed from those, for filters that clients have chosen.
    pub derived_channels: u64,
    /// What can be replayed.
    pub log: LogStatus,
    /// Clients with an open event stream.
    pub clients: ClientCounts,
    /// How far the clients are behind the head.
    pub lag: LagStatus,
    /// The slowest first, as far as the shards name them.
    pub slowest: Vec<ClientStatus>,
    /// What has been counted since the start.
    pub totals: SourceTotals,
}

/// What there may be only so many of at one time; `None`: there is no such bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LimitsStatus {
    /// Clients: as many as are configured, or as many as there are descriptors for.
    pub clients: Option<u64>,
    /// Channels of templated sources.
    pub channels: Option<u64>,
    /// Open files of the process.
    pub descriptors: Option<u64>,
}

/// A reload of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReloadStatus {
    /// When.
    pub at: Timestamp,
    /// The label of its outcome: `applied`, `unchanged` or `rejected`.
    pub outcome: &'static str,
    /// What has changed, or every mistake that kept it from that; a line each.
    pub said: Vec<String>,
}

/// An upgrade by hand-over.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UpgradeStatus {
    /// When.
    pub at: Timestamp,
    /// `handed_over`: this process has taken over. `failed`: it was to hand over, and serves on.
    pub outcome: &'static str,
    /// From which version, and what stayed there; or why it came to nothing. Holds no secret.
    pub said: String,
    /// Clients whose streams went on here.
    pub clients: u64,
}

/// One source, over all its channels.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct SourceStatus {
    /// The configured name.
    pub name: String,
    /// The client paths, as configured.
    pub paths: Vec<String>,
    /// Whether `/readyz` waits for it.
    pub required: bool,
    /// In one word.
    pub state: SourceState,
    /// Its upstreams; for a templated source, each stands for that upstream of every channel.
    pub upstreams: Vec<UpstreamStatus>,
    /// Live channels; 1 for a source without a template.
    pub channels: u64,
    /// Channels that are computed from those, for filters that clients have chosen.
    pub derived_channels: u64,
    /// The newest event; `None` before the first one, and for templated sources.
    pub head: Option<HeadStatus>,
    /// How its log is shared with other instances; `None`: it is not.
    pub fleet: Option<FleetStatus>,
    /// What can be replayed.
    pub log: LogStatus,
    /// Clients with an open event stream.
    pub clients: ClientCounts,
    /// How far the clients are behind the head.
    pub lag: LagStatus,
    /// The slowest first, as far as the shards name them.
    pub slowest: Vec<ClientStatus>,
    /// What has been counted since the start.
    pub totals: SourceTotals,
}

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Every upstream is connected.
    Live,
    /// Some upstreams are connected.
    Partial,
    /// No upstream has been connected yet.
    Connecting,
    /// The upstreams were connected, and are not now.
    Away,
    /// A templated source without a channel.
    Idle,
    /// The stream has ended for good.
    Ended,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct UpstreamStatus {
    /// The configured name: authority and path.
    pub name: String,
    /// In one word.
    pub state: UpstreamState,
    /// For how long it has been in that state.
    pub for_seconds: f64,
    /// Failed connections, or attempts at one, since the start.
    pub reconnects: u64,
    /// The last failure, even if it is over.
    pub last_error: Option<LastError>,
}

/// How an upstream is; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    /// The stream is open.
    Connected,
    /// An attempt is under way.
    Connecting,
    /// The reconnection time runs.
    Waiting,
    /// It has no clients, and is not connected.
    Idle,
    /// The origin has ended the stream for good.
    Ended,
}

/// An upstream's last failure.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LastError {
    /// The label of its `upstream::Reason`.
    pub reason: &'static str,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What happened, for people; holds no secret.
    pub detail: String,
    /// When.
    pub at: Timestamp,
}

/// The newest event.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct HeadStatus {
    /// The id in force, as clients see it; `None` while there is none.
    pub id: Option<String>,
    /// Since it was received.
    pub age_seconds: f64,
}

/// What can be replayed.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct LogStatus {
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: u64,
    /// Since the oldest event was received; `None` when the log is empty.
    pub oldest_age_seconds: Option<f64>,
    /// How it is kept over a restart; `None`: it is in memory alone.
    pub dir: Option<LogDirStatus>,
}

/// A log on disk.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LogDirStatus {
    /// Where.
    pub path: String,
    /// In one word.
    pub state: LogDirState,
    /// Events that have not been written yet.
    pub lag_events: u64,
    /// Why nothing can be written at the moment.
    pub error: Option<String>,
}

/// How a log on disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogDirState {
    /// What comes is written.
    Kept,
    /// It can't be written: what comes is in memory alone.
    Memory,
}

/// A log that is shared with other instances.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FleetStatus {
    /// Whether this instance leads: it is the one that is connected to the origin.
    pub is_leader: bool,
    /// The name of the one that does; `None`: not known.
    pub leader: Option<String>,
    /// The term in force: where in the log it began; 0: not known.
    pub term: u64,
    /// Messages of the log that have not been read here.
    pub lag_events: u64,
    /// Events of the origin that are not in the log yet; of the leader.
    pub buffered_events: u64,
    /// Of a source with parameters: channels that this instance leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels_led: Option<u64>,
    /// Since the engine has confirmed that this instance has the lease; `None`: it has none.
    pub lease_age_seconds: Option<f64>,
    /// Since the engine gave a sign of life; `None`: it never has.
    pub heard_seconds: Option<f64>,
    /// Why it is out of reach; holds no secret.
    pub error: Option<String>,
    /// Whether this instance serves its clients without it meanwhile.
    pub is_local: bool,
}
