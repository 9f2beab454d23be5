//! The admin listener: health, metrics, status, dashboard.
//!
//! It runs on a thread and runtime of its own, so that a loaded data path can't starve it, and sees the data path only
//! through [`StatusProvider`]. It listens on loopback by default and has no access control of its own; it shows addresses of
//! clients and event ids, never a secret.

mod health;
mod routes;

use crate::auxiliary_http::response::Response;
use crate::auxiliary_http::{Handler, Limits, Server};
use crate::status::StatusProvider;
use hyper::body::Incoming;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Probes, scrapers and a few people with the dashboard open. The descriptors that clients need are not wasted here.
const CONNECTIONS_MAX: usize = 64;

/// Bounds how long a peer that reads nothing holds one of the places.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(120);

/// How often the histograms' samples are sorted into buckets; until then each of them takes 16 bytes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The running admin listener. Dropping it closes its listener and its connections and ends its thread.
#[derive(Debug)]
pub struct Admin(Server);

impl Admin {
    /// Serves on `listener`, which is bound already: an address in use is found out before anything has started.
    pub fn start(listener: TcpListener, provider: Arc<dyn StatusProvider>) -> io::Result<Self> {
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            connection_age: Some(CONNECTION_AGE_MAX),
        };
        Server::start("fanfare-admin", listener, limits, Arc::new(Routes { provider })).map(Self)
    }

    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}

struct Routes {
    provider: Arc<dyn StatusProvider>,
}

impl Handler for Routes {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        routes::answer(&*self.provider, request.method(), request.uri().path()).await
    }

    async fn background(&self) {
        let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
        upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            upkeep.tick().await;
            self.provider.metrics().run_upkeep();
        }
    }
}
