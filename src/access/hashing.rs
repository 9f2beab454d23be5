//! Passwords are hashed on threads of their own, a few at a time: one takes tens of milliseconds of a
//! core, and shards and requests must not wait for it.

use crate::config::PasswordHash;
use argon2::{Argon2, PasswordVerifier as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;

/// Checks that wait for their turn; more are sent away. A second or two of work.
const WAITING_MAX: usize = 64;

/// Where passwords are checked; one for the whole process.
pub(super) struct Hashing {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Too many others wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Hashing {
    /// Half of the cores check passwords, so that the rest is there for everything else.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::of(cores / 2)
    }

    fn of(at_once: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once.max(1))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether the password is the one that was hashed.
    pub(super) async fn verify(&self, password: String, hash: String) -> Result<bool, Busy> {
        let waiting = Waiting::new(&self.waiting).ok_or(Busy)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Busy)?;
        drop(waiting);
        let checked = tokio::task::spawn_blocking(move || {
            // The work is done to its end, also when nobody waits any more: so long the turn is taken.
            let _turn = turn;
            is_right(&password, &hash)
        });
        // A panic of the library is no right password.
        Ok(checked.await.unwrap_or(false))
    }
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < WAITING_MAX).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn is_right(password: &str, hash: &str) -> bool {
    match PasswordHash::of(hash) {
        PasswordHash::Bcrypt => bcrypt::verify(password, hash).unwrap_or(false),
        PasswordHash::Argon2 => argon2::PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_checked() {
        let hash = bcrypt::hash("pässword", 4).expect("a hash");
        let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(is_right("pässword", &hash) && !is_right("password", &hash));
        // Of the reference implementation's own tests.
        assert!(is_right("password", argon2) && !is_right("passwore", argon2));
        assert!(!is_right("password", "password") && !is_right("", ""));
    }

    #[tokio::test]
    async fn so_many_wait_and_the_rest_is_sent_away() {
        let hashing = Arc::new(Hashing::of(1));
        let turn = hashing.turns.clone().acquire_owned().await.expect("open");
        let verify = || {
            let hashing = hashing.clone();
            tokio::spawn(async move { hashing.verify("x".to_owned(), "y".to_owned()).await })
        };
        let waiting: Vec<_> = (0..WAITING_MAX).map(|_| verify()).collect();
        tokio::task::yield_now().await;
        assert_eq!(verify().await.expect("no panic"), Err(Busy));
        let mut waiting = waiting.into_iter();
        // One that leaves makes room.
        let leaves = waiting.next().expect("one");
        leaves.abort();
        let _ = leaves.await;
        let last = verify();
        drop(turn);
        for verified in waiting.chain([last]) {
            assert_eq!(verified.await.expect("no panic"), Ok(false));
        }
    }
}
