//! From the one reader of a source to its channels: bounded for each, and a channel that is slower than
//! that reads for itself what it has missed.

use crate::fleet::record::Stored;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::mpsc;

/// Messages that wait for one channel.
const WAITING_MAX: usize = 256;

/// What comes to a channel.
#[derive(Debug, Clone)]
pub(super) enum Tailed {
    /// A message of it.
    Stored(Stored),
    /// The source's numbering has another name.
    Renamed,
    /// Messages of the source were let go unread.
    Skipped,
    /// All that the log held at this time has been read.
    Level(Instant),
}

/// The channels of a source that are open here, by their keys.
#[derive(Clone, Default)]
pub(super) struct Routes(Arc<Shared>);

#[derive(Default)]
struct Shared {
    routes: Mutex<HashMap<String, Vec<Sender>>>,
    next: AtomicU64,
}

struct Sender {
    number: u64,
    sender: mpsc::Sender<Tailed>,
    /// Whether something did not find room.
    has_missed: Arc<AtomicBool>,
}

/// A channel's end of it.
pub(super) struct Route {
    key: String,
    number: u64,
    receiver: mpsc::Receiver<Tailed>,
    has_missed: Arc<AtomicBool>,
    routes: Routes,
}

impl Routes {
    fn routes(&self) -> MutexGuard<'_, HashMap<String, Vec<Sender>>> {
        // Each change of it is whole.
        self.0.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, key: &str) -> Route {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let has_missed = Arc::new(AtomicBool::new(false));
        let entry = Sender {
            number,
            sender,
            has_missed: has_missed.clone(),
        };
        self.routes().entry(key.to_owned()).or_default().push(entry);
        Route {
            key: key.to_owned(),
            number,
            receiver,
            has_missed,
            routes: self.clone(),
        }
    }

    pub(super) fn send(&self, key: &str, tailed: Tailed) {
        if let Some(senders) = self.routes().get(key) {
            senders.iter().for_each(|sender| sender.send(tailed.clone()));
        }
    }

    pub(super) fn send_all(&self, tailed: &Tailed) {
        let routes = self.routes();
        routes.values().flatten().for_each(|sender| sender.send(tailed.clone()));
    }
}

impl Sender {
    fn send(&self, tailed: Tailed) {
        if self.sender.try_send(tailed).is_err() {
            self.has_missed.store(true, Ordering::Release);
        }
    }
}

impl Route {
    /// The next of it.
    pub(super) async fn next(&mut self) -> Tailed {
        match self.receiver.recv().await {
            Some(tailed) => tailed,
            None => std::future::pending().await,
        }
    }

    /// What is there already.
    pub(super) fn at_once(&mut self) -> Option<Tailed> {
        self.receiver.try_recv().ok()
    }

    /// Whether something did not find room, since it was asked last. What is there came before that.
    pub(super) fn has_missed(&self) -> bool {
        self.receiver.is_empty() && self.has_missed.swap(false, Ordering::AcqRel)
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        let mut routes = self.routes.routes();
        if let Some(senders) = routes.get_mut(&self.key) {
            senders.retain(|sender| sender.number != self.number);
            if senders.is_empty() {
                routes.remove(&self.key);
            }
        }
    }
}
