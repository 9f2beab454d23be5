//! A templated source: a channel per set of parameters, opened for its first client and closed some time after its last.
//!
//! The list's lock is held while a client is counted in, and while a channel that nobody is in is taken out: so nobody joins
//! a channel that is leaving. Each channel has one task, which is its whole life.

use super::first_response::{First, FirstResponse};
use super::upstream_runner::UpstreamRunner;
use crate::channel::{Channel, Settings, Subscription};
use crate::critical::OnPanic;
use crate::log::Epoch;
use crate::metrics::{Metrics, Protocol, RefuseReason, SourceMetrics};
use crate::path::{BadParameter, Parameters, Template};
use crate::quotas::{ChannelPermit, Quotas, UpstreamsPermit};
use crate::upstream::StatusCell;
use hyper::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the origin's refusal of a channel is remembered.
const REFUSAL_KEPT: Duration = Duration::from_secs(1);

/// A templated source and its channels.
pub struct Templated {
    list: Arc<List>,
    /// The channels' lives. Dropping it closes the upstreams.
    tasks: Mutex<JoinSet<()>>,
}

/// What the channels' lives share.
struct List {
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    templates: Vec<Template>,
    runners: Vec<UpstreamRunner>,
    quotas: Arc<Quotas>,
    channels: Mutex<HashMap<Parameters, Live>>,
}

/// A channel in the list.
struct Live {
    channel: Arc<Channel>,
    statuses: Arc<[Arc<StatusCell>]>,
    first: watch::Receiver<First>,
    _permit: ChannelPermit,
}

/// A channel, with the statuses of its upstreams in the order of the configuration.
pub(crate) type ChannelUpstreams = (Arc<Channel>, Arc<[Arc<StatusCell>]>);

/// What a client that comes to a templated source finds.
pub(crate) enum OpenOutcome {
    /// The channel is there.
    In(Subscription),
    /// The origin has been asked: the first answer decides.
    Asking(Subscription, FirstResponse),
    /// The origin has refused this channel a moment ago.
    Refused(StatusCode),
    /// There is no room for another channel, or no descriptor for its upstreams.
    Full(RefuseReason),
}

impl Templated {
    pub(crate) fn new(settings: Settings, metrics: &Metrics, quotas: Arc<Quotas>) -> Arc<Self> {
        let source = settings.snapshot();
        let list = List {
            metrics: metrics.source(&source.name),
            templates: source.paths.iter().map(|path| Template::new(path)).collect(),
            runners: UpstreamRunner::of(&source, metrics),
            quotas,
            channels: Mutex::default(),
            settings,
        };
        Arc::new(Self {
            list: Arc::new(list),
            tasks: Mutex::default(),
        })
    }

    /// Its settings, which may be replaced at any time.
    pub fn settings(&self) -> &Settings {
        &self.list.settings
    }

    /// The parameters in a request's path (in its normal form), if it is one of this source's.
    pub(crate) fn fit(&self, path: &str) -> Option<Result<Parameters, BadParameter>> {
        self.list.templates.iter().find_map(|template| template.fit(path))
    }

    /// The channel of these parameters, if it is open.
    pub(crate) fn find(&self, parameters: &Parameters) -> Option<Arc<Channel>> {
        let channels = self.list.channels();
        let live = channels.get(parameters)?;
        matches!(*live.first.borrow(), First::Open).then(|| live.channel.clone())
    }

    /// Lets a client in. Opens the channel if it is the first.
    pub(crate) fn enter(&self, parameters: Parameters, protocol: Protocol) -> OpenOutcome {
        let mut channels = self.list.channels();
        if let Some(live) = channels.get(&parameters) {
            return live.enter(protocol);
        }
        let quotas = &self.list.quotas;
        let permit = match quotas.open_channel() {
            Err(_) if make_room(&mut channels) => quotas.open_channel(),
            permit => permit,
        };
        let permits = permit.and_then(|permit| Ok((permit, quotas.open_upstreams(self.list.runners.len())?)));
        let (permit, upstreams) = match permits {
            Ok(permits) => permits,
            Err(reason) => return OpenOutcome::Full(reason),
        };
        let live = self.open(&parameters, permit, upstreams);
        let entrance = live.enter(protocol);
        channels.insert(parameters, live);
        entrance
    }

    fn open(&self, parameters: &Parameters, permit: ChannelPermit, upstreams: UpstreamsPermit) -> Live {
        let list = &self.list;
        let channel = Channel::new(list.settings.clone(), list.metrics.clone(), Epoch::new());
        let statuses: Arc<[_]> = list.runners.iter().map(|_| Arc::new(StatusCell::new())).collect();
        let (first, answer) = FirstResponse::new(list.runners.len());
        let life = live(
            list.clone(),
            parameters.clone(),
            channel.clone(),
            statuses.clone(),
            first,
            upstreams,
        );
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(life);
        Live {
            channel,
            statuses,
            first: answer,
            _permit: permit,
        }
    }

