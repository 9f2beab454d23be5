//! Servers of the harness's own: what the origin and the floor are told.

use crate::source::changelog;
use crate::source::fault::Fault;
use crate::stamp::Form;
use crate::target;
use crate::units::{parse_bytes, parse_duration};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

/// What the origin and the floor are both told about their events.
#[derive(Debug, Args)]
pub(crate) struct EventArgs {
    /// Events sent together; the rate stays the same
    #[arg(long, default_value_t = 1)]
    pub(crate) burst: u32,
    /// Bytes of one event on the wire, without the chunk's lines
    #[arg(long, short = 's', value_parser = parse_bytes, default_value = "200")]
    size: usize,
    /// Writes an id into every event; the origin then resumes behind Last-Event-ID
    #[arg(long)]
    ids: bool,
    /// Takes orders from stdin
    #[arg(long, hide = true)]
    pub(crate) control: bool,
}

impl EventArgs {
    pub(crate) fn form(&self) -> Form {
        Form {
            size_bytes: self.size,
            ids: self.ids,
            hint: None,
        }
    }

    /// What to begin with at once; `None`: the driver says it.
    pub(crate) fn start(&self, rate: f64) -> Option<(f64, u32)> {
        (!self.control).then_some((rate, self.burst))
    }
}

#[derive(Debug, Args)]
pub(crate) struct OriginArgs {
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub(crate) listen: SocketAddr,
    /// Events per second, on each stream
    #[arg(long, short = 'r', default_value_t = 1.0)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// Paths that are served, each a stream of its own
    #[arg(long, default_value_t = 1)]
    pub(crate) streams: usize,
    /// Ends each stream after this many events; 0: never
    #[arg(long, default_value_t = 0)]
    pub(crate) events: u64,
    /// Goes wrong: die@5s, silence@10s+3s, 503@20s+2s, trickle@30s+5s
    #[arg(long, value_name = "FAULT")]
    pub(crate) fault: Vec<Fault>,
    /// Writes a comment to a stream that has been silent for so long, as servers behind proxies do;
    /// 0s: never
    #[arg(long, value_parser = parse_duration, default_value = "10s")]
    pub(crate) heartbeat: Duration,
    /// POSTs the events to this URL instead of serving them
    #[arg(long, value_name = "URL", value_parser = target::check)]
    pub(crate) publish: Option<String>,
    /// The media type of what is POSTed
    #[arg(long, hide = true, default_value = "application/json")]
    pub(crate) content_type: String,
    /// What is POSTed is an item for this channel (GRIP)
    #[arg(long, hide = true)]
    pub(crate) grip: Option<String>,
    /// What is POSTed ends with a line end
    #[arg(long, hide = true)]
    pub(crate) line: bool,
    /// Serves a small change log here, and sends nothing but hints at it: events that are all the
    /// same
    #[arg(long, value_name = "ADDRESS", conflicts_with = "publish")]
    changelog: Option<SocketAddr>,
    /// Requests that the change log serves at the same time; more are refused
    #[arg(long, default_value_t = changelog::CONNECTIONS)]
    connections: usize,
    /// How long each of them takes
    #[arg(long, value_parser = parse_duration, default_value = changelog::SERVICE_TEXT)]
    service: Duration,
}

impl OriginArgs {
    pub(crate) fn changelog(&self) -> Option<changelog::Options> {
        self.changelog.map(|listen| changelog::Options {
            listen,
            connections: self.connections,
            service: self.service,
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    #[arg(long, default_value = "127.0.0.1:8001")]
    pub(crate) listen: SocketAddr,
    /// Events per second
    #[arg(long, short = 'r', default_value_t = 10.0)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) event: EventArgs,
    /// Threads that write; 0: one for each core
    #[arg(long, default_value_t = 0)]
    pub(crate) threads: usize,
    /// Keeps this many events for clients that come back with Last-Event-ID; each event then has
    /// the id that a relay would write in front of it
    #[arg(long, default_value_t = 0)]
    pub(crate) keep: usize,
}
