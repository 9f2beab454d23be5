//! The runner of an upstream: attempt, read, fail, wait, attempt again.

use super::answer::{Meaning, Refusal, meaning};
use super::backoff::Backoff;
use super::discovery::discover;
use super::exchange::AnswerBody;
use super::read::Stream;
use super::redirect;
use super::report::{Reporter, Reports};
use super::request::{ConfiguredOrigin, Wanted};
use super::resume_point::ResumePoint;
use super::status::StatusCell;
use super::targets::{Next, Targets};
use super::url::Url;
use super::{Failure, Reason, Resume, Sink, Verdict};
use crate::config::{self, Target};
use crate::event_stream::{Parser, ParserOptions};
use crate::metrics::UpstreamMetrics;
use crate::redaction::redact;
use metrics::{Counter, Gauge};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// No attempt lasts longer, whatever is configured: a day from now is a time that any clock can
/// hold.
const ATTEMPT_MAX: Duration = Duration::from_secs(86_400);

/// What an upstream is run with, beside its configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// The source's name, for log lines.
    pub source: String,
    /// The configured target, with the source's `{parameter}`s filled in.
    pub target: Target,
    /// Where to go on, if not at the origin's choice.
    pub last_event_id: Option<String>,
    /// The parser's bounds and choices.
    pub parser: ParserOptions,
    /// One of a templated source's thousands: what happens to them is logged as if they were one,
    /// and what is usual is not.
    pub reports: Option<Arc<Reports>>,
}

/// The metrics that an upstream moves.
pub struct Handles {
    /// Its own. The gauge is moved by one up and down, so that channels of one source add up.
    pub upstream: Arc<UpstreamMetrics>,
    /// `fanfare_bytes_received_total` of its source.
    pub bytes_received: Counter,
}

/// All that an upstream may get anew while it runs. Replaced as a whole.
pub(crate) struct Setup {
    pub(crate) config: Arc<config::Upstream>,
    pub(crate) parser: ParserOptions,
    pub(crate) metrics: Arc<UpstreamMetrics>,
}

/// What an upstream keeps as long as it runs.
pub(crate) struct Fixed<F> {
    /// The source's name, for log lines.
    pub(crate) source: String,
    /// Puts the source's parameters into a configured target.
    pub(crate) fill: F,
    /// See [`Options::reports`].
    pub(crate) reports: Option<Arc<Reports>>,
    /// See [`Handles::bytes_received`].
    pub(crate) bytes_received: Counter,
}

/// Keeps one upstream connected until the stream has ended for good, the sink says stop, or this is
/// dropped.
///
/// `config.target` is not looked at: `options.target` stands in its place.
pub async fn run<S: Sink>(
    config: Arc<config::Upstream>,
    options: Options,
    sink: S,
    status: Arc<StatusCell>,
    handles: Handles,
) {
    let (_stays, setups) = watch::channel(Arc::new(Setup {
        config,
        parser: options.parser,
        metrics: handles.upstream,
    }));
    let fixed = Fixed {
        source: options.source,
        fill: |_: &Target| options.target.clone(),
        reports: options.reports,
        bytes_received: handles.bytes_received,
    };
    let place = ResumePoint::after(options.last_event_id.as_deref().unwrap_or_default());
    follow(setups, fixed, place, sink, status).await;
}

/// The same with a setup that may be replaced: then it reconnects by the new one, and goes on
/// behind the last event ID.
pub(crate) fn run_by<S: Sink, F: Fn(&Target) -> Target>(
    setups: watch::Receiver<Arc<Setup>>,
    fixed: Fixed<F>,
    sink: S,
    status: Arc<StatusCell>,
) -> impl Future<Output = ()> {
    // No function of its own around it, which would keep the arguments a second time.
    follow(setups, fixed, ResumePoint::default(), sink, status)
}

async fn follow<S: Sink, F: Fn(&Target) -> Target>(
    mut setups: watch::Receiver<Arc<Setup>>,
    fixed: Fixed<F>,
    resume_point: ResumePoint,
    sink: S,
    status: Arc<StatusCell>,
) {
    let setup = setups.borrow_and_update().clone();
    let mut runner = Runner {
        backoff: Backoff::new(setup.config.reconnect, setup.config.reconnect_max),
        resume_point,
        parser: Parser::new(setup.parser),
        reporter: Reporter::new(&fixed.source, &setup.config.name, fixed.reports.clone()),
        setup,
        sink,
        status: &status,
        bytes_received: &fixed.bytes_received,
    };
    let mut leaving = Leaving {
        status: &status,
        ended: false,
    };
    // Of thousands, not all reconnect in the same moment.
    let spread = fixed.reports.is_some();
    loop {
        let target = (fixed.fill)(&runner.setup.config.target);
        let replaced = tokio::select! {
            ended = runner.run(Targets::new(&target)) => {
                leaving.ended = ended;
                return;
            }
            setup = another(&mut setups, spread) => setup,
        };
        let name = &replaced.config.name;
        runner.reporter = Reporter::new(&fixed.source, name, fixed.reports.clone());
        runner.replace(replaced);
    }
}

