//! The scenarios, by name.

use clap::ValueEnum;
use serde::Serialize;

/// The scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Many clients, few events: latency and CPU per delivery
    Fanout,
    /// Fewer clients, many events: batching
    Busy,
    /// Clients arrive as fast as asked at a quiet stream: CPU per connection
    ConnectStorm,
    /// All clients are cut, miss events, and come back at once with Last-Event-ID
    ResumeStorm,
    /// A share of the clients never reads: the others must not notice
    SlowClients,
    /// Stalled clients go over their limit and are evicted at once, while others read
    EvictStorm,
    /// The origin sends a burst as fast as it is taken: does everything arrive?
    Burst,
    /// Events make every client fetch from a small origin: without coalesce and stagger, and with
    /// them
    ThunderingHerd,
    /// Clients come and go all the time
    Churn,
    /// Many streams behind one templated path, each with a few clients, which end; against one
    /// stream with them all
    Jobs,
    /// Resident memory per idle stream with one client, from the slope between two numbers of
    /// streams
    IdleJobs,
    /// Several instances side by side on one origin
    Siblings,
    /// One instance behind which others stand, which have the clients
    Tree,
    /// A million clients: several instances side by side, or behind a root; one event to all, a
    /// storm of a part of them, an upgrade of all instances, and where the memory went
    Million,
    /// Resident memory per client, from the slope between two numbers of clients
    Memory,
    /// Everything at once, for long
    Soak,
    /// What each protocol costs: HTTP/1.1 and HTTP/2, in clear and over TLS; resident memory per
    /// client, then CPU per delivery
    Edge,
    /// Certificates are replaced under live clients: none must be cut
    RenewCertificates,
    /// The server is upgraded under live clients, several times in a row: none must be cut
    Upgrade,
    /// Some streams of an HTTP/2 connection are never read: the others must not notice
    FrozenStreams,
    /// Clients at a server that runs already: a subcommand of its own
    #[value(skip)]
    Clients,
}

impl Scenario {
    /// The name on the command line and in reports.
    pub(crate) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(|| "clients".to_owned(), |value| value.get_name().to_owned())
    }
}
