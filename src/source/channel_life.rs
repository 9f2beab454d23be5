//! The life of a templated source's channel, as one task: it is fed until its stream ends or its
//! last client has been gone for a while, stays for clients that come late, and is taken out of the
//! list.

use super::channel_list::ChannelList;
use super::first_response::FirstResponse;
use super::upstream_runner::{UpstreamRunner, publisher_of};
use crate::channel::Channel;
use crate::config::Target;
use crate::critical::OnPanic;
use crate::path::Parameters;
use crate::quotas::UpstreamsPermit;
use crate::upstream::StatusCell;
use crate::upstream::handover::Taken;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long the origin's refusal of a channel is remembered.
pub(super) const REFUSAL_KEPT: Duration = Duration::from_secs(1);

/// A channel of the list, and what feeds it.
pub(super) struct ChannelLife {
    pub(super) list: Arc<ChannelList>,
    pub(super) runners: Arc<[UpstreamRunner]>,
    pub(super) parameters: Parameters,
    pub(super) channel: Arc<Channel>,
    pub(super) statuses: Arc<[Arc<StatusCell>]>,
    pub(super) first: FirstResponse,
}

/// How the supply of a channel came to its end.
enum Over {
    /// By the terminal event, or the upstreams have returned: ended by the origin, or refused.
    Supplied,
    /// It had no client for `idle_timeout`: it has been taken out of the list.
    Idle,
}

impl ChannelLife {
    /// The whole of it. `taken`: by place, what another process has given of its upstreams.
    pub(super) async fn live(self, upstreams: UpstreamsPermit, taken: Vec<Option<Box<Taken>>>) {
        let channel = &self.channel;
        // After a panic nothing would feed it any more: its clients come back to a new one.
        let _gone = OnPanic(|| {
            self.remove();
            channel.finish();
        });
        // One of a predecessor, or of a log that was kept, may have ended there.
        let over = match channel.end() {
            Some(_) => Over::Supplied,
            None => tokio::select! {
                () = self.supply(taken) => Over::Supplied,
                () = channel.terminated() => Over::Supplied,
                () = self.catch_up() => Over::Supplied,
                () = channel.release_in_time() => Over::Supplied,
                () = self.idle() => Over::Idle,
            },
        };
        // They are closed, though the channel may stay.
        drop(upstreams);
        match over {
            Over::Idle => return,
            // An upstream that was still waiting for its origin has ended too.
            Over::Supplied if channel.has_terminated() => self.statuses.iter().for_each(|status| status.ended()),
            Over::Supplied => {}
        }
        if self.first.refused() {
            // Its clients get what there is, then the end; one that comes back gets the origin's
            // answer.
            channel.finish();
            tokio::time::sleep(REFUSAL_KEPT).await;
        } else {
            if channel.end().is_none() {
                // Of merged upstreams one was refused, and the last of the others has ended:
                // nothing more can come.
                channel.finish();
            }
            let ended = channel.end().map_or_else(Instant::now, |end| end.at);
            channel.settings().sleep(ended, |source| source.linger).await;
        }
        self.remove();
    }

    /// Runs all upstreams of the channel until each has returned.
    async fn supply(&self, taken: Vec<Option<Box<Taken>>>) {
        let mut taken = taken;
        let mut run = |n: usize| {
            let taken = taken.get_mut(n).and_then(Option::take);
            let (runners, channel, status) = (self.runners.clone(), self.channel.clone(), self.statuses[n].clone());
            let parameters = self.parameters.clone();
            let fill = move |target: &Target| target.map(|url| parameters.fill(url));
            let sink = self.first.sink(publisher_of(&channel, n, taken.as_deref()));
            async move {
                if taken.as_deref().is_some_and(|taken| taken.is_over(&status)) {
                    return;
                }
                let place = channel.kept_place(n);
                runners[n].run(&channel, place, fill, sink, status, taken).await;
            }
        };
        // One is the rule, and needs no task of its own.
        let mut others = JoinSet::new();
        for n in 1..self.statuses.len() {
            others.spawn(run(n));
        }
        run(0).await;
        while others.join_next().await.is_some() {}
    }

    /// Never completes.
    async fn catch_up(&self) {
        self.channel.caught_up().await;
        std::future::pending().await
    }

    /// Completes when there was no client for `idle_timeout`, and the channel is out of the list.
    pub(super) async fn idle(&self) {
        loop {
            let since = self.channel.idle().await;
            self.channel.settings().sleep(since, |source| source.idle_timeout).await;
            // A client may have come and left meanwhile: then it is idle since that one left.
            if self.channel.idle_since() == Some(since) && self.list.remove(&self.parameters, &self.channel, true) {
                return;
            }
        }
    }

    pub(super) fn remove(&self) {
        self.list.remove(&self.parameters, &self.channel, false);
    }
}
