//! A runner that holds still and gives what it is, and one that begins with what was given.

use super::backoff::Backoff;
use super::exchange::{AnswerBody, PipedBody};
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
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// No wait that is taken over lasts longer: a day from now is a time that any clock can hold.
const WAIT_MAX: Duration = Duration::from_secs(86_400);

/// What stays here of a stream that is given, until it is known whose it is.
enum Stays {
    Whole(OpenStream),
    /// Its body has been laid down for the process that passes it on: this one, or none.
    Parked(BodilessStream),
}

/// A stream whose body is elsewhere.
struct BodilessStream {
    opened: Instant,
    events: u64,
}

impl OpenStream {
    fn rest(&self) -> BodilessStream {
        BodilessStream {
            opened: self.opened,
            events: self.events,
        }
    }
}

impl BodilessStream {
    fn with(self, body: AnswerBody) -> OpenStream {
        OpenStream {
            body,
            opened: self.opened,
            events: self.events,
        }
    }
}

impl<S: Sink> Runner<'_, S> {
    /// Gives what it is, and waits for what becomes of it; returns where it goes on, if it does.
    pub(super) async fn hold_still(&mut self, stream: Option<OpenStream>, targets: &Targets<'_>) -> Begin {
        // Between an event and its flush, perhaps.
        self.sink.flush();
        let Some(stream) = stream else {
            self.give(Doing::Attempting, None, targets).await;
            return Begin::Attempt;
        };
        let (doing, socket, stays) = self.given_stream(stream);
        if !self.is_to_go_on(doing, socket, targets).await {
            // The other process's copy of the socket is the only one now.
            drop(stays);
            std::future::pending::<()>().await;
            return Begin::Attempt;
        }
        Begin::Stream(match stays {
            Stays::Whole(stream) => stream,
            Stays::Parked(stream) => match self.status.hold().unpark() {
                Some(parked) => stream.with(parked.into_body()),
                None => return Begin::Attempt,
            },
        })
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

    /// A stream with its connection, where that can be given, and what of it stays here. Where it
    /// can't, and the origin could not be told where to go on, the other process reads it through
    /// this one.
    fn given_stream(&self, stream: OpenStream) -> (Doing, Option<OwnedFd>, Stays) {
        if let Some((body, socket)) = stream.body.carried() {
            let doing = self.carried_stream(body, &stream.rest());
            return (doing, Some(socket), Stays::Whole(stream));
        }
        let pipes = self.status.hold().pipes();
        let pipes = pipes.filter(|_| self.resume_point.header().is_none());
        let Some(pipes) = pipes else {
            return (Doing::Reopening, None, Stays::Whole(stream));
        };
        let rest = stream.rest();
        match pipes.open(stream.body) {
            Ok((parked, socket)) => {
                self.status.hold().park(parked);
                let doing = self.carried_stream(Carried::beginning(), &rest);
                (doing, Some(socket), Stays::Parked(rest))
            }
            Err(body) => (Doing::Reopening, None, Stays::Whole(rest.with(body))),
        }
    }

    fn carried_stream(&self, body: Carried, stream: &BodilessStream) -> Doing {
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
        Doing::Reading(Box::new(carried))
    }

    /// Begins with what another process has given: where, and with which of the URLs.
    ///
    /// Where the settings are others, the place in the stream is all that counts: it connects by
    /// the new ones, as after a reload.
    pub(super) fn take_over(&mut self, taken: Taken) -> (Begin, (usize, usize)) {
        let Taken {
            carried,
            socket,
            overlaps,
        } = taken;
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
            Doing::Reading(stream) => {
                let stream = self.taken_stream(*stream, socket, overlaps);
                stream.map_or(Begin::Attempt, Begin::Stream)
            }
            Doing::Waiting { left_ms } => Begin::Wait(Duration::from_millis(left_ms).min(WAIT_MAX)),
            _ => Begin::Attempt,
        };
        if let Begin::Stream(_) = begin {
            self.reporter.goes_on();
        }
        (begin, (carried.url_index as usize, carried.urls_failed as usize))
    }

    /// `None`: it makes no sense, and the stream is asked for anew.
    fn taken_stream(
        &mut self,
        carried: CarriedStream,
        socket: Option<OwnedFd>,
        overlaps: Arc<Semaphore>,
    ) -> Option<OpenStream> {
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
        let body = match body.is_piped() {
            true => AnswerBody::Piped(Box::new(PipedBody { body, overlaps })),
            false => AnswerBody::Http1(Box::new(body)),
        };
        Some(OpenStream {
            body,
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
