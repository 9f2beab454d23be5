//! Attempt, read, fail, wait, attempt again: what an upstream does for as long as its setup stays
//! the same.

use super::answer::{Meaning, Refusal, meaning};
use super::backoff::Backoff;
use super::discovery::discover;
use super::exchange::AnswerBody;
use super::handover::Doing;
use super::read::{Left, Stream};
use super::redirect;
use super::report::Reporter;
use super::request::{ConfiguredOrigin, Wanted};
use super::resume_point::ResumePoint;
use super::status::StatusCell;
use super::targets::{Next, Targets};
use super::url::Url;
use super::{Failure, Reason, Resume, Sink, Verdict};
use crate::config;
use crate::event_stream::{Parser, ParserOptions};
use crate::metrics::UpstreamMetrics;
use crate::redaction::redact;
use metrics::{Counter, Gauge};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// No attempt lasts longer, whatever is configured: a day from now is a time that any clock can
/// hold.
pub(super) const ATTEMPT_MAX: Duration = Duration::from_secs(86_400);

/// All that an upstream may get anew while it runs. Replaced as a whole.
pub(crate) struct Setup {
    pub(crate) config: Arc<config::Upstream>,
    pub(crate) parser: ParserOptions,
    pub(crate) metrics: Arc<UpstreamMetrics>,
}

/// What lasts over all attempts.
pub(super) struct Runner<'a, S> {
    pub(super) setup: Arc<Setup>,
    pub(super) sink: S,
    pub(super) status: &'a StatusCell,
    pub(super) bytes_received: &'a Counter,
    pub(super) backoff: Backoff,
    pub(super) resume_point: ResumePoint,
    pub(super) parser: Parser,
    pub(super) reporter: Reporter,
}

/// Where it begins, or goes on.
#[derive(Default)]
pub(super) enum Begin {
    /// With an attempt.
    #[default]
    Attempt,
    /// With the rest of a wait.
    Wait(Duration),
    /// In the middle of a stream; the parser, too, is in it.
    Stream(OpenStream),
}

/// A stream that is being read.
pub(super) struct OpenStream {
    pub(super) body: AnswerBody,
    pub(super) opened: Instant,
    /// Events seen so far.
    pub(super) events: u64,
}

impl OpenStream {
    /// Whether another process has the connection, and passes the stream on.
    fn is_piped(&self) -> bool {
        matches!(self.body, AnswerBody::Piped(_))
    }
}

/// How an attempt that opened no stream went, or a stream.
pub(super) enum Outcome {
    /// 204.
    Ended,
    /// The sink has the last event.
    Over,
    /// The attempt failed, or the stream did before it had lived.
    Failed(Refusal),
    /// A stream that had lived was cut.
    Cut(Failure),
    /// It has to hold still in a stream, or (`None`) before there was one.
    Held(Option<OpenStream>),
}

