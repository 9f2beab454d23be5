//! A source whose log is shared with other instances: what takes part in the fleet for it, and its
//! upstreams, which are run while this instance leads.

use super::carried::{CarriedChannel, CarriedChannelError, CarriedSharing};
use super::surroundings::Surroundings;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Settings, metrics_of};
use crate::config::{Source, WhenAway};
use crate::fleet::{self, Coalescing, Fleet, FleetState, Histories, Lead, Local, Parts, Shared, Stopped, drive};
use crate::sync::{Notify, look_until};
use crate::upstream::StatusCell;
use std::io::Read;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long the driver of a source that is no more is given to leave the fleet in order.
pub(super) const LEAVE_MAX: Duration = Duration::from_secs(2);
/// A leader appends something this often within the time for which the engine keeps it: so the log is
/// never empty, and what is known by its last message stays known.
pub(super) const CHECKPOINTS_PER_AGE: u32 = 4;
/// The engine keeps messages for a minute at least.
pub(super) const AGE_MIN: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Sharing {
    shared: Arc<Shared>,
    at_rest: Arc<AtRest>,
    driver: Mutex<JoinSet<()>>,
}

/// What a driver begins with: before it does, and after it has been stopped.
struct AtRest {
    stopped: Mutex<Option<Stopped>>,
    /// Notified when it is there.
    came: Notify,
}

impl AtRest {
    fn locked(&self) -> MutexGuard<'_, Option<Stopped>> {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sharing {
    /// A channel whose log is shared, if the source says so.
    pub(super) fn channel(source: &Arc<Source>, surroundings: &Surroundings) -> Option<(Arc<Channel>, Self)> {
        let fleet = surroundings.fleet.as_ref().filter(|_| source.fleet)?;
        let metrics = metrics_of(source, &surroundings.metrics);
        let (channel, writer) = Channel::shared(Settings::new(source.clone()), metrics);
        let stopped = Stopped { writer, reading: None };
        Some((channel, Self::of(stopped, fleet)))
    }

    /// The same with what a predecessor had.
    pub(super) fn take(
        source: &Arc<Source>,
        carried: &CarriedChannel,
        log: impl Read,
        surroundings: &Surroundings,
    ) -> Result<Option<(Arc<Channel>, Self)>, CarriedChannelError> {
        let fleet = surroundings.fleet.as_ref().filter(|_| source.fleet);
        let (sharing, fleet) = match (&carried.sharing, fleet) {
            (Some(sharing), Some(fleet)) => (sharing, fleet),
            (None, None) => return Ok(None),
            (Some(_), None) | (None, Some(_)) => return Err(CarriedChannelError::Sharing),
        };
        if !sharing.reading.is_sound() {
            return Err(CarriedChannelError::Sharing);
        }
        let metrics = metrics_of(source, &surroundings.metrics);
        let state = (&carried.state, &sharing.writer);
        let (channel, writer) = Channel::take_shared(state, log, Settings::new(source.clone()), metrics)?;
        let reading = Some(sharing.reading.clone());
        Ok(Some((channel, Self::of(Stopped { writer, reading }, fleet))))
    }

    fn of(stopped: Stopped, fleet: &Fleet) -> Self {
        Self {
            shared: Shared::new(fleet.config().buffer),
            at_rest: Arc::new(AtRest {
                stopped: Mutex::new(Some(stopped)),
                came: Notify::new(),
            }),
            driver: Mutex::default(),
        }
    }

    /// Takes part in the fleet from now on.
    pub(super) fn begin(&self, source: &Arc<Source>, surroundings: &Surroundings) {
        let (Some(stopped), Some(fleet)) = (self.at_rest.locked().take(), &surroundings.fleet) else {
            return;
        };
        let part = format!("the shared log of source {}", source.name);
        let drive = drive(self.parts(source, surroundings, fleet, stopped));
        let drive = Box::pin(surroundings.critical.clone().watch(part, drive));
        let at_rest = self.at_rest.clone();
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        let driven = async move {
            let stopped = drive.await;
            *at_rest.locked() = Some(stopped);
            at_rest.came.notify_waiters();
        };
        driver.spawn_on(driven, &surroundings.upstreams);
    }