/// The setup that comes next; what one of many reconnects by when it is its turn.
async fn another(setups: &mut watch::Receiver<Arc<Setup>>, spread: bool) -> Arc<Setup> {
    if setups.changed().await.is_err() {
        // What could replace it is gone: this one stays.
        std::future::pending::<()>().await;
    }
    let config = setups.borrow_and_update().config.clone();
    if spread {
        sleep(config.reconnect.mul_f64(fastrand::f64())).await;
    }
    setups.borrow_and_update().clone()
}

/// What lasts over all attempts.
struct Runner<'a, S> {
    setup: Arc<Setup>,
    sink: S,
    status: &'a StatusCell,
    bytes_received: &'a Counter,
    backoff: Backoff,
    resume_point: ResumePoint,
    parser: Parser,
    reporter: Reporter,
}

/// How an attempt, and the stream that it opened, went.
enum Outcome {
    /// 204.
    Ended,
    /// The sink has the last event.
    Over,
    /// The attempt failed, or the stream did before it had lived.
    Failed(Refusal),
    /// A stream that had lived was cut.
    Cut(Failure),
}

impl<S: Sink> Runner<'_, S> {
    /// Goes on by another setup. What the stream has yielded stays, and so does the place in it.
    fn replace(&mut self, setup: Arc<Setup>) {
        // An attempt is dropped wherever it waits: perhaps between an event and its flush.
        self.sink.flush();
        self.backoff = Backoff::new(setup.config.reconnect, setup.config.reconnect_max);
        self.parser = Parser::new(setup.parser);
        self.resume_point.asks_anew();
        self.setup = setup;
    }

    /// Returns whether the stream has ended for good.
    async fn run(&mut self, mut targets: Targets<'_>) -> bool {
        let mut retry_after = None;
        loop {
            let (target, is_feed) = targets.current();
            let outcome = self.attempt(target, is_feed).await;
            let (refusal, lived) = match outcome {
                // Of merged upstreams another one may have brought the last event meanwhile.
                _ if self.sink.is_over() => return true,
                Outcome::Over => return true,
                Outcome::Ended => {
                    self.sink.ended();
                    return true;
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
            if !wait.is_zero() {
                self.status.waiting(wait);
                sleep(wait).await;
            }
            self.status.reconnecting();
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

    /// One attempt, and if it succeeds, the stream to its end.
    async fn attempt(&mut self, target: &str, is_feed: bool) -> Outcome {
        self.status.connecting(redact(target));
        self.reporter.connecting(&redact(target));
        // Boxed: four fifths of it are of no use any more once the stream is open.
        let Opened { url, resume, mut body } = match Box::pin(self.open(target, is_feed)).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Outcome::Ended,
            Err(refusal) => return Outcome::Failed(refusal),
        };
        let setup = self.setup.clone();
        let _connected = Connected::new(&setup.metrics.connected);
        self.status.connected();
        self.reporter.connected(&url.redacted(), resume);
        self.sink.connected(resume);
        self.parser.reset();
        let opened = Instant::now();
        let mut stream = Stream {
            sink: &mut self.sink,
            parser: &mut self.parser,
            resume_point: &mut self.resume_point,
            backoff: &mut self.backoff,
            status: self.status,
            bytes_received: self.bytes_received,
            read_timeout: setup.config.read_timeout,
            events: 0,
        };
        let read = stream.read(&mut body).await;
        let events = stream.events;
        let lived = self.backoff.has_lived(events, opened.elapsed());
        match read {
            Ok(()) => Outcome::Over,
            Err(failure) if lived => Outcome::Cut(failure),
            Err(failure) => Outcome::Failed(failure.into()),
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

/// An open stream.
struct Opened {
    url: Url,
    resume: Resume,
    body: AnswerBody,
}

/// While it lives, the gauge is one higher.
struct Connected<'a>(&'a Gauge);

impl<'a> Connected<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

/// However the upstream leaves, its state says so.
struct Leaving<'a> {
    status: &'a StatusCell,
    ended: bool,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.status.left(self.ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an upstream costs beside its connection's buffers: templated sources have thousands of
    /// them.
    #[test]
    fn an_upstream_is_small() {
        let (_stays, setups) = watch::channel(Arc::new(Setup {
            config: Arc::new(crate::upstream::testing::config("http://h/")),
            parser: ParserOptions {
                event_bytes_max: 1,
                comments: false,
            },
            metrics: Arc::new(UpstreamMetrics::uncounted()),
        }));
        let fixed = Fixed {
            source: "source".to_owned(),
            fill: Target::clone,
            reports: None,
            bytes_received: Counter::noop(),
        };
        let sink = crate::upstream::testing::Recorder::default();
        let bytes = size_of_val(&run_by(setups, fixed, sink, Arc::new(StatusCell::new())));
        assert!(bytes <= 2048, "{bytes} bytes");
    }
}
