//! Stand-ins for what the model checker has no version of. They promise no more than the real ones
//! do.

use loom::sync::atomic::{AtomicUsize, Ordering};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// arc-swap's contract and nothing beyond: a value is published by a read-modify-write that
/// releases, and seen by a load that acquires. The values lie in a list that the checker does not
/// look at; what is modelled is which one is seen.
#[derive(Debug)]
pub(crate) struct Swap<T> {
    values: Mutex<Vec<Option<Arc<T>>>>,
    current: AtomicUsize,
}

impl<T> Swap<T> {
    pub(crate) fn empty() -> Self {
        Self {
            values: Mutex::new(vec![None]),
            current: AtomicUsize::new(0),
        }
    }

    pub(crate) fn load(&self) -> Option<Arc<T>> {
        self.at(self.current.load(Ordering::Acquire))
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        self.current.swap(self.keep(value), Ordering::AcqRel);
    }

    pub(crate) fn update(&self, change: impl Fn(Option<&T>) -> T) {
        let mut seen = self.current.load(Ordering::Acquire);
        loop {
            let new = self.keep(Some(Arc::new(change(self.at(seen).as_deref()))));
            match self
                .current
                .compare_exchange(seen, new, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    fn at(&self, n: usize) -> Option<Arc<T>> {
        self.values.lock().unwrap()[n].clone()
    }

    fn keep(&self, value: Option<Arc<T>>) -> usize {
        let mut values = self.values.lock().unwrap();
        values.push(value);
        values.len() - 1
    }
}

/// `std::sync::mpsc`: what was sent is seen by a receive that acquires it, which may come late. The
/// checker's own queue is seen by every thread at once, and would hide a missing fence.
pub(crate) mod mpsc {
    use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use std::sync::mpsc::{SendError, TryRecvError};
    use std::sync::{Arc, Mutex};

    #[derive(Debug)]
    struct Shared<T> {
        notes: Mutex<Vec<Option<T>>>,
        sent: AtomicUsize,
        taken: AtomicUsize,
    }

    #[derive(Debug)]
    pub(crate) struct Sender<T>(Arc<Shared<T>>);
    #[derive(Debug)]
    pub(crate) struct Receiver<T>(Arc<Shared<T>>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sent, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Arc::new(Shared {
            notes: Mutex::new(Vec::new()),
            sent,
            taken,
        });
        (Sender(shared.clone()), Receiver(shared))
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Sender<T> {
        pub(crate) fn send(&self, note: T) -> Result<(), SendError<T>> {
            self.0.notes.lock().unwrap().push(Some(note));
            self.0.sent.fetch_add(1, Ordering::AcqRel);
            Ok(())
        }
    }

    impl<T> Receiver<T> {
        pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
            // Only the one receiver moves it.
            let next = self.0.taken.load(Ordering::Relaxed);
            if next >= self.0.sent.load(Ordering::Acquire) {
                return Err(TryRecvError::Empty);
            }
            self.0.taken.store(next + 1, Ordering::Relaxed);
            self.0.notes.lock().unwrap()[next]
                .take()
                .ok_or(TryRecvError::Disconnected)
        }
    }
}

/// `tokio::sync::Notify`, as far as `notify_waiters` goes: it wakes those that have called
/// `notified` before.
#[derive(Debug)]
pub(crate) struct Notify {
    calls: AtomicUsize,
    wakers: loom::sync::Mutex<Vec<Waker>>,
}

pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    calls: usize,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self {
            calls: AtomicUsize::new(0),
            wakers: loom::sync::Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            calls: self.calls.load(Ordering::SeqCst),
        }
    }

    pub(crate) fn notify_waiters(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let wakers = std::mem::take(&mut *self.wakers.lock().unwrap());
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Notified<'_> {
    pub(crate) fn enable(self: Pin<&mut Self>) -> bool {
        self.calls != self.notify.calls.load(Ordering::SeqCst)
    }
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut wakers = self.notify.wakers.lock().unwrap();
        if self.calls != self.notify.calls.load(Ordering::SeqCst) {
            return Poll::Ready(());
        }
        wakers.push(context.waker().clone());
        Poll::Pending
    }
}

/// Runs a future on a thread of the checker, which then sees if it is never woken.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(loom::sync::Notify);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.notify();
        }
    }
    let unpark = Arc::new(Unpark(loom::sync::Notify::new()));
    let waker = Waker::from(unpark.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => unpark.0.wait(),
        }
    }
}
