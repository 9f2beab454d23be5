//! The admin listener: health, metrics, status, dashboard.
//!
//! It runs on a thread and runtime of its own, so that a loaded data path can't starve it, and sees
//! the data path only through [`StatusProvider`]. There is always room for a probe, however many
//! others are connected. It shows status and dashboard, which hold addresses of clients and event
//! ids, to those whom `admin_access` lets in; without that, on loopback addresses only.

mod exposure;
mod health;
mod history;
mod overview;
mod page;
mod query;
mod routes;
mod viewers;

use crate::access::Gate;
use crate::auxiliary_http::{Limits, Server};
use crate::net::{Askers, Listener};
use crate::status::StatusProvider;
use arc_swap::ArcSwapOption;
use exposure::Exposure;
use routes::Routes;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// The running admin listener. Dropping it closes its listener and its connections and ends its
/// thread.
#[derive(Debug)]
pub struct Admin(Server);

impl Admin {
    /// Serves on `listener`, which is bound already: an address in use is found out before anything
    /// has started. With so many connections at one time (of the budget's reserve).
    /// `gate`: who sees more than probes and metrics, as of now.
    pub fn start(
        listener: Listener,
        provider: Arc<dyn StatusProvider>,
        connections: usize,
        gate: Arc<ArcSwapOption<Gate>>,
    ) -> io::Result<Self> {
        let limits = Limits {
            connections,
            // A client that reads its answer slowly takes no probe's place.
            askers: Askers::MakeRoom,
        };
        let exposure = Exposure::at(listener.address(), gate);
        if exposure.hides_all() {
            tracing::warn!(
                address = %listener,
                "the admin listens beyond this machine: status and dashboard are not served there, health and metrics are"
            );
        }
        Server::start(
            "fanfare-admin",
            listener,
            limits,
            Arc::new(Routes::new(provider, exposure, connections)),
        )
        .map(Self)
    }

    /// Closes the listener: another process has it. Who is connected is answered on.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether it has no connection.
    pub fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.0.addr()
    }
}
