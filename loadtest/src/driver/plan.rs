//! What a scenario does: its numbers, with defaults for a full run and for `--quick`.

mod thundering_herd;

pub(crate) use self::thundering_herd::ThunderingHerd;

use self::thundering_herd::ThunderingHerdArgs;
use crate::units::{parse_bytes, parse_duration, parse_share};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::time::Duration;

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
    /// Resident memory per client, from the slope between two numbers of clients
    Memory,
    /// Everything at once, for long
    Soak,
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

/// The numbers of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    /// Clients before the measured growth: `memory`, `idle-jobs`.
    pub(crate) from_clients: usize,
    pub(crate) connects_per_second: f64,
    /// For each stream.
    pub(crate) events_per_second: f64,
    pub(crate) burst: u32,
    pub(crate) size_bytes: usize,
    /// The origin writes ids; else the server may assign them.
    pub(crate) ids: bool,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    pub(crate) stalled_share: f64,
    pub(crate) slow_share: f64,
    pub(crate) slow_bytes_per_second: u64,
    pub(crate) churn_per_second: f64,
    /// How often half of the clients are cut together; 0: never.
    pub(crate) cut_every: Duration,
    pub(crate) streams: usize,
    /// Instances with clients.
    pub(crate) instances: usize,
    /// Events that a cut client misses: `resume-storm` only.
    pub(crate) replay_events: u64,
    /// Clients beside the crowd, which stay connected and read: `resume-storm`, `evict-storm`.
    pub(crate) healthy: usize,
    /// Events of the burst: `burst` only.
    pub(crate) burst_events: u64,
    /// `thundering-herd` only.
    pub(crate) thundering_herd: Option<ThunderingHerd>,
}

/// Numbers about the clients that replace a scenario's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct CrowdArgs {
    /// Clients
    #[arg(long, short = 'n')]
    clients: Option<usize>,
    /// Connections opened per second
    #[arg(long)]
    connect_rate: Option<f64>,
    /// Of the measurement, once all are live
    #[arg(long, short = 'd', value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Share of the clients that never read
    #[arg(long, value_parser = parse_share)]
    stalled: Option<f64>,
    /// Share of the clients that read slowly
    #[arg(long, value_parser = parse_share)]
    slow: Option<f64>,
    /// What a slow client reads in a second
    #[arg(long, value_parser = parse_bytes)]
    slow_bytes: Option<usize>,
    /// Clients replaced per second
    #[arg(long)]
    churn: Option<f64>,
    /// Half of the clients are cut at once, this often
    #[arg(long, value_parser = parse_duration)]
    cut_every: Option<Duration>,
    /// Streams that the clients go round: those of jobs, or {stream} in a URL
    #[arg(long)]
    streams: Option<usize>,
}

/// Numbers on the command line that replace a scenario's own.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Overrides {
    #[command(flatten)]
    crowd: CrowdArgs,
    /// memory, idle-jobs: clients before the measured growth
    #[arg(long)]
    from: Option<usize>,
    /// memory, idle-jobs: clients after it (the same as --clients)
    #[arg(long)]
    to: Option<usize>,
    /// Events per second, on each stream; for connect-storm: connections per second
    #[arg(long, short = 'r')]
    rate: Option<f64>,
    /// Events sent together; the rate stays the same
    #[arg(long)]
    burst: Option<u32>,
    /// Bytes of one event on the wire
    #[arg(long, short = 's', value_parser = parse_bytes)]
    size: Option<usize>,
    /// The origin writes an id into every event
    #[arg(long)]
    ids: bool,
    /// Before the measurement
    #[arg(long, value_parser = parse_duration)]
    warmup: Option<Duration>,
    /// siblings, tree: instances that have clients
    #[arg(long)]
    instances: Option<usize>,
    /// resume-storm: events that every client misses
    #[arg(long)]
    replay: Option<u64>,
    /// resume-storm, evict-storm: clients that stay connected and read, beside the others
    #[arg(long)]
    healthy: Option<usize>,
    /// burst: its events
    #[arg(long)]
    events: Option<u64>,
    #[command(flatten)]
    thundering_herd: ThunderingHerdArgs,
    /// Small numbers, for a check that all works
    #[arg(long)]
    pub(crate) quick: bool,
}

const SECOND: Duration = Duration::from_secs(1);

fn put<T: Copy>(value: &mut T, from: Option<T>) {
    if let Some(from) = from {
        *value = from;
    }
}

