//! After a hand-over: a stream that the process before still reads, and passes on, gets a connection
//! of this process's own, and no event is lost or comes twice.
//!
//! The stream goes on from the old connection meanwhile, as if there were no second one; so looking for
//! the place where the two are joined ([`seam`]) delays nothing, and may take its time. It is bounded
//! all the same: in time, since the old process wants to end, in events and in bytes. If the place is
//! not found there is a gap event, as after any connection that can't resume. If the origin does not
//! answer a second connection it is asked again, for as long as the old one lasts.

mod noting;
mod seam;
mod second;

use super::backoff::Backoff;
use super::exchange::AnswerBody;
use super::read::{Left, Stream};
use super::runner::{Connected, OpenStream, Outcome, Runner, Setup};
use super::targets::Targets;
use super::{Failure, Reason, Resume, Sink};
use crate::event_stream::Item;
use noting::{Both, Noting};
use seam::Seam;
use second::{KeptItem, Second};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long the stream may go on over the old process: as long as that one is there, and no longer than
/// this.
const OVERLAP_MAX: Duration = Duration::from_secs(120);

/// How long the old process may take to close its connection: it has nothing else to do.
const LEFT_WITHIN: Duration = Duration::from_millis(200);

/// What looking for the place came to.
struct Joined {
    second: Second,
    /// Until the old connection is closed.
    place: OwnedSemaphorePermit,
    /// The event with which the stream goes on; or why there is no such place.
    at: Result<usize, &'static str>,
}

impl<S: Sink> Runner<'_, S> {
    /// Follows a stream that another process passes on, until it goes on over a connection of its own,
    /// which is returned; or how else it went.
    pub(super) async fn overlap(&mut self, mut open: OpenStream, targets: &Targets<'_>) -> Result<OpenStream, Outcome> {
        let both = Both::default();
        let setup = self.setup.clone();
        let _connected = Connected::new(&setup.metrics.connected);
        let places = match &open.body {
            AnswerBody::Piped(piped) => piped.overlaps.clone(),
            AnswerBody::Http1(_) | AnswerBody::Http2(_) => return Ok(open),
        };
        let mut joining = pin!(join(&setup, targets.current(), &places, &both));
        let left = {
            let mut sink = Noting {
                sink: &mut self.sink,
                both: &both,
            };
            let mut stream = Stream {
                sink: &mut sink,
                parser: &mut self.parser,
                resume_point: &mut self.resume_point,
                backoff: &mut self.backoff,
                status: self.status,
                bytes_received: self.bytes_received,
                read_timeout: setup.config.read_timeout,
                events: open.events,
                hold: self.status.hold(),
            };
            let left = tokio::select! {
                biased;
                left = stream.read(&mut open.body) => Err(left),
                joined = &mut joining => Ok(joined),
            };
            open.events = stream.events;
            left
        };
        // Between an event and its flush, perhaps.
        self.sink.flush();
        let failure = match left {
            Ok(Ok(joined)) => return self.goes_on(joined, open.body, &both).await,
            Ok(Err(failure)) => failure,
            Err(Left::Over) => return Err(Outcome::Over),
            Err(Left::Held) => return Err(Outcome::Held(Some(open))),
            Err(Left::Failed(failure)) => failure,
        };
        let is_asking = {
            let mut state = both.lock();
            state.old_end = Some(std::time::Instant::now());
            state.is_asking
        };
        if !is_asking {
            return Err(Outcome::Cut(failure));
        }
        match self.status.hold().unless_asked(joining).await {
            Some(Ok(joined)) => self.goes_on(joined, open.body, &both).await,
            Some(Err(_)) => Err(Outcome::Cut(failure)),
            None => Err(Outcome::Held(None)),
        }
    }

    /// The stream goes on over the second connection.
    async fn goes_on(&mut self, joined: Joined, old: AnswerBody, both: &Both) -> Result<OpenStream, Outcome> {
        let Joined { mut second, place, at } = joined;
        let at = match at {
            Ok(at) => match second.catch_up(both, at).await {
                Ok(true) => Ok(at),
                Ok(false) => Err("the new connection does not go on as the old one did"),
                Err(failure) => return Err(Outcome::Cut(failure)),
            },
            apart => apart,
        };
        let old_end = both.lock().old_end;
        self.status.connected();
        let items = match at {
            Ok(at) => {
                self.reporter.joined();
                second.from(at)
            }
            Err(why) => {
                self.reporter.not_joined(why);
                self.sink.connected(Resume::Impossible);
                // What the old one has not brought: the rest may be doubled.
                old_end.map_or_else(Vec::new, |end| second.since(end))
            }
        };
        let events = items.iter().filter(|(item, _)| item.counts()).count();
        self.publish(items);
        if let AnswerBody::Piped(piped) = old {
            let _ = timeout(LEFT_WITHIN, piped.body.leave()).await;
        }
        drop(place);
        if self.sink.is_over() {
            return Err(Outcome::Over);
        }
        self.parser = second.parser;
        Ok(OpenStream {
            body: second.body,
            opened: Instant::now(),
            events: events as u64,
        })
    }

    /// All at once: they are bounded by what is kept.
    fn publish(&mut self, items: Vec<(KeptItem, std::time::Instant)>) {
        for (kept, received) in items {
            let Some(item) = kept.get() else { continue };
            self.resume_point.follow(&item);
            if let Item::Retry(retry) = &item {
                self.status.retry(self.backoff.origin_says(*retry));
            }
            self.sink.item(item, received);
        }
        self.sink.flush();
    }
}

/// Opens a second connection, once it is its turn, and looks for the place; again where that fails.
async fn join(
    setup: &Setup,
    (target, is_feed): (&str, bool),
    places: &Arc<Semaphore>,
    both: &Both,
) -> Result<Joined, Failure> {
    let deadline = Instant::now() + OVERLAP_MAX;
    let mut backoff = Backoff::new(setup.config.reconnect, setup.config.reconnect_max);
    loop {
        let failure = match try_once(setup, (target, is_feed), (places, deadline), both).await {
            Ok(joined) => return Ok(joined),
            Err(failure) => failure,
        };
        tracing::debug!(%failure, "no second connection to the origin beside that of the process before");
        let has_ended = {
            let mut state = both.lock();
            (state.seam, state.is_asking) = (None, false);
            state.old_end.is_some()
        };
        if has_ended || Instant::now() >= deadline {
            return Err(failure);
        }
        sleep(backoff.next(None, fastrand::f64())).await;
    }
}

async fn try_once(
    setup: &Setup,
    (target, is_feed): (&str, bool),
    (places, deadline): (&Arc<Semaphore>, Instant),
    both: &Both,
) -> Result<Joined, Failure> {
    let late = || Failure::new(Reason::Timeout, "no place for a second connection in time");
    // It is never closed.
    let place = timeout_at(deadline, places.clone().acquire_owned()).await;
    let place = place.map_err(|_| late())?.map_err(|_| late())?;
    both.lock().is_asking = true;
    let mut second = Second::open(setup, target, is_feed).await?;
    let has_ended = {
        let mut state = both.lock();
        state.seam = Some(Seam::new(std::time::Instant::now()));
        state.old_end.is_some()
    };
    if has_ended {
        let at = Err("the old connection ended before the new one was open");
        return Ok(Joined { second, place, at });
    }
    let at = second.find(both, deadline).await?;
    Ok(Joined {
        second,
        place,
        at: match at {
            second::Outcome::Joined(at) => Ok(at),
            second::Outcome::Apart(why) => Err(why),
        },
    })
}
