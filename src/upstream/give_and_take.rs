//! A runner that holds still and gives what it is, and one that begins with what was given.

use super::backoff::Backoff;
use super::exchange::AnswerBody;
use super::handover::{CarriedEnd, CarriedStream, CarriedUpstream, Doing, Taken, digest};
use super::http1::{Carried, Http1Body};
use super::resume_point::ResumePoint;
use super::runner::{Begin, OpenStream, Runner};
use super::status::StatusCell;
use super::targets::Targets;
use super::{Failure, Reason, Sink};
use crate::event_stream::Parser;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// No wait that is taken over lasts longer: a day from now is a time that any clock can hold.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

impl<S: Sink> Runner<'_, S> {
    /// Gives what it is, and waits for what becomes of it; returns where it goes on, if it does.
    pub(super) async fn hold_still(&mut self, stream: Option<OpenStream>, targets: &Targets<'_>) -> Begin {
        // Between an event and its flush, perhaps.
        self.sink.flush();
        let Some(stream) = stream else {
            self.give(Doing::Attempting, None, targets).await;
            return Begin::Attempt;
        };
        let (doing, socket) = self.carried_stream(&stream);
        if !self.is_to_go_on(doing, socket, targets).await {
            // The other process's copy of the socket is the only one now.
            drop(stream);
            std::future::pending::<()>().await;
            return Begin::Attempt;
        }
        Begin::Stream(stream)
    }

    /// Gives what it is while it has no connection. Does not return if it is another process's from
    /// now on.
    pub(super) async fn give(&mut self, doing: Doing, socket: Option<OwnedFd>, targets: &Targets<'_>) {
        if !self.is_to_go_on(doing, socket, targets).await {
            std::future::pending::<()>().await;
        }
    }

    async fn is_to_go_on(&mut self, doing: Doing, socket: Option<OwnedFd>, targets: &Targets<'_>) -> bool {
        let carried = self.carried(doing, targets);
        self.status.hold().give((carried, socket)).await
    }

    fn carried(&self, doing: Doing, targets: &Targets<'_>) -> CarriedUpstream {
        let (id, seen, refusals) = self.resume_point.state();
        let (reconnect, waits) = self.backoff.state();
        let (at, failed) = targets.state();
        CarriedUpstream {
            settings: digest(&self.setup.config, self.setup.parser),
            last_event_id: id.to_vec(),
            seen,
            refusals,
            reconnect_ms: reconnect.as_millis() as u64,
            waits,
            url_index: at as u32,
            urls_failed: failed as u32,
            status: self.status.carried(),
            doing,
        }
    }

    /// A stream with its connection, where that can be given.
    fn carried_stream(&self, stream: &OpenStream) -> (Doing, Option<OwnedFd>) {
        let AnswerBody::Http1(body) = &stream.body else {
            return (Doing::Reopening, None);
        };
        let Some((body, socket)) = body.carried() else {
            return (Doing::Reopening, None);
        };
        let carried = CarriedStream {
            decoder: body.decoder,
            undecoded: body.undecoded,
            end: body.end.map(|end| match end {
                Ok(()) => CarriedEnd::Whole,
                Err(failure) => CarriedEnd::Broken {
                    reason: failure.reason.label().to_owned(),
                    detail: failure.detail,
                },
            }),
            parser: self.parser.state().into(),
            events: stream.events,
            open_ms: stream.opened.elapsed().as_millis() as u64,
        };
        (Doing::Reading(Box::new(carried)), Some(socket))
    }

    /// Begins with what another process has given: where, and with which of the URLs.
    ///
    /// Where the settings are others, the place in the stream is all that counts: it connects by
    /// the new ones, as after a reload.
    pub(super) fn take_over(&mut self, taken: Taken) -> (Begin, (usize, usize)) {
        let Taken { carried, socket } = taken;
        self.resume_point = ResumePoint::taken(&carried.last_event_id, carried.seen, carried.refusals);
        let reads = matches!(carried.doing, Doing::Reading(_));
        if carried.settings != digest(&self.setup.config, self.setup.parser) {
            self.status.restore(&carried.status, false);
            self.resume_point.asks_anew();
            return (Begin::Attempt, (0, 0));
        }
        self.status.restore(&carried.status, reads);
        let config = &self.setup.config;
        let mut backoff = Backoff::new(config.reconnect, config.reconnect_max).after(carried.waits);
        if carried.status.retry_ms.is_some() {
            // The origin named it.
            backoff.origin_says(Duration::from_millis(carried.reconnect_ms));
        }
        self.backoff = backoff;
        let begin = match carried.doing {
            Doing::Reading(stream) => self.taken_stream(*stream, socket).map_or(Begin::Attempt, Begin::Stream),
            Doing::Waiting { left_ms } => Begin::Wait(Duration::from_millis(left_ms).min(WAIT_MAX)),
            _ => Begin::Attempt,
        };
        if let Begin::Stream(_) = begin {
            self.reporter.goes_on();
        }
        (begin, (carried.url_index as usize, carried.urls_failed as usize))
    }

    /// `None`: it makes no sense, and the stream is asked for anew.
    fn taken_stream(&mut self, carried: CarriedStream, socket: Option<OwnedFd>) -> Option<OpenStream> {
        let parser = Parser::from_state(self.setup.parser, &carried.parser.into_state()?)?;
        let end = match carried.end {
            None => None,
            Some(CarriedEnd::Whole) => Some(Ok(())),
            Some(CarriedEnd::Broken { reason, detail }) => Some(Err(Failure::new(Reason::labelled(&reason)?, detail))),
        };
        let body = Carried {
            decoder: carried.decoder,
            undecoded: carried.undecoded,
            end,
        };
        let body = Http1Body::taken(body, socket?).ok()?;
        self.parser = parser;
        let open = Duration::from_millis(carried.open_ms);
        Some(OpenStream {
            body: AnswerBody::Http1(Box::new(body)),
            opened: Instant::now().checked_sub(open).unwrap_or_else(Instant::now),
            // So large that it is never added up to.
            events: carried.events.min(u64::MAX / 2),
        })
    }
}

/// Waits, for an upstream whose origin has ended the stream at `ended`, until it is asked again; it
/// can be given meanwhile.
pub(crate) async fn wait_ended(status: &StatusCell, ended: std::time::Instant, wait: impl Future<Output = ()>) {
    let hold = status.hold();
    let _present = hold.enter();
    let mut wait = pin!(wait);
    while hold.unless_asked(wait.as_mut()).await.is_none() {
        let ago_ms = ended.elapsed().as_millis() as u64;
        let carried = status.at_rest(Doing::Ended { ago_ms });
        if !hold.give((carried, None)).await {
            std::future::pending::<()>().await;
        }
    }
}