impl Plan {
    /// A scenario's own numbers.
    pub(crate) fn of(scenario: Scenario, quick: bool) -> Self {
        let pick = |full: usize, small: usize| if quick { small } else { full };
        let base = Plan {
            scenario,
            clients: pick(2_000, 200),
            from_clients: 0,
            connects_per_second: 2_000.0,
            events_per_second: 20.0,
            burst: 1,
            size_bytes: 200,
            ids: false,
            warmup: if quick { SECOND / 2 } else { 3 * SECOND },
            duration: if quick { 2 * SECOND } else { 20 * SECOND },
            stalled_share: 0.0,
            slow_share: 0.0,
            slow_bytes_per_second: 2_000,
            churn_per_second: 0.0,
            cut_every: Duration::ZERO,
            streams: 1,
            instances: 1,
            replay_events: 0,
            healthy: 0,
            burst_events: 0,
            thundering_herd: None,
        };
        match scenario {
            Scenario::Clients => Plan {
                clients: 100,
                connects_per_second: 1_000.0,
                events_per_second: 0.0,
                duration: 30 * SECOND,
                ..base
            },
            Scenario::Fanout => Plan {
                clients: pick(10_000, 200),
                events_per_second: 10.0,
                ..base
            },
            Scenario::Busy => Plan {
                clients: pick(1_000, 100),
                events_per_second: pick(1_000, 200) as f64,
                ..base
            },
            Scenario::ConnectStorm => Plan {
                clients: pick(10_000, 500),
                connects_per_second: 5_000.0,
                events_per_second: 0.0,
                duration: SECOND,
                ..base
            },
            Scenario::ResumeStorm => Plan {
                clients: pick(5_000, 200),
                connects_per_second: 5_000.0,
                replay_events: pick(100, 20) as u64,
                healthy: pick(1_000, 50),
                events_per_second: 10.0,
                warmup: SECOND,
                duration: if quick { SECOND } else { 8 * SECOND },
                ..base
            },
            Scenario::SlowClients => Plan {
                events_per_second: pick(500, 100) as f64,
                size_bytes: 1024,
                stalled_share: 0.1,
                ..base
            },
            Scenario::EvictStorm => Plan {
                clients: pick(5_000, 200),
                healthy: pick(1_000, 50),
                events_per_second: 10.0,
                warmup: SECOND,
                duration: if quick { SECOND } else { 5 * SECOND },
                ..base
            },
            Scenario::Burst => Plan {
                clients: pick(100, 20),
                burst_events: pick(1_000_000, 20_000) as u64,
                events_per_second: 0.0,
                ..base
            },
            Scenario::ThunderingHerd => Plan {
                clients: pick(10_000, 200),
                events_per_second: 0.0,
                thundering_herd: Some(ThunderingHerd::of(quick)),
                ..base
            },
            Scenario::Churn => Plan {
                events_per_second: 50.0,
                churn_per_second: pick(200, 50) as f64,
                ..base
            },
            Scenario::Jobs => Plan {
                clients: pick(10_000, 200),
                streams: pick(1_000, 20),
                events_per_second: 5.0,
                ..base
            },
            Scenario::IdleJobs => Plan {
                clients: pick(4_000, 100),
                from_clients: pick(500, 20),
                streams: pick(4_000, 100),
                connects_per_second: 1_000.0,
                events_per_second: 0.0,
                duration: SECOND,
                ..base
            },
            Scenario::Siblings | Scenario::Tree => Plan {
                clients: pick(3_000, 150),
                instances: 3,
                ..base
            },
            Scenario::Memory => Plan {
                clients: pick(18_000, 1_000),
                from_clients: pick(2_000, 200),
                events_per_second: 0.0,
                duration: SECOND,
                ..base
            },
            Scenario::Soak => Plan {
                duration: if quick { 5 * SECOND } else { 3_600 * SECOND },
                slow_share: 0.05,
                slow_bytes_per_second: 20_000,
                churn_per_second: 5.0,
                cut_every: if quick { SECOND } else { 30 * SECOND },
                ..base
            },
        }
    }

