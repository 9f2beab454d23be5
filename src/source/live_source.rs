//! A source at work: what makes a configured source live, and ends with it.

use super::carried::{CarriedChannel, CarriedChannelError};
use super::change::Change;
use super::channel_list::ChannelUpstreams;
use super::plain::Plain;
use super::shared_channels::SharedChannels;
use super::sharing::Sharing;
use super::surroundings::Surroundings;
use super::taken_upstreams::TakenUpstreams;
use super::templated::Templated;
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Removal, Settings, metrics_of};
use crate::config::Source;
use crate::fleet::FleetState;
use crate::kept::{Folder, KeptLogState, OnDisk};
use crate::upstream::StatusCell;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

/// A source at work: it owns its channels, its upstreams and every task that feeds them.
///
/// Dropping it closes the connections to its origins. Others share its channels, since clients are
/// in them; what they hold feeds nothing.
pub(crate) enum LiveSource {
    /// With its one channel.
    Plain(Plain),
    /// With a channel per set of parameters.
    Templated(TemplatedOwner),
}

/// What owns a templated source's channels. The router shares [`Templated`], and opens nothing once
/// this is gone.
pub(crate) struct TemplatedOwner(Arc<Templated>);

impl Drop for TemplatedOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl TemplatedOwner {
    /// What a router shares.
    pub(crate) fn shared(&self) -> &Arc<Templated> {
        &self.0
    }
}

impl LiveSource {
    /// Opens the channel of a source without parameters. One with parameters waits for its first
    /// client.
    pub(super) fn open(source: &Arc<Source>, surroundings: &Surroundings) -> Self {
        match source.is_templated() {
            true => Self::templated(source, surroundings),
            false => Self::Plain(Plain::open(source, surroundings)),
        }
    }

    fn templated(source: &Arc<Source>, surroundings: &Surroundings) -> Self {
        let settings = Settings::new(source.clone());
        Self::Templated(TemplatedOwner(Templated::new(settings, surroundings)))
    }

    /// Opens it with a channel of a predecessor.
    pub(super) fn open_taking(
        source: &Arc<Source>,
        carried: &CarriedChannel,
        log: impl Read,
        surroundings: &Surroundings,
    ) -> Result<(Self, Arc<Channel>), CarriedChannelError> {
        if source.is_templated() {
            let live = Self::templated(source, surroundings);
            let channel = live.take(carried, log)?;
            return Ok((live, channel));
        }
        if !carried.parameters.is_empty() {
            return Err(CarriedChannelError::Parameters);
        }
        let mut log = log;
        if let Some((channel, sharing)) = Sharing::take(source, carried, &mut log, surroundings)? {
            let plain = Plain::go_on_sharing(source, (channel.clone(), sharing), surroundings);
            return Ok((Self::Plain(plain), channel));
        }
        let (settings, metrics) = (Settings::new(source.clone()), metrics_of(source, &surroundings.metrics));
        let channel = Channel::take(&carried.state, log, settings, metrics)?;
        let plain = Plain::go_on(source, channel.clone(), carried.state.is_asking(), surroundings);
        Ok((Self::Plain(plain), channel))
    }

    /// Goes on with a further channel of a predecessor.
    pub(super) fn take(&self, carried: &CarriedChannel, log: impl Read) -> Result<Arc<Channel>, CarriedChannelError> {
        match self {
            Self::Plain(_) => Err(CarriedChannelError::Twice),
            Self::Templated(templated) => templated.0.take(carried, log),
        }
    }

    /// Connects its upstreams, once, or goes on with those of a predecessor.
    pub(super) fn begin(&self, surroundings: &Surroundings, taken: &mut TakenUpstreams) {
        match self {
            Self::Plain(plain) => plain.begin(surroundings, taken),
            Self::Templated(templated) => templated.0.begin(surroundings, taken),
        }
    }

