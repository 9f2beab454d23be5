//! Waits for what happens next to a channel.

use super::waits::{Event, Waits, pending};
use super::{ASKING_MAX, PIPELINE_MAX, Part};
use crate::fleet::chains::engine::ChainEngine;
use std::time::Instant;
use tokio::time::sleep_until;

impl<E: ChainEngine> Part<E> {
    /// What happens next.
    pub(super) async fn next(&mut self) -> Event {
        let now = Instant::now();
        let asking = (!*self.opened.borrow()).then(|| self.asking_since + ASKING_MAX);
        let due = [self.chain.due(now), asking].into_iter().flatten().min();
        let leads = self
            .chain
            .pipeline()
            .is_some_and(|pipeline| pipeline.waiting() < PIPELINE_MAX);
        let Self {
            route,
            writer,
            shared,
            waits,
            followed,
            ..
        } = self;
        let Waits {
            answers, last, loading, ..
        } = waits;
        let is_loading = loading.is_some();
        if !is_loading && route.has_missed() {
            return Event::Missed;
        }
        let tailed = async {
            writer.ready().await;
            route.next().await
        };
        let gone = async {
            match followed {
                Some(followed) => {
                    followed.gone().await;
                    followed.process().to_owned()
                }
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            Some(Ok((term, answer))) = answers.join_next() => Event::Answered(term, answer),
            found = pending(last) => Event::Last(found),
            loaded = pending(loading) => Event::Loaded(loaded.ok()),
            tailed = tailed, if !is_loading => Event::Tailed(tailed),
            process = gone => Event::LeaderGone(process),
            () = shared.inbox.until_arrived(), if leads => Event::Arrived,
            () = async { sleep_until(due.unwrap_or(now).into()).await }, if due.is_some() => Event::Due,
        };
        match &event {
            Event::Last(_) => self.waits.last = None,
            Event::Loaded(_) => self.waits.loading = None,
            Event::LeaderGone(_) => self.followed = None,
            _ => {}
        }
        event
    }
}
