//! A fleet under load, with clients of every instance whose histories are checked.

use crate::nats::Nats;
use crate::support::process::TestProcess;
use crate::support::relay::eventually;
use crate::witness::{Seen, Witnesses};
use crate::{Feed, member};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Clients that stay at an instance, and that go from one to the next.
const STAYING: usize = 6;
const HOPPING: usize = 6;
const HOP_EVERY: Duration = Duration::from_millis(700);

/// See the module.
pub struct Scene {
    pub feed: Arc<Feed>,
    pub relays: Vec<TestProcess>,
    pub witnesses: Witnesses,
    load: JoinSet<()>,
}

impl Scene {
    /// Instances that reach the engine at these places, one each; the origin gives ids.
    pub async fn start(engines: &[String], replicas: usize) -> Self {
        Self::start_in(engines, replicas, &[]).await
    }

    /// With these variables in the instances' environment.
    pub async fn start_in(engines: &[String], replicas: usize, environment: &[(&str, &str)]) -> Self {
        let feed = Arc::new(Feed::start(true).await);
        let mut relays = Vec::new();
        for (engine, name) in engines.iter().zip(["a", "b", "c"]) {
            let setup = member(engine, &feed, name, replicas);
            relays.push(TestProcess::start_in(&setup, None, environment).await);
        }
        let addresses: Vec<SocketAddr> = relays.iter().map(|relay| relay.address).collect();
        for relay in &relays {
            crate::security::live(relay).await;
        }
        let witnesses = Witnesses::start(&addresses)
            .staying(STAYING)
            .hopping(HOPPING, HOP_EVERY);
        let mut scene = Self {
            feed: feed.clone(),
            relays,
            witnesses,
            load: JoinSet::new(),
        };
        // From here on each has an id to come back with.
        let first = feed.publish(1);
        scene.reach(first).await;
        scene.load.spawn(async move {
            loop {
                feed.publish(fastrand::u64(0..4).pow(2));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..20))).await;
            }
        });
        scene
    }

    /// For all servers of an engine, so many instances.
    pub async fn of(nats: &Nats, instances: usize, replicas: usize) -> Self {
        Self::start(&vec![nats.urls(); instances], replicas).await
    }

    /// Until all clients have got this one. One that has just come without an id may need another.
    async fn reach(&self, number: u64) {
        let publishing = async {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.feed.publish(1);
            }
        };
        tokio::select! {
            () = self.witnesses.until(number) => {}
            () = publishing => {}
        }
    }

    /// Until events that are published from now on have come to all.
    pub async fn flows(&self) {
        self.reach(self.feed.publish(1)).await;
    }

    /// Until nothing comes any more.
    pub async fn halts(&self) {
        let mut last = (self.witnesses.newest(), std::time::Instant::now());
        eventually("events to stop", || {
            let newest = self.witnesses.newest();
            if newest != last.0 {
                last = (newest, std::time::Instant::now());
            }
            last.1.elapsed() > Duration::from_secs(1)
        })
        .await;
    }

    /// The load ends; all have got what came last.
    pub async fn settle(&mut self) {
        self.load.shutdown().await;
        let last = self.feed.publish(1);
        self.witnesses.until(last).await;
    }

    /// And all of them got all of it, once, in order, under the same ids.
    pub async fn ends_exact(mut self) -> Seen {
        self.settle().await;
        let seen = self.witnesses.check_exact();
        assert!(seen.events > 1000, "{seen:?}");
        seen
    }
}