    /// The configured names of the upstreams.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &str> {
        self.list.runners.iter().map(UpstreamRunner::name)
    }

    /// The open channels.
    pub(crate) fn live(&self) -> Vec<ChannelUpstreams> {
        let channels = self.list.channels();
        let live = channels.values();
        live.map(|live| (live.channel.clone(), live.statuses.clone())).collect()
    }

    /// Lets go what is too old in the channels' logs. To be called about once a second.
    pub(crate) fn sweep(&self, now: Instant) {
        for (channel, _) in self.live() {
            channel.sweep(now);
        }
    }
}

impl List {
    /// Takes a channel out, if it is still this one, and under the same lock nobody is in if `lonely` says so.
    fn remove(&self, parameters: &Parameters, channel: &Arc<Channel>, only_if_lonely: bool) -> bool {
        let mut channels = self.channels();
        let is_this = |live: &Live| Arc::ptr_eq(&live.channel, channel);
        if !channels.get(parameters).is_some_and(is_this) {
            return true; // It had to make room.
        }
        if only_if_lonely && channel.subscribers() > 0 {
            return false;
        }
        channels.remove(parameters);
        true
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<Parameters, Live>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn enter(&self, protocol: Protocol) -> OpenOutcome {
        let first = *self.first.borrow();
        match first {
            First::Open => OpenOutcome::In(self.channel.subscribe(protocol)),
            First::Asking => OpenOutcome::Asking(
                self.channel.subscribe(protocol),
                FirstResponse::waiting(self.first.clone()),
            ),
            First::Refused(status) => OpenOutcome::Refused(status),
        }
    }
}

/// A stream that has ended is kept for those who come late, but not at the price of one that is wanted now. Where it
/// succeeds, there is a place again.
fn make_room(channels: &mut HashMap<Parameters, Live>) -> bool {
    let oldest = channels
        .iter()
        .filter_map(|(parameters, live)| Some((live.channel.end()?.at, parameters)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, parameters)| parameters.clone());
    oldest.is_some_and(|oldest| channels.remove(&oldest).is_some())
}

/// How the supply of a channel came to its end.
enum Over {
    /// By the terminal event, or the upstreams have returned: ended by the origin, or refused.
    Supplied,
    /// Nobody was in for `idle_timeout`: it has been taken out of the list.
    Idle,
}

/// A channel's life.
async fn live(
    list: Arc<List>,
    parameters: Parameters,
    channel: Arc<Channel>,
    statuses: Arc<[Arc<StatusCell>]>,
    first: FirstResponse,
    upstreams: UpstreamsPermit,
) {
    // Nobody would feed it any more: its clients come back to a new one.
    let _gone = OnPanic(|| {
        list.remove(&parameters, &channel, false);
        channel.finish();
    });
    let over = tokio::select! {
        () = supply(&list, &parameters, &channel, &statuses, &first) => Over::Supplied,
        () = channel.terminated() => Over::Supplied,
        () = channel.release_in_time() => Over::Supplied,
        () = idle(&list, &parameters, &channel) => Over::Idle,
    };
    // They are closed, though the channel may stay.
    drop(upstreams);
    match over {
        Over::Idle => return,
        // An upstream that was still waiting for its origin has ended too.
        Over::Supplied if channel.has_terminated() => statuses.iter().for_each(|status| status.ended()),
        Over::Supplied => {}
    }
    let kept = match (first.refused(), channel.end()) {
        // Whoever is in gets what there is, then the end; whoever comes back gets the origin's answer.
        (true, _) => {
            channel.finish();
            REFUSAL_KEPT
        }
        (false, Some(_)) => list.settings.load().linger,
        // Of merged upstreams one was refused, and the last of the others has ended: nobody is left who could say more.
        (false, None) => {
            channel.finish();
            list.settings.load().linger
        }
    };
    tokio::time::sleep(kept).await;
    list.remove(&parameters, &channel, false);
}

/// Runs all upstreams of a channel until each has returned.
async fn supply(
    list: &Arc<List>,
    parameters: &Parameters,
    channel: &Arc<Channel>,
    statuses: &Arc<[Arc<StatusCell>]>,
    first: &FirstResponse,
) {
    let run = |n: usize| {
        let (list, channel, status) = (list.clone(), channel.clone(), statuses[n].clone());
        let target = list.runners[n].target().map(|url| parameters.fill(url));
        let sink = first.sink(channel.publisher());
        async move { list.runners[n].run(&channel, target, sink, status).await }
    };
    // One is the rule, and needs no task of its own.
    let mut others = JoinSet::new();
    for n in 1..statuses.len() {
        others.spawn(run(n));
    }
    run(0).await;
    while others.join_next().await.is_some() {}
}

/// Completes when nobody has been in for `idle_timeout`, and the channel is out of the list.
async fn idle(list: &List, parameters: &Parameters, channel: &Arc<Channel>) {
    loop {
        let since = channel.idle().await;
        let until = since + list.settings.load().idle_timeout;
        tokio::time::sleep_until(until.into()).await;
        // Somebody may have been in meanwhile, and left again: then it is idle since then.
        if channel.idle_since() == Some(since) && list.remove(parameters, channel, true) {
            return;
        }
    }
}
