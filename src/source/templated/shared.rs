//! Clients that come for a channel whose log is shared: it is read from the engine before the channel is
//! opened.

use super::Templated;
use crate::fleet::{ChainOver, Log, Part};
use crate::log::WantedStart;
use crate::metrics::{Protocol, RefuseReason};
use crate::path::Parameters;
use crate::quotas::{ChannelPermit, UpstreamsPermit};
use crate::source::channel_list::{Channels, OpenOutcome};
use crate::source::first_response::{First, FirstResponse};
use crate::source::reading::{Found, ReadChannel, Reading};
use crate::source::shared_channel_life::refusal;
use crate::source::shared_channels::SharedChannels;
use std::sync::{Arc, MutexGuard};
use tokio::sync::watch;

impl Templated {
    /// If the logs are shared with other instances.
    pub(crate) fn sharing(&self) -> Option<&SharedChannels> {
        self.sharing.as_ref()
    }

    /// Lets a client in.
    pub(super) fn enter_shared(
        self: &Arc<Self>,
        sharing: &SharedChannels,
        mut channels: MutexGuard<'_, Channels>,
        parameters: Parameters,
        client: (Protocol, Option<WantedStart>),
    ) -> OpenOutcome {
        let read = match self.readings.find(&parameters) {
            Found::Reading(reading) => return OpenOutcome::Reading(reading),
            Found::Failed => return OpenOutcome::Full(RefuseReason::Log),
            Found::Read(read) => *read,
            Found::Nothing => {
                return match self.permits(&mut channels) {
                    Ok(permits) => OpenOutcome::Reading(self.read_shared(sharing, parameters, permits)),
                    Err(reason) => OpenOutcome::Full(reason),
                };
            }
        };
        let (Some(part), permits) = (read.part, read.permits) else {
            return OpenOutcome::Full(RefuseReason::Log);
        };
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else {
            return OpenOutcome::Gone;
        };
        let first = shared_first(&part, self.runners.len());
        let (life, open) = self.made(&parameters, (read.channel, read.kept), permits.0, first);
        let outcome = open.enter(client.0, client.1);
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(life.live_shared(permits.1, part, sharing.leaving()), &self.upstreams);
        channels.insert(parameters, open);
        outcome
    }

    /// Reads the log of a channel from the engine.
    fn read_shared(
        self: &Arc<Self>,
        sharing: &SharedChannels,
        parameters: Parameters,
        permits: (ChannelPermit, UpstreamsPermit),
    ) -> Reading {
        let (done, reading) = self.readings.begin(&parameters);
        let joining = sharing.join(&parameters.key(), (self.settings.clone(), self.metrics.clone()));
        let this = self.clone();
        self.upstreams.spawn(async move {
            match joining.await {
                Ok(part) => this.readings.read(parameters, ReadChannel::shared(part, permits)),
                Err(error) => {
                    tracing::debug!(source = this.settings.load().name, %error, "a channel could not be opened");
                    this.readings.failed(parameters);
                }
            }
            drop(done);
        });
        reading
    }
}

/// What is known of the origin of a channel that is shared.
fn shared_first(part: &Part<Log>, upstreams: usize) -> (FirstResponse, watch::Receiver<First>) {
    match part.over() {
        Some(ChainOver::Refused(status, _)) => FirstResponse::known_refused(refusal(status)),
        Some(ChainOver::Ended(_) | ChainOver::Another) => FirstResponse::known(upstreams),
        None if part.is_open() => FirstResponse::known(upstreams),
        None => FirstResponse::new(upstreams),
    }
}
