//! The channels of a source with parameters whose logs are shared with other instances.

use super::channel_life::REFUSAL_KEPT;
use super::sharing::AGE_MIN;
use super::sharing::CHECKPOINTS_PER_AGE;
use super::sharing::LEAVE_MAX;
use super::surroundings::Surroundings;
use crate::channel::Settings;
use crate::config::Source;
use crate::fleet::{FleetState, Log, Part, SourceLog, SourceSettings, keep};
use crate::metrics::SourceMetrics;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// See the module.
pub(crate) struct SharedChannels {
    log: Arc<SourceLog<Log>>,
    source: Arc<Source>,
    /// What reads the log.
    keeping: Mutex<JoinSet<()>>,
}

impl SharedChannels {
    /// If the source says so.
    pub(super) fn of(source: &Arc<Source>, surroundings: &Surroundings) -> Option<Self> {
        let fleet = surroundings.fleet.as_ref().filter(|_| source.fleet)?;
        let process = format!("{:016x}", fastrand::u64(..));
        let settings = SourceSettings {
            instance: fleet.config().instance.clone(),
            upstreams: source.upstreams.len(),
            checkpoint_every: source.log.shared_limits().age.max(AGE_MIN) / CHECKPOINTS_PER_AGE,
            buffer: fleet.config().buffer,
            process: process.clone(),
        };
        let engine = Arc::new(fleet.log(source.clone(), &process));
        Some(Self {
            log: SourceLog::new(engine, settings, surroundings.metrics.fleet_channels(&source.name)),
            source: source.clone(),
            keeping: Mutex::default(),
        })
    }

    /// Takes part in the fleet from now on.
    pub(super) fn begin(&self, surroundings: &Surroundings) {
        let part = format!("the shared log of source {}", self.source.name);
        let keep = surroundings.critical.clone().watch(part, keep(self.log.clone()));
        let mut keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        if keeping.is_empty() {
            keeping.spawn_on(keep, &surroundings.upstreams);
        }
    }

    /// Opens a channel, by what no other is called.
    pub(super) fn join(
        &self,
        channel: &str,
        made_with: (Settings, Arc<SourceMetrics>),
    ) -> impl Future<Output = Result<Part<Log>, impl Display + Send + 'static>> + Send + 'static {
        let (log, channel) = (self.log.clone(), channel.to_owned());
        async move { log.join(&channel, made_with, REFUSAL_KEPT).await }
    }

    /// How it stands.
    pub(crate) fn state(&self) -> FleetState {
        self.log.state()
    }

    /// Leads no more: others do. Clients are served on.
    pub(super) fn leave(&self) {
        self.log.leave();
    }

    /// Whether it is to lead no more.
    pub(super) fn leaving(&self) -> watch::Receiver<bool> {
        self.log.leaving()
    }

    /// Completes when it leads nothing.
    pub(super) async fn until_left(&self) {
        self.log.until_left().await;
    }

    /// The source is no more. Its channels' lives end within a moment, in order if they can.
    pub(super) fn close(&self, lives: JoinSet<()>, upstreams: &Handle) {
        let keeping = std::mem::take(&mut *self.keeping.lock().unwrap_or_else(PoisonError::into_inner));
        let log = self.log.clone();
        log.leave();
        upstreams.spawn(async move {
            let _ = timeout(LEAVE_MAX, log.until_left()).await;
            drop((lives, keeping));
        });
    }
}
