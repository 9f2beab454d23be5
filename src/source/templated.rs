//! A templated source: a channel per set of parameters, opened for its first client and closed some
//! time after its last. Each channel has one task, which is its whole life (`channel_life`).

mod shared;

use super::carried::{CarriedChannel, CarriedChannelError};
use super::channel_life::ChannelLife;
use super::channel_list::{ChannelList, ChannelUpstreams, Channels, OpenChannel, OpenOutcome, make_room};
use super::first_response::{First, FirstResponse};
use super::keeping::KeptSlot;
use super::reading::{Found, ReadChannel, Reading, Readings};
use super::shared_channels::SharedChannels;
use super::surroundings::Surroundings;
use super::taken_upstreams::TakenUpstreams;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, KeepsDerived, Removal, Settings, metrics_of};
use crate::config::Source;
use crate::kept::{Directory, Folder, KeptChannels, KeptLogState, OnDisk};
use crate::log::WantedStart;
use crate::metrics::{Protocol, RefuseReason, SourceMetrics};
use crate::path::{BadParameter, Parameters, Template};
use crate::quotas::{ChannelPermit, Quotas, UpstreamsPermit};
use crate::upstream::StatusCell;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};

/// How long a hand-over waits for logs that are being read.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks at whether they are.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A templated source and its channels.
pub struct Templated {
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    templates: Vec<Template>,
    pub(super) runners: Arc<[UpstreamRunner]>,
    quotas: Arc<Quotas>,
    list: Arc<ChannelList>,
    /// Where the channels' lives run.
    upstreams: Handle,
    /// The channels' lives; `None` once the source is closed. Taken only under the lock of the
    /// list.
    tasks: Mutex<Option<JoinSet<()>>>,
    /// Lives that are to begin where those of a predecessor have stopped.
    taken: Mutex<Vec<(ChannelLife, UpstreamsPermit)>>,
    readings: Readings,
    /// Where the logs are kept, if they are.
    kept: Mutex<Option<Arc<KeptChannels>>>,
    /// If the logs are shared with other instances.
    sharing: Option<SharedChannels>,
}

impl Templated {
    pub(super) fn new(settings: Settings, surroundings: &Surroundings) -> Arc<Self> {
        let source = settings.snapshot();
        Arc::new(Self {
            metrics: metrics_of(&source, &surroundings.metrics),
            templates: source.paths.iter().map(|path| Template::new(path)).collect(),
            runners: UpstreamRunner::of(&source, &surroundings.metrics),
            quotas: surroundings.quotas.clone(),
            list: Arc::default(),
            upstreams: surroundings.upstreams.clone(),
            tasks: Mutex::new(Some(JoinSet::new())),
            taken: Mutex::default(),
            readings: Readings::default(),
            kept: Mutex::new(
                surroundings
                    .directory_of(&source)
                    .map(|directory| Arc::new(KeptChannels::new(&directory, &source))),
            ),
            sharing: SharedChannels::of(&source, surroundings),
            settings,
        })
    }

    /// Goes on with a channel of a predecessor, whose life waits for [`Templated::begin`].
    pub(super) fn take(&self, carried: &CarriedChannel, log: impl Read) -> Result<Arc<Channel>, CarriedChannelError> {
        let mut templates = self.templates.iter();
        let parameters = templates.find_map(|template| template.fit_pairs(&carried.parameters));
        let parameters = parameters.ok_or(CarriedChannelError::Parameters)?;
        let channel = Channel::take(&carried.state, log, self.settings.clone(), self.metrics.clone())?;
        let upstreams = match channel.end() {
            None => self.runners.len(),
            Some(_) => 0,
        };
        let no_descriptor = |_| CarriedChannelError::Descriptors;
        let upstreams = self.quotas.open_upstreams(upstreams).map_err(no_descriptor)?;
        let first = FirstResponse::known(self.runners.len());
        let (life, open) = self.made(
            &parameters,
            (channel.clone(), KeptSlot::none()),
            self.quotas.take_over_channel(),
            first,
        );
        if self.list.lock().insert(parameters, open).is_some() {
            return Err(CarriedChannelError::Twice);
        }
        self.taken().push((life, upstreams));
        Ok(channel)
    }

    /// Begins the lives of the channels that were taken over, with the upstreams that were.
    pub(super) fn begin(&self, surroundings: &Surroundings, taken: &mut TakenUpstreams) {
        if let Some(sharing) = &self.sharing {
            sharing.begin(surroundings);
        }
        let mut tasks = self.tasks();
        for (life, upstreams) in self.taken().drain(..) {
            if let Some(tasks) = tasks.as_mut() {
                let taken = taken.of(life.channel.name(), life.parameters.pairs(), self.runners.len());
                tasks.spawn_on(life.live(upstreams, taken), &self.upstreams);
            }
        }
    }

