//! The origin of `fanfare demo`: a change log like a Content Store's, small enough to be looked
//! through.
//!
//! It publishes an entry every few seconds by itself, and whatever is posted to a section. Each
//! entry is an event of the stream at [`STREAM_PATH`], whose data is the address of the section's
//! Atom feed, built from the request's `Host`. Its page shows the stream as it arrives behind the
//! relay; and, where it is told of one ([`Origin::set_crowd`]), what a relay does with a crowd: clients
//! by the thousand, slow ones, some that leave and come back, an origin that dies. Entries, streams,
//! connections and bodies are bounded. It runs on threads of its own; dropping the [`Origin`] ends it.

mod banner;
mod changelog;
mod controls;
mod crowd;
mod feed;
mod headlines;
mod layout;
mod line;
mod numbers;
mod pulse;
mod routes;
mod site;
mod stage;
mod stream;
#[cfg(test)]
mod testing;

use crate::auxiliary_http::response::Response;
use crate::auxiliary_http::{Handler, Limits, Server};
use crate::net::{Askers, Listener};
use changelog::Changelog;
use hyper::body::Incoming;
use line::Line;
use pulse::Pulse;
use site::Site;
use stage::Stage;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, watch};

pub use banner::{banner, reachable};
pub use crowd::CrowdSetup;
pub use layout::{CROWD_PATH, CROWD_SOURCE, GAP_EVENT, SECTIONS, STREAM_PATH, STREAMS_MAX};

/// Streams, and some room for feeds, posts and the page.
const CONNECTIONS_MAX: usize = STREAMS_MAX + 56;

/// From one entry of its own to the next.
const PUBLISH_EVERY: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(6);

/// Entries at the start, so that there is something to look at.
const FIRST_ENTRIES: usize = 6;

/// The running origin; dropping it ends it and its streams.
#[derive(Debug)]
pub struct Origin {
    server: Server,
    stage: Arc<Stage>,
}

impl Origin {
    /// Serves on `listener`, and publishes something every few seconds.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        Self::start_with(listener, Some(PUBLISH_EVERY))
    }

    /// Likewise, with entries of its own at random intervals from the range, or none.
    pub fn start_with(listener: TcpListener, publish_every: Option<RangeInclusive<Duration>>) -> io::Result<Self> {
        let changelog = Arc::new(Changelog::new());
        if publish_every.is_some() {
            for _ in 0..FIRST_ENTRIES {
                let (section, title) = headlines::invent();
                changelog.publish(section, &title);
            }
        }
        let site = Arc::new(Site {
            changelog,
            pulse: Arc::new(Pulse::new()),
            addr: reachable(listener.local_addr()?),
            started: SystemTime::now(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            publish_every,
            life: watch::Sender::new(true),
        });
        let stage = Arc::new(Stage::new(site.clone(), Line::open(site)?));
        // Streams have no end.
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            askers: Askers::Stay,
        };
        let server = Server::start(
            "fanfare-demo",
            Listener::try_from(listener)?,
            limits,
            Arc::new(AtPage(stage.clone())),
        )?;
        Ok(Self { server, stage })
    }

    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The event stream: what the relay's upstream is to be. Behind it is a listener of its own,
    /// which the page can close and open again.
    pub fn stream_url(&self) -> String {
        format!("http://{}{STREAM_PATH}", self.stage.line.address())
    }

    /// The crowd's event stream, likewise.
    pub fn crowd_url(&self) -> String {
        format!("http://{}{CROWD_PATH}", self.stage.line.address())
    }

    /// Says where clients find the stream behind the relay: the page follows it there from its next
    /// load on. The first call counts.
    pub fn set_relayed_stream(&self, url: String) {
        // A second call means a second relay: the page stays with the first.
        let _ = self.stage.relayed_stream.set(url);
    }

    /// Says how a crowd is had, and where the relay's admin listener is: from then on the page offers
    /// one. The relay's source of its stream is called [`CROWD_SOURCE`].
    pub fn set_crowd(&self, setup: CrowdSetup, admin: SocketAddr) {
        // As above.
        let _ = self.stage.admin.set(reachable(admin));
        self.stage.set_crowd(setup);
    }
}

/// Answers at the page's address.
struct AtPage(Arc<Stage>);

impl Handler for AtPage {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        controls::answer(&self.0, request).await
    }

    async fn background(&self) {
        let site = &self.0.site;
        tokio::join!(publish(site), site.pulse.beat(), self.0.look());
    }
}

/// Publishes something now and then, as long as the origin is alive.
async fn publish(site: &Site) {
    let Some(range) = &site.publish_every else { return };
    loop {
        let spread = range.end().saturating_sub(*range.start());
        tokio::time::sleep(*range.start() + spread.mul_f64(fastrand::f64())).await;
        if site.lives() {
            let (section, title) = headlines::invent();
            site.changelog.publish(section, &title);
        }
    }
}
