//! Answers that hold for a while, by the digest of the question; and questions that are being asked.
//!
//! Whoever asks what another is asking already waits for that answer.

use super::digest::Digest;
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// What is remembered.
pub(super) struct Cache<T> {
    entries: Mutex<HashMap<Digest, Entry<T>>>,
    asked: Mutex<HashMap<Digest, Arc<OnceCell<T>>>>,
    max: usize,
}

struct Entry<T> {
    value: T,
    until: Instant,
}

impl<T: Clone> Cache<T> {
    /// Of so many answers at most.
    pub(super) fn new(max: usize) -> Self {
        Self {
            entries: Mutex::default(),
            asked: Mutex::default(),
            max,
        }
    }

    /// The answer, if it still holds.
    pub(super) fn get(&self, question: &Digest) -> Option<T> {
        let entries = lock(&self.entries);
        let entry = entries.get(question)?;
        (entry.until > Instant::now()).then(|| entry.value.clone())
    }

    /// Remembers an answer. Where there is no room, what holds no more goes first, then any one.
    pub(super) fn put(&self, question: Digest, value: T, hold: Duration) {
        let now = Instant::now();
        if hold.is_zero() || self.max == 0 {
            return;
        }
        let mut entries = lock(&self.entries);
        if entries.len() >= self.max && !entries.contains_key(&question) {
            entries.retain(|_, entry| entry.until > now);
            // Of a map with random seeds: which one goes can't be chosen from outside.
            if entries.len() >= self.max
                && let Some(any) = entries.keys().next().copied()
            {
                entries.remove(&any);
            }
        }
        entries.insert(
            question,
            Entry {
                value,
                until: now + hold,
            },
        );
    }

    /// The answer that `ask` gives; of several who ask the same at one time, one does.
    pub(super) async fn ask(&self, question: Digest, ask: impl Future<Output = T>) -> T {
        let asked = Asked::new(&self.asked, question);
        asked.cell.get_or_init(|| ask).await.clone()
    }
}

/// A question while someone waits for its answer.
struct Asked<'a, T> {
    list: &'a Mutex<HashMap<Digest, Arc<OnceCell<T>>>>,
    question: Digest,
    cell: Arc<OnceCell<T>>,
}

impl<'a, T> Asked<'a, T> {
    fn new(list: &'a Mutex<HashMap<Digest, Arc<OnceCell<T>>>>, question: Digest) -> Self {
        let cell = lock(list).entry(question).or_default().clone();
        Self { list, question, cell }
    }
}

impl<T> Drop for Asked<'_, T> {
    fn drop(&mut self) {
        let mut list = lock(self.list);
        // The list's own, and this one: no one else waits. Or it is answered, and the next one asks
        // anew.
        let is_last = Arc::strong_count(&self.cell) <= 2 || self.cell.initialized();
        let is_this = |cell: &Arc<OnceCell<T>>| Arc::ptr_eq(cell, &self.cell);
        if is_last && list.get(&self.question).is_some_and(is_this) {
            list.remove(&self.question);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn answers_are_bounded_in_time_and_number() {
        let cache = Cache::new(2);
        cache.put([1; 32], 'a', Duration::ZERO);
        assert_eq!(cache.get(&[1; 32]), None);
        for n in 0..10 {
            cache.put([n; 32], 'b', Duration::from_secs(60));
            assert_eq!(cache.get(&[n; 32]), Some('b'));
        }
        assert_eq!(lock(&cache.entries).len(), 2);
    }

    #[tokio::test]
    async fn one_asks_for_all() {
        let cache = Arc::new(Cache::new(1));
        let count = Arc::new(AtomicUsize::new(0));
        let (go, _) = tokio::sync::watch::channel(false);
        let ask = || {
            let (cache, count, mut gone) = (cache.clone(), count.clone(), go.subscribe());
            tokio::spawn(async move {
                let asks = async {
                    count.fetch_add(1, Ordering::SeqCst);
                    gone.wait_for(|gone| *gone).await.map(|_| ()).expect("sent");
                    7
                };
                cache.ask([0; 32], asks).await
            })
        };
        let (first, others) = (ask(), [ask(), ask(), ask()]);
        tokio::task::yield_now().await;
        // Who asks for the others may leave: another one asks.
        first.abort();
        let _ = first.await;
        tokio::task::yield_now().await;
        go.send_replace(true);
        for other in others {
            assert_eq!(other.await.expect("no panic"), 7);
        }
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(lock(&cache.asked).is_empty(), "nothing is kept of who has left");
    }
}
