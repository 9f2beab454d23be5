//! The runner of an upstream: attempt, read, fail, wait, attempt again.

use super::Sink;
use super::backoff::Backoff;
use super::handover::Taken;
use super::report::{Reporter, Reports};
use super::resume_point::ResumePoint;
use super::runner::{Begin, Runner, Setup};
use super::status::StatusCell;
use super::targets::Targets;
use crate::config::{self, Target};
use crate::event_stream::{Parser, ParserOptions};
use crate::metrics::UpstreamMetrics;
use metrics::Counter;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::sleep;

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
    let place = ResumePoint::after(options.last_event_id.as_deref().unwrap_or_default().as_bytes());
    follow(setups, fixed, place, sink, status, None).await;
}

/// The same with a setup that may be replaced: then it reconnects by the new one, and goes on
/// behind the last event ID. `place`: the one that it begins with; empty: none. `taken`: what another
/// process has given, to go on with.
pub(crate) fn run_by<S: Sink, F: Fn(&Target) -> Target>(
    setups: watch::Receiver<Arc<Setup>>,
    fixed: Fixed<F>,
    place: &[u8],
    sink: S,
    status: Arc<StatusCell>,
    taken: Option<Box<Taken>>,
) -> impl Future<Output = ()> + use<S, F> {
    // No function of its own around it, which would keep the arguments a second time.
    let place = ResumePoint::after(place);
    follow(setups, fixed, place, sink, status, taken)
}

async fn follow<S: Sink, F: Fn(&Target) -> Target>(
    mut setups: watch::Receiver<Arc<Setup>>,
    fixed: Fixed<F>,
    resume_point: ResumePoint,
    sink: S,
    status: Arc<StatusCell>,
    taken: Option<Box<Taken>>,
) {
    let _present = status.hold().enter();
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
    let (mut begin, mut place) = match taken {
        Some(taken) => runner.take_over(*taken),
        None => (Begin::Attempt, (0, 0)),
    };
    loop {
        let target = (fixed.fill)(&runner.setup.config.target);
        let (at, failed) = std::mem::take(&mut place);
        let targets = Targets::new(&target).at(at, failed);
        let replaced = tokio::select! {
            ended = runner.run(targets, std::mem::take(&mut begin)) => {
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
        let bytes = size_of_val(&run_by(setups, fixed, b"", sink, Arc::new(StatusCell::new()), None));
        assert!(bytes <= 2048, "{bytes} bytes");
    }
}
