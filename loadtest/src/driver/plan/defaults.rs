//! Each scenario's own numbers, for a full run and for `--quick`.

use super::{Plan, Scenario, ThunderingHerd};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The larger number for a full run, the smaller for a quick one.
fn pick(quick: bool, full: usize, small: usize) -> usize {
    if quick { small } else { full }
}

impl Plan {
    /// A scenario's own numbers.
    pub(crate) fn of(scenario: Scenario, quick: bool) -> Self {
        let base = Plan::common(scenario, quick);
        match scenario {
            Scenario::Clients
            | Scenario::Fanout
            | Scenario::Busy
            | Scenario::Churn
            | Scenario::Jobs
            | Scenario::Siblings
            | Scenario::Tree
            | Scenario::Soak => base.steady(quick),
            Scenario::Edge | Scenario::RenewCertificates | Scenario::Upgrade | Scenario::FrozenStreams => {
                base.edge(quick)
            }
            Scenario::ConnectStorm
            | Scenario::ResumeStorm
            | Scenario::SlowClients
            | Scenario::EvictStorm
            | Scenario::Burst
            | Scenario::ThunderingHerd => base.trouble(quick),
            Scenario::IdleJobs | Scenario::Memory => base.growth(quick),
            Scenario::Million => base.million(quick),
        }
    }

    /// What most scenarios share.
    fn common(scenario: Scenario, quick: bool) -> Self {
        Plan {
            scenario,
            clients: pick(quick, 2_000, 200),
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
            behind_root: false,
            all_events: 0,
            storm_clients: 0,
            storm_per_second: 0.0,
            replay_events: 0,
            healthy: 0,
            burst_events: 0,
            renewals: 0,
            thundering_herd: None,
        }
    }

    /// Scenarios in which events flow all the time.
    fn steady(self, quick: bool) -> Self {
        match self.scenario {
            Scenario::Clients => Plan {
                clients: 100,
                connects_per_second: 1_000.0,
                events_per_second: 0.0,
                duration: 30 * SECOND,
                ..self
            },
            Scenario::Fanout => Plan {
                clients: pick(quick, 10_000, 200),
                events_per_second: 10.0,
                ..self
            },
            Scenario::Busy => Plan {
                clients: pick(quick, 1_000, 100),
                events_per_second: pick(quick, 1_000, 200) as f64,
                ..self
            },
            Scenario::Churn => Plan {
                events_per_second: 50.0,
                churn_per_second: pick(quick, 200, 50) as f64,
                ..self
            },
            Scenario::Jobs => Plan {
                clients: pick(quick, 10_000, 200),
                streams: pick(quick, 1_000, 20),
                events_per_second: 5.0,
                ..self
            },
            Scenario::Siblings | Scenario::Tree => Plan {
                clients: pick(quick, 3_000, 150),
                instances: 3,
                ..self
            },
            Scenario::Soak => Plan {
                duration: if quick { 5 * SECOND } else { 3_600 * SECOND },
                slow_share: 0.05,
                slow_bytes_per_second: 20_000,
                churn_per_second: 5.0,
                cut_every: if quick { SECOND } else { 30 * SECOND },
                ..self
            },
            _ => self,
        }
    }

    /// Scenarios about the protocols between clients and server. Numbers of clients are multiples
    /// of the streams on a connection.
    fn edge(self, quick: bool) -> Self {
        match self.scenario {
            Scenario::Edge => Plan {
                clients: pick(quick, 2_000, 120),
                from_clients: pick(quick, 400, 40),
                events_per_second: 10.0,
                duration: if quick { SECOND } else { 12 * SECOND },
                ..self
            },
            Scenario::RenewCertificates => Plan {
                clients: pick(quick, 2_000, 80),
                events_per_second: 10.0,
                renewals: pick(quick, 6, 2) as u32,
                ..self
            },
            Scenario::Upgrade => Plan {
                clients: pick(quick, 15_000, 200),
                events_per_second: 100.0,
                renewals: pick(quick, 10, 3) as u32,
                ..self
            },
            Scenario::FrozenStreams => Plan {
                clients: pick(quick, 400, 40),
                events_per_second: 200.0,
                size_bytes: 1024,
                stalled_share: 0.15,
                ..self
            },
            _ => self,
        }
    }

    /// Scenarios in which something goes wrong, or comes all at once.
    fn trouble(self, quick: bool) -> Self {
        match self.scenario {
            Scenario::ConnectStorm => Plan {
                clients: pick(quick, 10_000, 500),
                connects_per_second: 5_000.0,
                events_per_second: 0.0,
                duration: SECOND,
                ..self
            },
            Scenario::ResumeStorm => Plan {
                clients: pick(quick, 5_000, 200),
                connects_per_second: 5_000.0,
                replay_events: pick(quick, 100, 20) as u64,
                healthy: pick(quick, 1_000, 50),
                events_per_second: 10.0,
                warmup: SECOND,
                duration: if quick { SECOND } else { 8 * SECOND },
                ..self
            },
            Scenario::SlowClients => Plan {
                events_per_second: pick(quick, 500, 100) as f64,
                size_bytes: 1024,
                stalled_share: 0.1,
                ..self
            },
            Scenario::EvictStorm => Plan {
                clients: pick(quick, 5_000, 200),
                healthy: pick(quick, 1_000, 50),
                events_per_second: 10.0,
                warmup: SECOND,
                duration: if quick { SECOND } else { 5 * SECOND },
                ..self
            },
            Scenario::Burst => Plan {
                clients: pick(quick, 100, 20),
                burst_events: pick(quick, 1_000_000, 20_000) as u64,
                events_per_second: 0.0,
                ..self
            },
            Scenario::ThunderingHerd => Plan {
                clients: pick(quick, 10_000, 200),
                events_per_second: 0.0,
                thundering_herd: Some(ThunderingHerd::of(quick)),
                ..self
            },
            _ => self,
        }
    }

    /// As many clients as this machine's descriptors, memory and ports have room for. Instances are
    /// counted out when the number of clients is known.
    fn million(self, quick: bool) -> Self {
        Plan {
            clients: pick(quick, 1_000_000, 300),
            instances: pick(quick, 0, 3),
            connects_per_second: pick(quick, 12_000, 2_000) as f64,
            events_per_second: 0.0,
            all_events: pick(quick, 5, 2) as u64,
            replay_events: 10,
            storm_clients: pick(quick, 100_000, 100),
            storm_per_second: 5_000.0,
            ..self
        }
    }

    /// Scenarios that measure a slope between two numbers of clients.
    fn growth(self, quick: bool) -> Self {
        match self.scenario {
            Scenario::IdleJobs => Plan {
                clients: pick(quick, 4_000, 100),
                from_clients: pick(quick, 500, 20),
                streams: pick(quick, 4_000, 100),
                connects_per_second: 1_000.0,
                events_per_second: 0.0,
                duration: SECOND,
                ..self
            },
            Scenario::Memory => Plan {
                clients: pick(quick, 18_000, 1_000),
                from_clients: pick(quick, 2_000, 200),
                events_per_second: 0.0,
                duration: SECOND,
                ..self
            },
            _ => self,
        }
    }
}