    /// Ends every channel as `removal` says, closes the upstreams, and lets go of the channels: no
    /// other is opened. Those that wait for an origin find the removal before they find that no
    /// answer will come.
    pub(super) fn remove(&self, removal: Removal) {
        let mut channels = self.list.lock();
        channels.values().for_each(|open| open.channel.remove(removal));
        self.end_tasks();
        let gone = std::mem::take(&mut *channels);
        // Outside of the lock: what is kept of them is written.
        drop(channels);
        drop(gone);
    }

    /// The same where its channels go on in another process. Those whose origin has not answered yet do
    /// not: who waits there finds that before it finds that no answer will come.
    pub(super) fn let_go(&self, removal: Removal) {
        let mut channels = self.list.lock();
        let asking = channels.values().filter(|open| *open.first.borrow() == First::Asking);
        asking.for_each(|open| open.channel.remove(removal));
        self.end_tasks();
        let gone = std::mem::take(&mut *channels);
        drop(channels);
        drop(gone);
    }

    /// Closes the upstreams, and lets go of the channels: no other is opened.
    pub(super) fn close(&self) {
        let mut channels = self.list.lock();
        self.end_tasks();
        let gone = std::mem::take(&mut *channels);
        drop(channels);
        drop(gone);
    }

    /// The channels' lives end: where they are shared, in order, if that takes no longer than a moment.
    fn end_tasks(&self) {
        let tasks = self.tasks().take();
        if let (Some(sharing), Some(tasks)) = (&self.sharing, tasks) {
            sharing.close(tasks, &self.upstreams);
        }
    }

    /// From now on the logs are kept here.
    pub(super) fn keep_in(&self, source: &Source, directory: Option<&Arc<Directory>>, on_disk: OnDisk) {
        let channels = self.list.lock();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = match (&*kept, directory) {
            (Some(kept), Some(directory)) => Arc::ptr_eq(kept.directory(), directory),
            (None, None) => true,
            _ => false,
        };
        if !is_there {
            *kept = directory.map(|directory| Arc::new(KeptChannels::new(directory, source)));
        }
        for (parameters, open) in channels.iter() {
            let key = parameters.key();
            let folder = kept.as_ref().map(|kept| Folder::Job(kept, &key));
            open.kept.follow(&open.channel, source, folder.as_ref(), on_disk);
        }
    }

    /// Ends the keeping of all logs in order.
    pub(super) fn close_kept(&self) {
        self.list.lock().values().for_each(|open| open.kept.close());
    }

