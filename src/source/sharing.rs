//! A source whose log is shared with other instances: what takes part in the fleet for it, and its
//! upstreams, which are run while this instance leads.

use super::carried::{CarriedChannel, CarriedChannelError, CarriedSharing};
use super::surroundings::Surroundings;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Settings, SharedWriter, metrics_of};
use crate::config::{Source, WhenAway};
use crate::fleet::{self, CarriedMember, Coalescing, Fleet, FleetState, Histories, Lead, Local, Parts, Shared, drive};
use crate::upstream::StatusCell;
use crate::upstream::handover::Taken;
use std::io::Read;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
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
    /// Until it begins.
    start: Mutex<Option<Start>>,
    driver: Mutex<JoinSet<()>>,
}

/// What a driver begins with.
struct Start {
    writer: SharedWriter,
    carried: Option<CarriedMember>,
}

impl Sharing {
    /// A channel whose log is shared, if the source says so.
    pub(super) fn channel(source: &Arc<Source>, surroundings: &Surroundings) -> Option<(Arc<Channel>, Self)> {
        let fleet = surroundings.fleet.as_ref().filter(|_| source.fleet)?;
        let metrics = metrics_of(source, &surroundings.metrics);
        let (channel, writer) = Channel::shared(Settings::new(source.clone()), metrics);
        let start = Start { writer, carried: None };
        Some((channel, Self::of(start, fleet)))
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
        if !sharing.member.is_sound(source.upstreams.len()) {
            return Err(CarriedChannelError::Sharing);
        }
        let metrics = metrics_of(source, &surroundings.metrics);
        let state = (&carried.state, &sharing.writer);
        let (channel, writer) = Channel::take_shared(state, log, Settings::new(source.clone()), metrics)?;
        let carried = Some(sharing.member.clone());
        Ok(Some((channel, Self::of(Start { writer, carried }, fleet))))
    }

    fn of(start: Start, fleet: &Fleet) -> Self {
        let shared = Shared::new(fleet.config().buffer);
        if start.carried.is_some() {
            // Before its driver runs, too.
            shared.can_give();
        }
        Self {
            shared,
            start: Mutex::new(Some(start)),
            driver: Mutex::default(),
        }
    }

    /// Takes part in the fleet from now on. `taken`: what another process has given of its upstreams.
    pub(super) fn begin(&self, source: &Arc<Source>, surroundings: &Surroundings, taken: Vec<Option<Box<Taken>>>) {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(start), Some(fleet)) = (start, &surroundings.fleet) else {
            return;
        };
        let leads = start.carried.as_ref().is_some_and(CarriedMember::leads);
        self.shared.put_upstreams(if leads { taken } else { Vec::new() });
        let part = format!("the shared log of source {}", source.name);
        let drive = drive(self.parts(source, surroundings, fleet, start));
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        driver.spawn_on(
            surroundings.critical.clone().watch(part, drive),
            &surroundings.upstreams,
        );
    }

    fn parts(
        &self,
        source: &Arc<Source>,
        surroundings: &Surroundings,
        fleet: &Fleet,
        Start { writer, carried }: Start,
    ) -> Parts<impl fleet::Engine> {
        let token = match &carried {
            Some(carried) => carried.token().to_owned(),
            None => format!("{:016x}", fastrand::u64(..)),
        };
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
            carried,
            local: Local::new(
                source.upstreams.len(),
                (fleet.config().when_away == WhenAway::Local).then_some(fleet.config().append_timeout),
            ),
        }
    }

    /// What a successor goes on with, while it holds still.
    pub(super) fn give(&self) -> Option<CarriedSharing> {
        let (writer, member) = self.shared.held()?;
        Some(CarriedSharing { writer, member })
    }

    /// It is another process's now: this one says nothing more, and keeps the lease for that one.
    pub(super) fn let_go(&self) {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
        self.shared.put_upstreams(Vec::new());
        self.shared.left();
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
        shared.put_way(&way);
        let feeding = async {
            tokio::join!(
                // What it has read last may still be held back.
                feed(&runners, &channel, &statuses, (&shared, &way), &lead),
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
    (shared, way): (&Arc<Shared>, &Arc<Coalescing>),
    lead: &Lead,
) {
    let mut running = JoinSet::new();
    for (n, status) in statuses.iter().enumerate() {
        let (runners, channel, status) = (runners.clone(), channel.clone(), status.clone());
        let (shared, way, lead) = (shared.clone(), way.clone(), lead.clone());
        running.spawn(async move {
            // Here: until it runs it can be given again.
            let taken = shared.take_upstream(n).filter(|_| lead.is_inherited);
            runners[n].keep_leading(n, channel, status, (way, lead), taken).await;
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            resume_unwind(error.into_panic());
        }
    }
}
