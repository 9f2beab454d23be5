//! The line from the origin to the relay: a listener of its own, which can be closed, and opened
//! again, while the page stays.
//!
//! A dead origin refuses connections, as a process that is gone does, and has cut those that it had.

use super::routes;
use super::site::Site;
use crate::auxiliary_http::response::Response;
use crate::auxiliary_http::{Handler, Limits, Server};
use crate::net::{Askers, Listener};
use hyper::body::Incoming;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections at one time: the relay's upstreams, and some that it makes while others end.
const CONNECTIONS_MAX: usize = 16;

/// The line; dropping it closes it.
#[derive(Debug)]
pub(super) struct Line {
    address: SocketAddr,
    site: Arc<Site>,
    server: Mutex<Option<Server>>,
}

impl Line {
    /// Opens it, on a port that is free.
    pub(super) fn open(site: Arc<Site>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let line = Self {
            address: listener.local_addr()?,
            site,
            server: Mutex::default(),
        };
        line.serve(listener)?;
        Ok(line)
    }

    /// Where the relay finds the origin.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin dies: every connection of its ends, and no other is accepted.
    pub(super) fn kill(&self) {
        self.site.life.send_replace(false);
        // Waits for the server's thread, which waits for nothing.
        drop(self.lock().take());
    }

    /// The origin is back, at the same address, with all that it has.
    pub(super) fn revive(&self) -> io::Result<()> {
        if self.lock().is_none() {
            self.serve(TcpListener::bind(self.address)?)?;
        }
        Ok(())
    }

    fn serve(&self, listener: TcpListener) -> io::Result<()> {
        // Streams have no end.
        let limits = Limits {
            connections: CONNECTIONS_MAX,
            askers: Askers::Stay,
        };
        let handler = Arc::new(AtRelay(Arc::clone(&self.site)));
        let server = Server::start("fanfare-origin", Listener::try_from(listener)?, limits, handler)?;
        self.site.life.send_replace(true);
        *self.lock() = Some(server);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers the relay.
struct AtRelay(Arc<Site>);

impl Handler for AtRelay {
    async fn handle(&self, request: hyper::Request<Incoming>) -> Response {
        routes::answer_relay(&self.0, request)
    }

    async fn background(&self) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::site;
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    fn ask(address: SocketAddr) -> io::Result<TcpStream> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", super::super::STREAM_PATH);
        socket.write_all(request.as_bytes())?;
        Ok(socket)
    }

    fn head(socket: &mut TcpStream) -> String {
        let mut bytes = [0; 256];
        let read = socket.read(&mut bytes).expect("an answer");
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[test]
    fn a_dead_origin_refuses_and_comes_back_at_the_same_address() {
        let line = Line::open(site()).expect("a port is free");
        let mut before = ask(line.address()).expect("it accepts");
        assert!(head(&mut before).starts_with("HTTP/1.1 200"));
        for _ in 0..3 {
            line.kill();
            let refused = ask(line.address()).expect_err("nobody listens");
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            assert!(!line.site.lives());
            line.revive().expect("the port is ours");
            line.revive().expect("it is there already");
            assert!(line.site.lives());
            assert!(head(&mut ask(line.address()).expect("it accepts")).starts_with("HTTP/1.1 200"));
        }
        // What was open has ended, not in order.
        let mut rest = Vec::new();
        let end = before.read_to_end(&mut rest);
        assert!(end.is_err() || !rest.ends_with(b"0\r\n\r\n"), "{end:?}");
    }
}