    /// With the command line's numbers put in.
    pub(crate) fn with(mut self, over: &Overrides) -> Self {
        if self.scenario == Scenario::ConnectStorm {
            put(&mut self.connects_per_second, over.rate);
        } else {
            put(&mut self.events_per_second, over.rate);
        }
        put(&mut self.burst, over.burst);
        put(&mut self.size_bytes, over.size);
        self.ids |= over.ids;
        put(&mut self.warmup, over.warmup);
        put(&mut self.instances, over.instances);
        put(&mut self.replay_events, over.replay);
        if matches!(self.scenario, Scenario::ResumeStorm | Scenario::EvictStorm) {
            put(&mut self.healthy, over.healthy);
        }
        put(&mut self.burst_events, over.events);
        self.thundering_herd = self.thundering_herd.map(|herd| herd.with(&over.thundering_herd));
        self = self.with_crowd(&over.crowd);
        // They may stand beside scenarios that they mean nothing to.
        if matches!(self.scenario, Scenario::Memory | Scenario::IdleJobs) {
            put(&mut self.from_clients, over.from);
            put(&mut self.clients, over.to);
        }
        if self.scenario == Scenario::IdleJobs {
            // One client each.
            self.streams = self.clients;
        }
        self
    }

    /// With the command line's numbers about the clients put in.
    pub(crate) fn with_crowd(mut self, over: &CrowdArgs) -> Self {
        put(&mut self.clients, over.clients);
        put(&mut self.connects_per_second, over.connect_rate);
        put(&mut self.duration, over.duration);
        put(&mut self.stalled_share, over.stalled);
        put(&mut self.slow_share, over.slow);
        put(
            &mut self.slow_bytes_per_second,
            over.slow_bytes.map(|bytes| bytes as u64),
        );
        put(&mut self.churn_per_second, over.churn);
        put(&mut self.cut_every, over.cut_every);
        put(&mut self.streams, over.streams);
        self
    }

    /// The values of [`CrowdArgs`] as the command line writes them.
    pub(crate) fn crowd_defaults(&self) -> [(&'static str, String); 9] {
        let duration = |time: Duration| format!("{}s", time.as_secs_f64());
        [
            ("clients", self.clients.to_string()),
            ("connect_rate", self.connects_per_second.to_string()),
            ("duration", duration(self.duration)),
            ("stalled", self.stalled_share.to_string()),
            ("slow", self.slow_share.to_string()),
            ("slow_bytes", self.slow_bytes_per_second.to_string()),
            ("churn", self.churn_per_second.to_string()),
            ("cut_every", duration(self.cut_every)),
            ("streams", self.streams.to_string()),
        ]
    }

    /// The same clients, deliveries and bytes with one stream for all: what many streams are
    /// compared with.
    pub(crate) fn as_one_stream(&self) -> Self {
        Plan {
            scenario: Scenario::Fanout,
            streams: 1,
            ..self.clone()
        }
    }

    /// evict-storm: how long a client may take nothing. The measurement before the eviction fits
    /// in.
    pub(crate) fn stall(&self) -> Duration {
        self.duration + 10 * SECOND
    }

    /// Whether the path that clients ask for names one of many streams.
    pub(crate) fn is_templated(&self) -> bool {
        matches!(self.scenario, Scenario::Jobs | Scenario::IdleJobs)
    }

    /// Mistakes in the numbers, for people.
    pub(crate) fn check(&self) -> Result<(), String> {
        let wrong = [
            (self.clients == 0, "--clients must be at least 1"),
            (self.from_clients >= self.clients, "--from must be below --to"),
            (self.connects_per_second <= 0.0, "--connect-rate must be above 0"),
            (self.events_per_second < 0.0, "--rate must not be negative"),
            (
                self.streams == 0 || self.instances == 0,
                "--streams and --instances must be at least 1",
            ),
            (
                self.stalled_share + self.slow_share > 0.95,
                "--stalled and --slow leave no reader to measure",
            ),
            (
                self.scenario == Scenario::EvictStorm && self.healthy == 0,
                "--healthy must be at least 1: without them no client measures the delay",
            ),
            (
                self.scenario == Scenario::Burst && self.burst_events == 0,
                "--events must be at least 1",
            ),
        ];
        match wrong.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, message)) => Err(message.to_owned()),
            None => self.thundering_herd.as_ref().map_or(Ok(()), ThunderingHerd::check),
        }
    }

    /// Whether an event stream flows while it is measured.
    pub(crate) fn is_steady(&self) -> bool {
        !matches!(
            self.scenario,
            Scenario::ConnectStorm
                | Scenario::ResumeStorm
                | Scenario::EvictStorm
                | Scenario::Burst
                | Scenario::ThunderingHerd
                | Scenario::Memory
                | Scenario::IdleJobs
        )
    }
}
