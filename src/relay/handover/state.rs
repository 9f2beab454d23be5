//! What a process knows of the upgrades that it has seen.

use super::records::{Left, Told};
use crate::handover::{Breaker, ControlSocket, FORMATS, Hello, Kind, Link, LinkError, decode};
use crate::metrics::{HandOverOutcome, Metrics};

use crate::status::UpgradeStatus;
use crate::timestamp::Timestamp;
use crate::upstream::handover::Pipes;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long a process may take to say who it is.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// The hand-over of a process: whether it can, whether it is about to, whether it has.
pub(in crate::relay) struct HandOver {
    /// Where another process finds this one; `None`: the configuration has no `handover`.
    pub(in crate::relay) control: Option<Arc<ControlSocket>>,
    metrics: Arc<Metrics>,
    done: CancellationToken,
    known: Mutex<Known>,
    /// What the new process still reads through this one.
    pipes: OnceLock<Arc<Pipes>>,
}

#[derive(Default)]
struct Known {
    under_way: UnderWay,
    failed: u64,
    last_failure: String,
    last: Option<UpgradeStatus>,
    handed_over: Option<HandedOver>,
}

#[derive(Default)]
enum UnderWay {
    #[default]
    Nothing,
    /// By this it can be broken off.
    Giving(Breaker),
    /// The process is leaving, or has handed over: no other begins.
    Over,
}

/// A hand-over that is done.
pub(in crate::relay) struct HandedOver {
    /// To the new process.
    pub(super) link: Arc<Link>,
    /// The new process.
    pub(in crate::relay) process: u32,
    /// Clients that stay here, to be drained.
    pub(super) stay: u64,
}

impl HandOver {
    pub(in crate::relay) fn new(control: Option<ControlSocket>, metrics: Arc<Metrics>) -> Self {
        if control.is_some() {
            metrics.announce_hand_overs();
        }
        Self {
            control: control.map(Arc::new),
            metrics,
            done: CancellationToken::new(),
            known: Mutex::default(),
            pipes: OnceLock::new(),
        }
    }

    /// These streams of origins are passed on to the new process.
    pub(super) fn passes_on(&self, pipes: Arc<Pipes>) {
        // A process hands over once.
        let _ = self.pipes.set(pipes);
    }

    /// Completes when nothing is passed on any more: then the new process has connections of its own.
    pub(in crate::relay) async fn nothing_passed_on(&self) {
        if let Some(pipes) = self.pipes.get() {
            pipes.closed().await;
        }
    }

    /// Begins; an error says why not. `breaker` breaks it off.
    pub(super) fn begin(&self, breaker: Breaker) -> Result<(), &'static str> {
        let mut known = self.known();
        match known.under_way {
            UnderWay::Nothing => {
                known.under_way = UnderWay::Giving(breaker);
                Ok(())
            }
            UnderWay::Giving(_) => Err("another process is taking over at this moment"),
            UnderWay::Over => Err("this process is leaving"),
        }
    }

    /// Passes the point of no return, by `last_word`, unless it was broken off before.
    pub(super) fn commit(&self, last_word: impl FnOnce() -> Result<(), LinkError>) -> Result<(), LinkError> {
        let mut known = self.known();
        if !matches!(known.under_way, UnderWay::Giving(_)) {
            return Err(LinkError::Closed);
        }
        last_word()?;
        known.under_way = UnderWay::Over;
        if let Some(control) = &self.control {
            control.handed_over();
        }
        Ok(())
    }

    /// The process leaves: what is under way is broken off, unless it is beyond the point of no
    /// return, and nothing begins any more.
    pub(in crate::relay) fn leave(&self) {
        if let UnderWay::Giving(breaker) = std::mem::replace(&mut self.known().under_way, UnderWay::Over) {
            breaker.break_off();
        }
    }

    /// The process ends. Whatever thread still answers another process: none finds this one any more.
    pub(in crate::relay) fn end(&self) {
        self.leave();
        if let Some(control) = &self.control {
            control.remove();
        }
    }

    /// It came to nothing.
    pub(in crate::relay) fn failed(&self, why: String) {
        tracing::error!("not handed over, everything stays with this process: {why}");
        self.metrics.handed_over(HandOverOutcome::Failed, 1);
        let mut known = self.known();
        if matches!(known.under_way, UnderWay::Giving(_)) {
            known.under_way = UnderWay::Nothing;
        }
        known.failed += 1;
        known.last_failure.clone_from(&why);
        known.last = Some(UpgradeStatus {
            at: Timestamp::now(),
            outcome: HandOverOutcome::Failed.label(),
            said: why,
            clients: 0,
        });
    }

    /// How many came to nothing.
    pub(in crate::relay) fn failures(&self) -> u64 {
        self.known().failed
    }

    /// It ended without having begun: nothing is counted.
    pub(super) fn refused(&self) {
        let mut known = self.known();
        if matches!(known.under_way, UnderWay::Giving(_)) {
            known.under_way = UnderWay::Nothing;
        }
    }

    /// All that was given is another process's.
    pub(super) fn done(&self, handed_over: HandedOver) {
        self.known().handed_over = Some(handed_over);
        self.done.cancel();
    }

    /// This process has taken over: so many clients, in this time.
    pub(super) fn taken(&self, clients: u64, said: String) {
        self.metrics.handed_over(HandOverOutcome::HandedOver, clients);
        self.known().last = Some(UpgradeStatus {
            at: Timestamp::now(),
            outcome: HandOverOutcome::HandedOver.label(),
            said,
            clients,
        });
    }

    /// What had to stay with the process before has left it.
    pub(super) fn left(&self, left: Left) {
        self.metrics.handed_over(HandOverOutcome::Drained, left.drained);
        self.metrics.handed_over(HandOverOutcome::Cut, left.cut);
    }

    /// Completes once everything is another process's.
    pub(in crate::relay) async fn until_done(&self) {
        self.done.cancelled().await;
    }

    /// Whether everything is another process's.
    pub(in crate::relay) fn is_done(&self) -> bool {
        self.done.is_cancelled()
    }

    /// The process that has everything now.
    pub(in crate::relay) fn successor(&self) -> Option<u32> {
        self.known().handed_over.as_ref().map(|handed_over| handed_over.process)
    }

    /// Tells the new process what became of those that stayed here.
    pub(in crate::relay) fn tell_left(&self, cut: u64) {
        let Some(HandedOver { link, stay, .. }) = self.known().handed_over.take() else {
            return;
        };
        let left = Left {
            drained: stay.saturating_sub(cut),
            cut,
        };
        // It may have ended meanwhile, and then wants to know nothing.
        let _ = link.send(Kind::Left, &left);
    }

    /// The last upgrade, if there was one.
    pub(in crate::relay) fn last(&self) -> Option<UpgradeStatus> {
        self.known().last.clone()
    }

    /// What this process says of itself.
    pub(super) fn told(&self) -> Told {
        let known = self.known();
        Told {
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            failed: known.failed,
            last_failure: known.last_failure.clone(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the process behind a control socket who it is.
pub fn ask(path: &Path) -> Result<Told, LinkError> {
    let link = Link::connect(path)?;
    link.set_patience(Some(ANSWER_MAX))?;
    let hello = Hello::new(FORMATS, env!("CARGO_PKG_VERSION"), 0);
    link.send_bytes(Kind::Ask, &hello.bytes()?, &[])?;
    let frame = link.expect(Kind::Told, "an answer")?;
    decode(&frame.payload)
}
