//! Keys that are fetched: at the start, every few minutes, and when a token names one that is not
//! here.
//!
//! One task does it, so that however many ask, there is one request at a time, and none more often
//! than allowed. Without keys nobody is let in; they are kept for a while where the place that they
//! come from is away.

use super::jwks::Jwks;
use super::key_set::KeySet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// How old keys become before they are fetched again: so long a key that was withdrawn may be used.
const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// How long keys are used that can't be fetched again.
const KEPT_MAX: Duration = Duration::from_secs(3600);
/// From one fetch that a token's unknown key has caused to the next one.
const UNKNOWN_EVERY: Duration = Duration::from_secs(60);
/// After a fetch that failed: the first wait, and the longest. A request may shorten it to the first.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// What is known.
#[derive(Clone, Default)]
struct State {
    keys: Option<Arc<KeySet>>,
    /// When those came.
    fetched: Option<Instant>,
    /// When the last attempt ended.
    tried: Option<Instant>,
    /// Attempts that have ended.
    attempts: u64,
    is_fetching: bool,
    /// When an unknown key was asked for last.
    unknown: Option<Instant>,
}

/// Keeps the keys of one URL. Dropping it ends its task.
pub(super) struct KeyKeeper {
    state: Arc<watch::Sender<State>>,
    wanted: Arc<Notify>,
    _task: JoinSet<()>,
}

impl KeyKeeper {
    /// Begins to fetch.
    pub(super) fn start(jwks: Jwks) -> Self {
        let (state, wanted) = (Arc::new(watch::Sender::new(State::default())), Arc::new(Notify::new()));
        // The first fetch is under way: who comes before it is done waits for it.
        state.send_modify(|state| state.is_fetching = true);
        let mut task = JoinSet::new();
        task.spawn(keep(jwks, state.clone(), wanted.clone()));
        Self {
            state,
            wanted,
            _task: task,
        }
    }

    /// The keys; `None`: there are none, or none that may still be used.
    pub(super) fn keys(&self) -> Option<Arc<KeySet>> {
        let state = self.state.borrow();
        let is_fresh = state.fetched.is_some_and(|fetched| fetched.elapsed() < KEPT_MAX);
        state.keys.clone().filter(|_| is_fresh)
    }

    /// How many attempts have ended: to be read before it is looked what they have brought.
    pub(super) fn attempts(&self) -> u64 {
        self.state.borrow().attempts
    }

    /// When the keys that are here came.
    pub(super) fn fetched(&self) -> Option<Instant> {
        self.state.borrow().fetched
    }

    /// Has them fetched, if that is allowed now, and not done since `seen` was read. What is returned
    /// completes when it is done, or has taken too long.
    pub(super) fn fetch_again(&self, seen: u64) -> Option<impl Future<Output = ()> + Send + use<>> {
        let now = Instant::now();
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.duration_since(at));
        let has_keys = self.keys().is_some();
        let (mut is_wanted, mut is_done) = (false, false);
        self.state.send_if_modified(|state| {
            let may = match has_keys {
                true => since(state.unknown) >= UNKNOWN_EVERY,
                false => since(state.tried) >= RETRY_MIN,
            };
            is_done = state.attempts != seen;
            is_wanted = may && !state.is_fetching && !is_done;
            if is_wanted {
                state.is_fetching = true;
                state.unknown = has_keys.then_some(now).or(state.unknown);
            }
            is_wanted
        });
        let mut state = self.state.subscribe();
        if is_wanted {
            self.wanted.notify_one();
        } else if !state.borrow().is_fetching && !is_done {
            return None;
        }
        Some(async move {
            // Its error: the keeper is gone, and no answer comes.
            let _ = timeout(super::jwks::TIMEOUT * 2, state.wait_for(|state| !state.is_fetching)).await;
        })
    }
}

async fn keep(jwks: Jwks, state: Arc<watch::Sender<State>>, wanted: Arc<Notify>) {
    let mut failures = 0;
    loop {
        state.send_if_modified(|state| !std::mem::replace(&mut state.is_fetching, true));
        let fetched = jwks.fetch().await;
        let now = Instant::now();
        let has_old = state.borrow().keys.is_some();
        match &fetched {
            Ok(keys) if failures > 0 || !has_old => jwks.say_fetched(keys.len()),
            Ok(_) => {}
            Err(why) if failures == 0 => jwks.say_failed(why, has_old),
            Err(why) => tracing::debug!(%why, "keys can't be fetched"),
        }
        let wait = match fetched {
            Ok(_) => REFRESH_EVERY,
            Err(_) => (RETRY_MIN * 2_u32.saturating_pow(failures)).min(RETRY_MAX),
        };
        failures = fetched.as_ref().map_or(failures.saturating_add(1), |_| 0);
        state.send_modify(|state| {
            state.is_fetching = false;
            state.tried = Some(now);
            state.attempts += 1;
            if let Ok(keys) = fetched {
                state.keys = Some(Arc::new(keys));
                state.fetched = Some(now);
            }
        });
        tokio::select! {
            () = sleep(wait) => {}
            () = wanted.notified() => {}
        }
    }
}
