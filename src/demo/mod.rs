//! The origin of `fanfare demo`: a change log like a Content Store's, small enough to be looked
//! through.
//!
//! It publishes an entry every few seconds by itself, and whatever is posted to a section. Each
//! entry is an event of the stream at [`STREAM_PATH`], whose data is the address of the section's
//! Atom feed, built from the request's `Host`. Its page shows the stream as it arrives behind the
//! relay. Entries, streams, connections and bodies are bounded. It runs on a thread of its own;
//! dropping the [`Origin`] ends it.

mod banner;
mod changelog;
mod feed;
mod headlines;
mod layout;
mod routes;
mod site;
mod stream;

use crate::auxiliary_http::response::Response;
use crate::auxiliary_http::{Handler, Limits, Server};
use crate::net::{Askers, Listener};
use changelog::Changelog;
use hyper::body::Incoming;
use site::Site;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

pub use banner::{banner, reachable};
pub use layout::{SECTIONS, STREAM_PATH, STREAMS_MAX};

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
    site: Arc<Site>,
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
            addr: listener.local_addr()?,
            started: SystemTime::now(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            relayed_stream: OnceLock::new(),
            publish_every,
        });
        // Streams have no end.
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            askers: Askers::Stay,
        };
        let server = Server::start("fanfare-demo", Listener::try_from(listener)?, limits, Arc::clone(&site))?;
        Ok(Self { server, site })
    }

    /// The address that is listened on.
    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The event stream: what the relay's upstream is to be.
    pub fn stream_url(&self) -> String {
        format!("http://{}{STREAM_PATH}", self.addr())
    }

    /// Says where clients find the stream behind the relay: the page follows it there from its next
    /// load on. The first call counts.
    pub fn set_relayed_stream(&self, url: String) {
        // A second call means a second relay: the page stays with the first.
        let _ = self.site.relayed_stream.set(url);
    }
}

impl Handler for Site {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        routes::answer(self, request).await
    }

    async fn background(&self) {
        let Some(range) = &self.publish_every else { return };
        loop {
            let spread = range.end().saturating_sub(*range.start());
            tokio::time::sleep(*range.start() + spread.mul_f64(fastrand::f64())).await;
            let (section, title) = headlines::invent();
            self.changelog.publish(section, &title);
        }
    }
}
