//! Where a running upstream is asked to hold still, gives what it is, and waits for what becomes of
//! it.
//!
//! One side is a plain thread that hands the process over, and may block; the other is the upstream,
//! a future. An upstream that has given itself reads nothing and says nothing until it is told to
//! go on, as if nothing had been, or that it is another process's now.

use super::CarriedUpstream;
use super::pipe::{Parked, Pipes};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What an upstream gives: itself, and the socket of its connection, if that goes with it.
pub type Given = (CarriedUpstream, Option<OwnedFd>);

/// See the module.
#[derive(Debug, Default)]
pub struct Hold {
    /// Whether it has to hold still: so that it is looked at before each read for next to nothing.
    /// Changed only with `state`, under its lock.
    asked: AtomicBool,
    inner: Mutex<Inner>,
    /// Notified when something was given, or there is nothing to give.
    given: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    state: State,
    /// The upstream runs.
    present: bool,
    /// Wakes it.
    waker: Option<Waker>,
    /// By what a connection goes on that can't be given.
    pipes: Option<Arc<Pipes>>,
    /// Such a connection's body, while the upstream holds still.
    parked: Option<Parked>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Running,
    Asked,
    Given(Box<Given>),
    /// What was given has been fetched.
    Fetched,
    LetGo,
}

/// What an upstream has given, as far as it could.
#[derive(Debug)]
pub(crate) enum Answer {
    Given(Box<Given>),
    /// It does not run: it has ended, or has not begun.
    Absent,
    /// It does not hold still in time.
    Late,
}

impl Hold {
    /// Asks it to hold still. Does not wait. `pipes`: by these a connection goes on that can't be
    /// given.
    pub(crate) fn freeze(&self, pipes: &Arc<Pipes>) {
        self.lock().pipes = Some(pipes.clone());
        self.change(State::Asked, true);
    }

    /// What it is, once it holds still.
    pub(crate) fn fetch(&self, deadline: Instant) -> Answer {
        let mut inner = self.lock();
        loop {
            match std::mem::replace(&mut inner.state, State::Fetched) {
                State::Given(given) => return Answer::Given(given),
                state => inner.state = state,
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !inner.present {
                return Answer::Absent;
            }
            if left.is_zero() {
                return Answer::Late;
            }
            let waited = self.given.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// It goes on as if nothing had been.
    pub fn thaw(&self) {
        self.change(State::Running, false);
    }

    /// It is another process's now: it goes on no more, and says nothing to anyone. What that process
    /// reads through this one is to be passed on.
    pub(crate) fn let_go(&self) -> Option<Parked> {
        let parked = self.lock().parked.take();
        self.change(State::LetGo, true);
        parked
    }

    fn change(&self, state: State, asked: bool) {
        let mut inner = self.lock();
        // What was given and not fetched goes with its socket's copy.
        inner.state = state;
        self.asked.store(asked, Ordering::Relaxed);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is a plain assignment: what a panicking thread left is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The upstream's side.
impl Hold {
    /// It runs, until what is returned is dropped.
    pub(crate) fn enter(&self) -> Present<'_> {
        self.lock().present = true;
        Present(self)
    }

    /// Whether it has to hold still.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ready once it has to hold still.
    pub(crate) fn poll_asked(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        if self.is_asked() {
            return Poll::Ready(());
        }
        inner.wake_later(cx);
        Poll::Pending
    }

    /// What comes of `wanted`; `None`: it has to hold still before that has come. Pinned by the
    /// caller: a future that is moved in here would be kept twice.
    pub(crate) fn unless_asked<T>(&self, wanted: impl Future<Output = T> + Unpin) -> impl Future<Output = Option<T>> {
        let mut wanted = wanted;
        std::future::poll_fn(move |cx| match Pin::new(&mut wanted).poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => self.poll_asked(cx).map(|()| None),
        })
    }

    /// By what a connection goes on that can't be given.
    pub(crate) fn pipes(&self) -> Option<Arc<Pipes>> {
        self.lock().pipes.clone()
    }

    /// Lays down the body of such a connection, before it gives what it is.
    pub(crate) fn park(&self, parked: Parked) {
        self.lock().parked = Some(parked);
    }

    /// Takes it up again.
    pub(crate) fn unpark(&self) -> Option<Parked> {
        self.lock().parked.take()
    }

    /// Gives what it is, and returns whether it is to go on: if not, it is another process's.
    pub(crate) async fn give(&self, given: Given) -> bool {
        let mut given = Some(Box::new(given));
        std::future::poll_fn(|cx| {
            let mut inner = self.lock();
            match (&inner.state, given.take()) {
                (State::Running, _) => return Poll::Ready(true),
                (State::LetGo, _) => return Poll::Ready(false),
                // Asked again before it has gone on: so it goes on, and comes back.
                (State::Asked, None) => return Poll::Ready(true),
                (State::Asked, Some(given)) => {
                    inner.state = State::Given(given);
                    self.given.notify_all();
                }
                (State::Given(_) | State::Fetched, _) => {}
            }
            inner.wake_later(cx);
            Poll::Pending
        })
        .await
    }
}

impl Inner {
    fn wake_later(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

/// While it lives, the upstream runs.
pub(crate) struct Present<'a>(&'a Hold);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.present = false;
        inner.waker = None;
        self.0.given.notify_all();
    }
}