    /// Leaves all logs to the next process, and the directory with them, unless the disk takes too long
    /// for one that is being read.
    pub(super) fn hand_over_kept(&self) {
        let deadline = Instant::now() + READ_WITHIN;
        while self.readings.are_under_way() && Instant::now() < deadline {
            sleep(LOOK_EVERY);
        }
        self.readings.all().put_back();
        let channels = self.list.lock();
        channels.values().for_each(|open| open.kept.hand_over());
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Lets go of what is kept for no one. To be called about once a second.
    pub(super) fn sweep_kept(&self, now: Instant) {
        self.list.lock().values().for_each(|open| open.kept.sweep());
        if let Some(kept) = self.kept() {
            kept.expire(&self.settings.load(), now);
        }
        let unclaimed = self.readings.unclaimed(now);
        if !unclaimed.is_empty() {
            self.upstreams.spawn_blocking(|| unclaimed.put_back());
        }
    }

    /// How the logs of the open channels are kept; `None`: in memory alone.
    pub(super) fn kept_states(&self) -> Option<Vec<KeptLogState>> {
        self.kept()?;
        Some(self.list.lock().values().filter_map(|open| open.kept.state()).collect())
    }

    fn kept(&self) -> Option<Arc<KeptChannels>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its settings, which may be replaced at any time.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The configured names of the upstreams.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = String> {
        self.runners.iter().map(UpstreamRunner::name)
    }

    /// The parameters of all channels, and what their upstreams do.
    pub(super) fn places(&self) -> Vec<(Parameters, Arc<[Arc<StatusCell>]>)> {
        self.list.places()
    }

    /// Those that clients may come in to, with their parameters.
    pub(super) fn open_to_clients(&self) -> Vec<(Parameters, Arc<Channel>)> {
        self.list.open_to_clients()
    }

    /// The open channels.
    pub(super) fn channels(&self) -> Vec<ChannelUpstreams> {
        self.list.open()
    }

    /// The parameters in a request's path (in its normal form), if it is one of this source's.
    pub(crate) fn fit(&self, path: &str) -> Option<Result<Parameters, BadParameter>> {
        self.templates.iter().find_map(|template| template.fit(path))
    }

    /// The channel of these parameters, if it is open.
    pub(crate) fn find(&self, parameters: &Parameters) -> Option<Arc<Channel>> {
        let channels = self.list.lock();
        let open = channels.get(parameters)?;
        matches!(*open.first.borrow(), First::Open).then(|| open.channel.clone())
    }

    /// Lets a client in. Opens the channel if it is the first; if a log of it is on disk, once that has
    /// been read. `wanted`: where it wants to start, if it says so.
    pub(crate) fn enter(
        self: &Arc<Self>,
        parameters: Parameters,
        protocol: Protocol,
        wanted: Option<WantedStart>,
    ) -> OpenOutcome {
        let mut channels = self.list.lock();
        if let Some(open) = channels.get(&parameters) {
            return open.enter(protocol, wanted);
        }
        if let Some(sharing) = &self.sharing {
            return self.enter_shared(sharing, channels, parameters, (protocol, wanted));
        }
        let kept = self.kept();
        let read = match self.readings.find(&parameters) {
            Found::Reading(reading) => return OpenOutcome::Reading(reading),
            Found::Read(read) => Some(*read).filter(|read| read.is_of(kept.as_ref())),
            Found::Nothing | Found::Failed => None,
        };
        let (made, permits) = match read {
            Some(read) => ((read.channel, read.kept), read.permits),
            None => {
                let permits = match self.permits(&mut channels) {
                    Ok(permits) => permits,
                    Err(reason) => return OpenOutcome::Full(reason),
                };
                let key = parameters.key();
                if let Some(kept) = &kept
                    && let Some(folder) = kept.claim(&key)
                {
                    return OpenOutcome::Reading(self.read(parameters, permits, (kept.clone(), folder)));
                }
                let opened = kept.map(|kept| kept.begin(&key));
                let made = KeptSlot::channel(self.settings.clone(), self.metrics.clone(), opened);
                (made, permits)
            }
        };
        let Some((open, outcome)) = self.open(&parameters, made, permits, (protocol, wanted)) else {
            return OpenOutcome::Gone;
        };
        channels.insert(parameters, open);
        outcome
    }

    /// Room for another channel.
    fn permits(&self, channels: &mut Channels) -> Result<(ChannelPermit, UpstreamsPermit), RefuseReason> {
        let permit = match self.quotas.open_channel() {
            Err(_) if make_room(channels) => self.quotas.open_channel(),
            permit => permit,
        };
        Ok((permit?, self.quotas.open_upstreams(self.runners.len())?))
    }

    /// Reads the log of a channel, beside all that goes on.
    fn read(
        self: &Arc<Self>,
        parameters: Parameters,
        permits: (ChannelPermit, UpstreamsPermit),
        (kept, folder): (Arc<KeptChannels>, PathBuf),
    ) -> Reading {
        let (done, reading) = self.readings.begin(&parameters);
        let (this, places) = (self.clone(), self.readings.places());
        self.upstreams.spawn(async move {
            let _place = places.acquire().await;
            let read = spawn_blocking(move || {
                let opened = kept.read(&folder, &this.settings.snapshot(), &this.metrics, &parameters.key());
                let made = KeptSlot::channel(this.settings.clone(), this.metrics.clone(), Some(opened));
                let read = ReadChannel::new(made, permits, (kept, folder));
                this.readings.read(parameters, read);
                drop(done);
            });
            // A panic in it has been said, and the channel begins anew.
            let _ = read.await;
        });
        reading
    }

    /// Opens a channel, with its first client. `None`: the source is closed.
    fn open(
        &self,
        parameters: &Parameters,
        (channel, kept): (Arc<Channel>, KeptSlot),
        (permit, upstreams): (ChannelPermit, UpstreamsPermit),
        (protocol, wanted): (Protocol, Option<WantedStart>),
    ) -> Option<(OpenChannel, OpenOutcome)> {
        let mut tasks = self.tasks();
        let tasks = tasks.as_mut()?;
        let first = match channel.has_terminated() {
            true => FirstResponse::known(self.runners.len()),
            false => FirstResponse::new(self.runners.len()),
        };
        let (life, open) = self.made(parameters, (channel, kept), permit, first);
        // Its place is taken before the origin is asked: all that it says is for this client.
        let outcome = open.enter(protocol, wanted);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(life.live(upstreams, Vec::new()), &self.upstreams);
        Some((open, outcome))
    }

    /// A channel for the list, and its life.
    fn made(
        &self,
        parameters: &Parameters,
        (channel, kept): (Arc<Channel>, KeptSlot),
        permit: ChannelPermit,
        (first, answer): (FirstResponse, watch::Receiver<First>),
    ) -> (ChannelLife, OpenChannel) {
        let statuses: Arc<[_]> = self.runners.iter().map(|_| Arc::new(StatusCell::new())).collect();
        let life = ChannelLife {
            list: self.list.clone(),
            runners: self.runners.clone(),
            parameters: parameters.clone(),
            channel: channel.clone(),
            statuses: statuses.clone(),
            first,
        };
        let open = OpenChannel {
            _derived: KeepsDerived::of(&channel),
            channel,
            statuses,
            first: answer,
            _permit: permit,
            kept,
        };
        (life, open)
    }

    fn taken(&self) -> MutexGuard<'_, Vec<(ChannelLife, UpstreamsPermit)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