    /// Its settings, which may be replaced at any time.
    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Plain(plain) => plain.channel.settings(),
            Self::Templated(templated) => templated.0.settings(),
        }
    }

    /// The configured name.
    pub(crate) fn name(&self) -> String {
        self.settings().load().name.clone()
    }

    /// The statuses of the upstreams of its one channel; none with parameters.
    pub(crate) fn statuses(&self) -> Vec<Arc<StatusCell>> {
        match self {
            Self::Plain(plain) => plain.statuses.to_vec(),
            Self::Templated(_) => Vec::new(),
        }
    }

    /// Its open channels.
    pub(crate) fn channels(&self) -> Vec<ChannelUpstreams> {
        match self {
            Self::Plain(plain) => vec![(plain.channel.clone(), plain.statuses.clone())],
            Self::Templated(templated) => templated.0.channels(),
        }
    }

    /// The configured names of its upstreams.
    pub(crate) fn upstreams(&self) -> Vec<String> {
        match self {
            Self::Plain(plain) => plain.upstreams().collect(),
            Self::Templated(templated) => templated.0.upstreams().collect(),
        }
    }

    /// Lets go of what is too old in its logs. To be called about once a second.
    pub(super) fn sweep(&self, now: Instant) {
        for (channel, _) in self.channels() {
            channel.sweep(now);
        }
        match self {
            Self::Plain(plain) => plain.kept.sweep(),
            Self::Templated(templated) => templated.0.sweep_kept(now),
        }
    }

    /// Keeps its logs where its settings say, as far as that directory is open.
    pub(super) fn keep(&self, surroundings: &Surroundings, on_disk: OnDisk) {
        let source = self.settings().snapshot();
        let directory = surroundings.directory_of(&source);
        match self {
            Self::Plain(plain) => {
                let folder = directory.as_ref().map(Folder::Plain);
                plain.kept.follow(&plain.channel, &source, folder.as_ref(), on_disk);
            }
            Self::Templated(templated) => templated.0.keep_in(&source, directory.as_ref(), on_disk),
        }
    }

    /// Whether its log is shared, and has been read: so that a successor can go on with it.
    pub(super) fn is_shared_and_open(&self) -> bool {
        match self {
            Self::Plain(plain) => {
                plain.channel.is_open() && plain.sharing().is_some_and(|sharing| sharing.shared().is_to_be_given())
            }
            Self::Templated(_) => false,
        }
    }

    /// Leads no more where its log is shared: others do from now on.
    pub(super) fn leave_fleet(&self) {
        match self {
            Self::Plain(plain) => plain.sharing().into_iter().for_each(|sharing| sharing.shared().leave()),
            Self::Templated(templated) => templated.0.sharing().into_iter().for_each(SharedChannels::leave),
        }
    }

    /// Completes when it leads nothing.
    pub(super) async fn left_fleet(&self) {
        match self {
            Self::Plain(plain) => {
                if let Some(sharing) = plain.sharing() {
                    sharing.shared().until_left().await;
                }
            }
            Self::Templated(templated) => {
                if let Some(sharing) = templated.0.sharing() {
                    sharing.until_left().await;
                }
            }
        }
    }

    /// How its shared log stands; `None`: it is this process's alone.
    pub(crate) fn fleet(&self) -> Option<FleetState> {
        match self {
            Self::Plain(plain) => plain.fleet(),
            Self::Templated(templated) => templated.0.sharing().map(SharedChannels::state),
        }
    }

    /// What takes part in the fleet for it, if its log is shared.
    pub(super) fn sharing(&self) -> Option<&Sharing> {
        match self {
            Self::Plain(plain) => plain.sharing(),
            Self::Templated(_) => None,
        }
    }

    /// Ends the keeping of its logs in order. Blocks while the rest is written.
    pub(super) fn close_kept(&self) {
        match self {
            Self::Plain(plain) => plain.kept.close(),
            Self::Templated(templated) => templated.0.close_kept(),
        }
    }

    /// Leaves what is kept of its logs to the next process. Blocks while the rest is written.
    pub(super) fn hand_over_kept(&self) {
        match self {
            Self::Plain(plain) => plain.kept.hand_over(),
            Self::Templated(templated) => templated.0.hand_over_kept(),
        }
    }

    /// How the logs of its channels are kept on disk; `None`: they are in memory alone.
    pub(crate) fn kept(&self) -> Option<Vec<KeptLogState>> {
        match self {
            Self::Plain(plain) => plain.kept.state().map(|state| vec![state]),
            Self::Templated(templated) => templated.0.kept_states(),
        }
    }

    /// Goes on by other settings, which is all that `change` asks for.
    pub(super) fn follow(&self, source: &Arc<Source>, change: &Change, surroundings: &Surroundings) {
        let metrics = &surroundings.metrics;
        let runners = match self {
            Self::Plain(plain) => &plain.runners,
            Self::Templated(templated) => &templated.0.runners,
        };
        if *change != Change::Unchanged {
            self.settings().replace(source.clone());
            // What was impossible until now may happen, and is counted from 0 on.
            metrics_of(source, metrics);
            self.channels()
                .iter()
                .for_each(|(channel, _)| channel.settings_replaced());
            self.keep(surroundings, OnDisk::Nothing);
        }
        if let Change::Upstreams(places) = change {
            let replaced = places.iter().filter_map(|n| Some((*n, runners.get(*n)?)));
            replaced.for_each(|(n, runner)| runner.replace(source, n, metrics));
        }
        runners.iter().for_each(UpstreamRunner::ask_again);
    }

    /// Whether this change leaves it what it is. One whose stream has ended for good does not go on
    /// with another origin.
    pub(super) fn can_follow(&self, change: &Change) -> bool {
        match (change, self) {
            (Change::Unchanged | Change::Settings, _) => true,
            (Change::Upstreams(_), Self::Plain(plain)) => !plain.channel.has_terminated(),
            (Change::Upstreams(_), Self::Templated(_)) => true,
            (Change::Replaced | Change::Added, _) => false,
        }
    }

    /// Closes the connections of a plain source to its origins, and what is kept of its logs: another
    /// in its place is about to open them.
    pub(super) fn make_way(&self) {
        if let Self::Plain(plain) = self {
            plain.close();
        }
        self.close_kept();
    }

    /// It goes on in another process: its upstreams are closed here, and no channel is opened. Clients
    /// that are in stay. `removal`: how those leave whose channel does not go on.
    pub(super) fn let_go(&self, removal: Removal) {
        match self {
            Self::Plain(plain) => {
                plain.channel.end_asking();
                plain.close();
            }
            Self::Templated(templated) => templated.0.let_go(removal),
        }
    }

    /// Ends its streams as `removal` says: clients get what there is, and are let go in order.
    pub(super) fn remove(&self, removal: Removal) {
        match self {
            Self::Plain(plain) => {
                plain.channel.remove(removal);
                plain.close();
            }
            Self::Templated(templated) => templated.0.remove(removal),
        }
    }
}
