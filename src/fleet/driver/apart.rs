//! `when_away: local`: what a driver does for the clients of this instance while the engine is out of
//! reach. What is decided, [`Local`] decides.

use crate::channel::{Place, SharedWriter};
use crate::fleet::apply::give;
use crate::fleet::local::Local;
use crate::fleet::pipeline::Pipeline;
use crate::fleet::reading::Reading;
use crate::fleet::record::Content;
use crate::fleet::shared::{Lead, Shared};
use crate::metrics::{FleetMetrics, GapReason};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// An engine that has said nothing for so long is asked where the log ends.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Apart {
    pub(super) local: Local,
    shared: Arc<Shared>,
    metrics: Arc<FleetMetrics>,
    began: Instant,
    /// How often the log has been left.
    leaves: u64,
    /// Questions where the log ends, in flight.
    pub(super) probes: JoinSet<Option<u64>>,
    pub(super) next_probe: Instant,
}

impl Apart {
    /// `None`: the log is never left, and has not been. `reading`: how far it has been read before.
    pub(super) fn of(
        local: Local,
        writer: &SharedWriter,
        (shared, metrics): (&Arc<Shared>, &Arc<FleetMetrics>),
        reading: Option<&Reading>,
    ) -> Option<Self> {
        let now = Instant::now();
        let local = match writer.is_own() {
            true => local.taken_over(reading.and_then(Reading::epoch), now),
            false if local.may_leave() => local,
            false => return None,
        };
        Some(Self {
            local,
            shared: shared.clone(),
            metrics: metrics.clone(),
            began: now,
            leaves: 0,
            probes: JoinSet::new(),
            next_probe: now,
        })
    }

    /// When the engine has given a sign of life.
    pub(super) fn heard(&self) -> Instant {
        self.shared.locked().heard.unwrap_or(self.began)
    }

    /// The time to leave the log, if the engine stays silent.
    pub(super) fn leaves_at(&self, now: Instant) -> Option<Instant> {
        let wait = self.local.wait(now).filter(|_| !self.local.is_apart())?;
        Some(self.heard() + wait)
    }

    /// When there is something to do, if nothing happens before.
    pub(super) fn due(&self) -> Instant {
        let probe = match self.local.wants_end() {
            true => self.next_probe,
            false => self.next_probe.max(self.heard() + PROBE_EVERY),
        };
        self.leaves_at(Instant::now()).map_or(probe, |leaves| leaves.min(probe))
    }

    /// The log is left: clients get what the origins send. A leader stays connected to them.
    pub(super) fn leave(&mut self, reading: Option<&Reading>, pipeline: Option<&Pipeline>, writer: &mut SharedWriter) {
        let (had, is_first) = (self.local.had(), writer.epoch().is_none());
        let places = reading.map_or(&[][..], Reading::places);
        let epoch = reading.and_then(Reading::epoch);
        let leaving = self.local.leave(places, epoch, pipeline.is_some(), Instant::now());
        if leaving.begins {
            writer.begin_own();
        }
        if leaving.is_missing {
            self.give(
                &Content::Gap {
                    upstream: 0,
                    reason: GapReason::UpstreamReconnected,
                    skipped: None,
                },
                writer,
            );
        }
        match pipeline {
            Some(pipeline) => self.shared.inbox.set_apart(pipeline.outstanding(), had),
            None => {
                self.leaves += 1;
                let term = u64::MAX - self.leaves;
                self.shared.inbox.begin_apart(term);
                self.shared.lead(Some(Lead {
                    term,
                    places: self.local.places().to_vec(),
                    is_first,
                    is_inherited: false,
                }));
            }
        }
        writer.open();
        self.metrics.local.set(1.0);
        self.metrics.locals.increment(1);
        self.shared.locked().is_local = true;
        tracing::warn!(
            source = writer.channel().name(),
            "the engine is out of reach: this instance goes on alone"
        );
    }

    /// Gives clients what has come.
    pub(super) fn deliver(&mut self, writer: &mut SharedWriter) {
        for content in self.shared.inbox.take_aside() {
            self.give(&content, writer);
        }
        writer.flush();
    }

    fn give(&mut self, content: &Content, writer: &mut SharedWriter) {
        if let Some(sequence) = self.local.given(content) {
            let place = Place { sequence, number: 0 };
            give(writer, content, place, self.local.places(), Instant::now());
        }
    }

    /// The log can be read again. A leader that still leads has all that came meanwhile on its way there;
    /// every other instance hangs up.
    pub(super) fn come_back(&mut self, leads: bool, writer: &mut SharedWriter) {
        self.deliver(writer);
        let rest = self.shared.inbox.end_apart();
        if !leads {
            self.shared.lead(None);
            self.shared.inbox.clear();
        }
        self.local.back(leads.then_some(rest), Instant::now());
        // What they ask was asked too early.
        self.probes = JoinSet::new();
        self.next_probe = Instant::now();
        self.metrics.local.set(0.0);
        self.shared.locked().is_local = false;
        tracing::info!(
            source = writer.channel().name(),
            "this instance goes back to the shared log"
        );
    }

    /// While the log has not been opened: serves clients alone, once it is time. Never completes.
    pub(super) async fn alone(apart: &mut Option<Self>, reading: Option<&Reading>, writer: &mut SharedWriter) {
        let Some(apart) = apart else {
            return std::future::pending().await;
        };
        if !apart.local.is_apart() {
            let Some(leaves) = apart.leaves_at(Instant::now()) else {
                return std::future::pending().await;
            };
            sleep_until(leaves.into()).await;
            apart.leave(reading, None, writer);
        }
        let shared = apart.shared.clone();
        loop {
            writer.ready().await;
            shared.inbox.until_aside().await;
            apart.deliver(writer);
        }
    }

    /// Nothing more is read, for now. Where clients are is said by the numbering to who goes on.
    pub(super) fn stop(&mut self, writer: &mut SharedWriter) {
        self.deliver(writer);
        if !self.local.is_together() && !writer.is_own() {
            writer.begin_own();
            self.local.is_numbered_anew();
        }
    }
}
