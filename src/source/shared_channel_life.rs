//! The life of a channel whose log is shared: beside what every channel's life is, it takes part in the
//! fleet, and its upstreams are run while this instance leads it.

use super::channel_life::{ChannelLife, REFUSAL_KEPT};
use crate::config::Target;
use crate::critical::OnPanic;
use crate::fleet::{ChainOver, ChannelLeaderSink, Coalescing, Lead, LeaderSink, Log, Part, Shared};
use crate::quotas::UpstreamsPermit;
use hyper::StatusCode;
use std::future::pending;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A status of the origin's, as clients get it.
pub(super) fn refusal(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// Why it takes part no more, or otherwise.
enum Next {
    /// The stream has ended.
    Over(ChainOver),
    /// It had no client for `idle_timeout`: it has been taken out of the list.
    Idle,
    /// This instance is to lead nothing any more.
    Leaving,
}

impl ChannelLife {
    /// The whole of it.
    pub(super) async fn live_shared(
        self,
        upstreams: UpstreamsPermit,
        mut part: Box<Part<Log>>,
        leaving: watch::Receiver<bool>,
    ) {
        let channel = self.channel.clone();
        let _gone = OnPanic(|| {
            self.remove();
            channel.finish();
        });
        let mut leaving = Some(leaving);
        let over = loop {
            match self.take_part(&mut part, leaving.clone()).await {
                Next::Over(over) => break over,
                // Another one may lead it from now on.
                Next::Idle => return part.release().await,
                Next::Leaving => {
                    leaving = None;
                    part.release().await;
                }
            }
        };
        drop(upstreams);
        self.statuses.iter().for_each(|status| status.ended());
        self.stay(over, &mut part).await;
    }

    /// Until something changes.
    async fn take_part(&self, part: &mut Part<Log>, leaving: Option<watch::Receiver<bool>>) -> Next {
        let (shared, opened) = (part.shared().clone(), part.opened());
        let leave = async {
            match leaving {
                Some(mut leaving) => drop(leaving.wait_for(|leaving| *leaving).await),
                None => pending().await,
            }
        };
        tokio::select! {
            over = part.run() => Next::Over(over),
            () = self.feed_while_leading(&shared, &opened) => Next::Idle,
            () = self.open_in_time(opened.clone()) => Next::Idle,
            () = self.idle() => Next::Idle,
            () = leave => Next::Leaving,
        }
    }

    /// Never completes.
    async fn open_in_time(&self, mut opened: watch::Receiver<bool>) {
        if opened.wait_for(|opened| *opened).await.is_ok() {
            self.first.open();
        }
        pending().await
    }

    /// It is kept for clients that come late, here and in the engine.
    async fn stay(&self, over: ChainOver, part: &mut Part<Log>) {
        let channel = &self.channel;
        let stays = async {
            match over {
                ChainOver::Refused(status, at) => {
                    self.first.refuse(refusal(status));
                    channel.finish();
                    tokio::time::sleep_until((at + REFUSAL_KEPT).into()).await;
                }
                ChainOver::Ended(at) => {
                    self.first.open();
                    if channel.end().is_none() {
                        channel.finish();
                    }
                    channel.settings().sleep(at, |source| source.linger).await;
                }
                ChainOver::Another => channel.finish(),
            }
        };
        let is_past = tokio::select! {
            () = stays => over != ChainOver::Another,
            () = part.until_another() => false,
        };
        channel.finish();
        self.remove();
        if is_past {
            part.purge().await;
        }
    }

    /// Runs the upstreams while this instance leads. Never completes.
    async fn feed_while_leading(&self, shared: &Arc<Shared>, opened: &watch::Receiver<bool>) {
        let mut leading = shared.leading();
        loop {
            let lead = leading.wait_for(Option::is_some).await;
            let Some(lead) = lead.ok().and_then(|lead| lead.clone()) else {
                return pending().await;
            };
            let feeding = async {
                self.feed(shared, &lead, opened).await;
                // Nothing more comes in this term.
                pending::<()>().await;
            };
            tokio::select! {
                () = feeding => {}
                _ = leading.wait_for(|now| now.as_ref() != Some(&lead)) => {}
            }
        }
    }

    /// Runs them all, until each has come to its end.
    async fn feed(&self, shared: &Arc<Shared>, lead: &Lead, opened: &watch::Receiver<bool>) {
        // Events of a channel are not held back for others.
        let way = Coalescing::new(shared.inbox.clone(), self.channel.clone(), lead.term);
        let run = |n: usize| {
            let way = way.clone();
            let (runners, channel, status) = (self.runners.clone(), self.channel.clone(), self.statuses[n].clone());
            let (parameters, inbox, lead) = (self.parameters.clone(), shared.inbox.clone(), lead.clone());
            let opened = opened.clone();
            async move {
                let fill = move |target: &Target| target.map(|url| parameters.fill(url));
                let inner = LeaderSink::new(way, &lead, n, false);
                let sink = ChannelLeaderSink::new(inner, inbox, (lead.term, n), opened);
                let place = lead.places.get(n).filter(|place| !place.is_empty());
                runners[n].run(&channel, place, fill, sink, status, None).await;
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
}