    fn parts(
        &self,
        source: &Arc<Source>,
        surroundings: &Surroundings,
        fleet: &Fleet,
        Stopped { writer, reading }: Stopped,
    ) -> Parts<impl fleet::Engine> {
        let token = format!("{:016x}", fastrand::u64(..));
        let engine = Arc::new(fleet.log(source.clone(), &token));
        let metrics = surroundings.metrics.fleet(&source.name);
        if source.log.history.is_some() {
            let histories = Histories::new(engine.clone(), source, fleet.pieces(), metrics.history_reads.clone());
            writer.channel().reads_older(Arc::new(histories));
        }
        Parts {
            engine,
            shared: self.shared.clone(),
            writer,
            metrics,
            settings: fleet::Settings {
                instance: fleet.config().instance.clone(),
                token,
                upstreams: source.upstreams.len(),
                message_bytes_max: 0,
                checkpoint_every: source.log.shared_limits().age.max(AGE_MIN) / CHECKPOINTS_PER_AGE,
                first_epoch: None,
                publish_behind: 0,
            },
            ring_events: source.log.events as u64,
            reading,
            local: Local::new(
                source.upstreams.len(),
                (fleet.config().when_away == WhenAway::Local).then_some(fleet.config().append_timeout),
            ),
        }
    }

    /// Takes part no more: another leads, and nothing is read, within a moment.
    pub(super) fn stop(&self) {
        self.shared.stop();
    }

    /// Completes when it takes part no more.
    pub(super) async fn until_stopped(&self) {
        look_until(&self.at_rest.came, || self.at_rest.locked().is_some().then_some(())).await;
    }

    /// What a successor goes on with. `None`: it has not been stopped, or knows nothing yet.
    pub(super) fn give(&self) -> Option<CarriedSharing> {
        let at_rest = self.at_rest.locked();
        let Stopped { writer, reading } = at_rest.as_ref()?;
        // Before it has been read to its end, its clients wait.
        let reading = reading.clone().filter(|_| writer.channel().is_open())?;
        Some(CarriedSharing {
            writer: writer.give(),
            reading,
        })
    }

    /// Takes part again, if it has stopped: whether it had.
    pub(super) fn go_on(&self, source: &Arc<Source>, surroundings: &Surroundings) -> bool {
        let has_stopped = self.at_rest.locked().is_some();
        if has_stopped {
            self.shared.come_back();
            self.begin(source, surroundings);
        }
        has_stopped
    }

    /// How it stands.
    pub(super) fn state(&self) -> FleetState {
        self.shared.state()
    }

    /// What its sinks write to, and when they are to.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The source is no more. What takes part for it ends within a moment, in order if it can.
    pub(super) fn close(&self, surroundings: &tokio::runtime::Handle) {
        let driver = std::mem::take(&mut *self.driver.lock().unwrap_or_else(PoisonError::into_inner));
        if driver.is_empty() {
            return;
        }
        self.shared.leave();
        let shared = self.shared.clone();
        surroundings.spawn(async move {
            let _ = timeout(LEAVE_MAX, shared.until_left()).await;
            drop(driver);
        });
    }
}

/// Runs the upstreams of a source while this instance leads. Never completes.
pub(super) async fn feed_while_leading(
    runners: Arc<[UpstreamRunner]>,
    channel: Arc<Channel>,
    statuses: Arc<[Arc<StatusCell>]>,
    shared: Arc<Shared>,
) {
    let mut leading = shared.leading();
    loop {
        let lead = leading
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|lead| lead.clone());
        let Some(lead) = lead else { return };
        let way = Coalescing::new(shared.inbox.clone(), channel.clone(), lead.term);
        let feeding = async {
            tokio::join!(
                // What it has read last may still be held back.
                feed(&runners, &channel, &statuses, &way, &lead),
                way.release_in_time(),
            );
        };
        tokio::select! {
            () = feeding => {}
            _ = leading.wait_for(|now| now.as_ref() != Some(&lead)) => {}
        }
    }
}

/// Runs them all, until each has come to its end.
async fn feed(
    runners: &Arc<[UpstreamRunner]>,
    channel: &Arc<Channel>,
    statuses: &[Arc<StatusCell>],
    way: &Arc<Coalescing>,
    lead: &Lead,
) {
    let mut running = JoinSet::new();
    for (n, status) in statuses.iter().enumerate() {
        let (runners, channel, status) = (runners.clone(), channel.clone(), status.clone());
        let (way, lead) = (way.clone(), lead.clone());
        running.spawn(async move { runners[n].keep_leading(n, channel, status, way, lead).await });
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            resume_unwind(error.into_panic());
        }
    }
}