impl<S: Sink> Runner<'_, S> {
    /// Goes on by another setup. What the stream has yielded stays, and so does the place in it.
    pub(super) fn replace(&mut self, setup: Arc<Setup>) {
        // An attempt is dropped wherever it waits: perhaps between an event and its flush.
        self.sink.flush();
        self.backoff = Backoff::new(setup.config.reconnect, setup.config.reconnect_max);
        self.parser = Parser::new(setup.parser);
        self.resume_point.asks_anew();
        self.setup = setup;
    }

    /// Returns whether the stream has ended for good.
    pub(super) async fn run(&mut self, mut targets: Targets<'_>, mut begin: Begin) -> bool {
        let mut retry_after = None;
        loop {
            let outcome = match begin {
                Begin::Attempt => match self.attempt(&targets).await {
                    Ok(stream) => {
                        begin = Begin::Stream(stream);
                        continue;
                    }
                    Err(outcome) => outcome,
                },
                Begin::Stream(stream) if stream.is_piped() => {
                    // Boxed: it is once in the life of a process, and is many times as large.
                    match Box::pin(self.overlap(stream, &targets)).await {
                        Ok(stream) => {
                            begin = Begin::Stream(stream);
                            continue;
                        }
                        Err(outcome) => outcome,
                    }
                }
                Begin::Stream(stream) => self.follow(stream).await,
                Begin::Wait(wait) => {
                    self.wait(wait, &targets).await;
                    self.status.reconnecting();
                    begin = Begin::Attempt;
                    continue;
                }
            };
            let (refusal, lived) = match outcome {
                // Of merged upstreams another one may have brought the last event meanwhile.
                _ if self.sink.is_over() => return true,
                Outcome::Over => return true,
                Outcome::Ended => {
                    self.sink.ended();
                    return true;
                }
                Outcome::Held(stream) => {
                    begin = Box::pin(self.hold_still(stream, &targets)).await;
                    continue;
                }
                Outcome::Failed(refusal) => (refusal, false),
                Outcome::Cut(failure) => (failure.into(), true),
            };
            if lived {
                self.backoff.reset();
            }
            // One that was told to wait is told so for all: they are the same origin.
            retry_after = retry_after.max(refusal.retry_after);
            let next = targets.failed(lived);
            let wait = match next {
                Next::Wait => self.backoff.next(retry_after.take(), fastrand::f64()),
                Next::AtOnce => Duration::ZERO,
            };
            if self.fails(&refusal.failure, wait, next) == Verdict::Stop {
                return false;
            }
            begin = Begin::Wait(wait);
        }
    }

    /// Waits for the next attempt.
    async fn wait(&mut self, wait: Duration, targets: &Targets<'_>) {
        if wait.is_zero() {
            return;
        }
        self.status.waiting(wait);
        let due = Instant::now() + wait;
        let hold = self.status.hold();
        while hold.unless_asked(pin!(sleep_until(due))).await.is_none() {
            let left = due.saturating_duration_since(Instant::now()).as_millis();
            let doing = Doing::Waiting { left_ms: left as u64 };
            Box::pin(self.give(doing, None, targets)).await;
        }
    }

    /// Tells status, sink, log and metrics of a failure.
    fn fails(&mut self, failure: &Failure, wait: Duration, next: Next) -> Verdict {
        self.status.failed(failure);
        let verdict = self.sink.failed(failure, next == Next::AtOnce);
        match verdict {
            Verdict::Stop => self.reporter.gave_up(failure),
            Verdict::Retry => {
                self.reporter.failed(failure, wait);
                self.setup.metrics.reconnecting(failure.reason.label());
            }
        }
        verdict
    }

    /// One attempt: a stream, or how else it went.
    async fn attempt(&mut self, targets: &Targets<'_>) -> Result<OpenStream, Outcome> {
        let (target, is_feed) = targets.current();
        let hold = self.status.hold();
        self.status.connecting(redact(target));
        self.reporter.connecting(&redact(target));
        // Boxed: four fifths of it are of no use any more once the stream is open.
        let opened = hold.unless_asked(Box::pin(self.open(target, is_feed))).await;
        let Opened { url, resume, body } = match opened {
            None => return Err(Outcome::Held(None)),
            Some(Ok(Some(opened))) => opened,
            Some(Ok(None)) => return Err(Outcome::Ended),
            Some(Err(refusal)) => return Err(Outcome::Failed(refusal)),
        };
        self.status.connected();
        self.reporter.connected(&url.redacted(), resume);
        self.sink.connected(resume);
        self.parser.reset();
        let opened = Instant::now();
        Ok(OpenStream {
            body,
            opened,
            events: 0,
        })
    }

    /// A stream to its end.
    async fn follow(&mut self, mut open: OpenStream) -> Outcome {
        let setup = self.setup.clone();
        let _connected = Connected::new(&setup.metrics.connected);
        let mut stream = Stream {
            sink: &mut self.sink,
            parser: &mut self.parser,
            resume_point: &mut self.resume_point,
            backoff: &mut self.backoff,
            status: self.status,
            bytes_received: self.bytes_received,
            read_timeout: setup.config.read_timeout,
            events: open.events,
            hold: self.status.hold(),
        };
        let left = stream.read(&mut open.body).await;
        open.events = stream.events;
        let lived = self.backoff.has_lived(open.events, open.opened.elapsed());
        match left {
            Left::Over => Outcome::Over,
            Left::Held => Outcome::Held(Some(open)),
            Left::Failed(failure) if lived => Outcome::Cut(failure),
            Left::Failed(failure) => Outcome::Failed(failure.into()),
        }
    }

    /// From a configured URL to a stream that is open; `None`: the origin answered that it has
    /// ended for good.
    async fn open(&mut self, target: &str, is_feed: bool) -> Result<Option<Opened>, Refusal> {
        let unusable = |why| Failure::new(Reason::Dns, format!("{:?} is no usable URL: {why}", redact(target)));
        let setup = self.setup.clone();
        let configured = ConfiguredOrigin::new(&setup.config, Url::parse(target).map_err(unusable)?);
        let start = match is_feed {
            true => {
                let named = discover(&configured, self.deadline()).await?;
                self.status.names(&named);
                named
            }
            false => configured.url().clone(),
        };
        let moved = |url: &Url| self.status.moved(url.redacted());
        moved(&start);
        let id = self.resume_point.header();
        let resume = self.resume_point.resume(id.as_ref());
        let wanted = Wanted::Stream(id.as_ref());
        let answered = redirect::get(&configured, start, wanted, self.deadline(), moved).await;
        let (url, answer) = answered.inspect_err(|failure| self.resume_point.refused(failure))?;
        match meaning(&answer.head) {
            Meaning::Stream => Ok(Some(Opened {
                url,
                resume,
                body: answer.body,
            })),
            Meaning::Ended => {
                self.reporter.ended(&url.redacted());
                Ok(None)
            }
            Meaning::Failure(refusal) => {
                self.resume_point.refused(&refusal.failure);
                Err(refusal)
            }
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.setup.config.connect_timeout.min(ATTEMPT_MAX)
    }
}

/// A stream that has just been opened.
struct Opened {
    url: Url,
    resume: Resume,
    body: AnswerBody,
}

/// While it lives, the gauge is one higher.
pub(super) struct Connected<'a>(&'a Gauge);

impl<'a> Connected<'a> {
    pub(super) fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
