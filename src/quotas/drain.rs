//! How far the process is with leaving.

use std::future::Future;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Announced, then begun; neither is taken back.
#[derive(Debug, Default)]
pub(super) struct Drain {
    announced: CancellationToken,
    begun: CancellationToken,
    /// Set before it has begun.
    spread: Arc<OnceLock<(Instant, Duration)>>,
}

impl Drain {
    pub(super) fn announce(&self) {
        self.announced.cancel();
    }

    /// Streams that are told of it end within `spread`.
    pub(super) fn begin(&self, spread: Duration) {
        self.announce();
        // Beginning twice changes nothing.
        let _ = self.spread.set((Instant::now(), spread));
        self.begun.cancel();
    }

    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_cancelled()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_cancelled()
    }

    pub(super) fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        self.begun.clone().cancelled_owned()
    }

    /// Completes somewhere within the spread.
    pub(super) fn turn(&self) -> impl Future<Output = ()> + Send + 'static {
        let (begun, spread) = (self.begun(), self.spread.clone());
        async move {
            begun.await;
            if let Some((began, spread)) = spread.get() {
                sleep_until(*began + spread.mul_f64(fastrand::f64())).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_come_within_the_spread() {
        let drain = Drain::default();
        drain.announce();
        assert!(drain.is_announced() && !drain.has_begun());
        let turns: Vec<_> = (0..20).map(|_| tokio::spawn(drain.turn())).collect();
        tokio::task::yield_now().await;
        assert!(turns.iter().all(|turn| !turn.is_finished()));
        drain.begin(Duration::from_secs(10));
        let began = Instant::now();
        for turn in turns {
            turn.await.expect("no panic");
        }
        let took = began.elapsed();
        assert!(
            took > Duration::from_secs(5) && took <= Duration::from_secs(10),
            "{took:?}"
        );
    }
}
