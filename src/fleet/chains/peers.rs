//! Whether the processes that lead channels live: each gives a sign of life every few seconds for all
//! that it leads, however many channels that are.

use super::engine::{ChainEngine, Sign};
use crate::fleet::lease::LEASE_TTL;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How often a sign is given: two may be lost.
const SIGN_EVERY: Duration = Duration::from_secs(3);
/// How often it is looked for the signs of others: within a second after a clean end another leads.
const LOOK_EVERY: Duration = Duration::from_millis(600);
/// Looks in a row that have to find none: the first may have been answered by a server that is behind.
const LOOKS: u32 = 2;
/// After the engine was out of reach, others get time to give a sign again.
const GRACE: Duration = Duration::from_secs(4);

/// The processes that this one follows in some channel.
#[derive(Default)]
pub(super) struct Peers {
    followed: Mutex<HashMap<String, Peer>>,
}

struct Peer {
    is_gone: watch::Sender<bool>,
    /// Looks in a row that have found no sign.
    missed: u32,
}

/// Whether a process is gone. It is looked for as long as there is one of these.
pub(super) struct Followed {
    process: String,
    is_gone: watch::Receiver<bool>,
}

impl Followed {
    /// What it is called.
    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// Completes when it is gone.
    pub(super) async fn gone(&mut self) {
        if self.is_gone.wait_for(|gone| *gone).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Peers {
    /// From now on it is known whether this process lives.
    pub(super) fn follow(&self, process: &str) -> Followed {
        let mut followed = self.followed();
        let peer = followed.entry(process.to_owned()).or_insert_with(|| Peer {
            is_gone: watch::Sender::new(false),
            missed: 0,
        });
        Followed {
            process: process.to_owned(),
            is_gone: peer.is_gone.subscribe(),
        }
    }

    fn followed(&self) -> MutexGuard<'_, HashMap<String, Peer>> {
        // Each change of it is whole.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that somebody waits for.
    fn wanted(&self) -> Vec<String> {
        let mut followed = self.followed();
        followed.retain(|_, peer| peer.is_gone.receiver_count() > 0);
        followed.keys().cloned().collect()
    }

    fn looked(&self, process: &str, sign: Sign) {
        let mut followed = self.followed();
        let Some(peer) = followed.get_mut(process) else { return };
        peer.missed = match sign {
            Sign::Alive => 0,
            Sign::Missing => peer.missed + 1,
            Sign::Ended => LOOKS,
        };
        let is_gone = peer.missed >= LOOKS;
        peer.is_gone
            .send_if_modified(|gone| std::mem::replace(gone, is_gone) != is_gone);
    }

    /// Gives signs, and looks for those of others. Never completes. `given`: since when the sign in force
    /// counts.
    pub(super) async fn watch<E: ChainEngine>(
        &self,
        engine: &E,
        process: &str,
        given: &watch::Sender<Option<Instant>>,
    ) {
        let looks_from = Mutex::new(Instant::now());
        let away = || *looks_from.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + GRACE;
        let giving = async {
            loop {
                let now = Instant::now();
                match timeout(LEASE_TTL / 2, engine.give_sign(process)).await {
                    Ok(Ok(())) => {
                        given.send_replace(Some(now));
                        sleep(SIGN_EVERY).await;
                    }
                    _ => {
                        away();
                        sleep(LOOK_EVERY).await;
                    }
                }
            }
        };
        let looking = async {
            loop {
                for other in self.wanted() {
                    let sign = timeout(LEASE_TTL / 2, engine.sign_of(&other)).await;
                    let is_too_early = *looks_from.lock().unwrap_or_else(PoisonError::into_inner) > Instant::now();
                    match sign {
                        Ok(Ok(Sign::Missing)) if is_too_early => {}
                        Ok(Ok(sign)) => self.looked(&other, sign),
                        _ => away(),
                    }
                }
                sleep(LOOK_EVERY.mul_f64(0.75 + 0.5 * fastrand::f64())).await;
            }
        };
        tokio::join!(giving, looking);
    }
}
