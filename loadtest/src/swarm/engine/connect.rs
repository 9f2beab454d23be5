//! Connections: begun, lost, refused, begun again.

use super::Swarm;
use crate::clock::now_ns;
use crate::swarm::client::{Kind, Stage, write_request};
use crate::swarm::socket::{Socket, TlsSocket};
use crate::swarm::tls;
use mio::net::TcpStream;
use mio::{Interest, Token};
use nix::sys::socket::sockopt::IpBindAddressNoPort;
use rustls::ClientConnection;
use std::cmp::Reverse;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

/// A reconnect's delay where neither the setup nor the server says one, and the longest that a
/// server can ask for.
const RECONNECT_MS: u64 = 1000;
const RECONNECT_MS_MAX: u64 = 30_000;

impl Swarm {
    pub(super) fn connect(&mut self, index: usize) {
        self.clients[index].started_ns = now_ns();
        if self.setup.http2_streams > 0 {
            return self.connect_multiplexed(index);
        }
        let number = self.setup.first_client + index;
        let receive_bytes = match self.clients[index].kind {
            Kind::Stalled => self.setup.stalled_receive_bytes,
            Kind::Reader | Kind::Slow => None,
        };
        match self.open(number, Token(index), receive_bytes) {
            Ok(socket) => {
                let client = &mut self.clients[index];
                client.socket = Some(socket);
                client.stage = Stage::Connecting;
                self.connecting += 1;
            }
            Err(error) => self.failed(index, &error),
        }
    }

    /// Begins the connection with this number, over all processes. The poll knows it by `token`.
    pub(super) fn open(&self, number: usize, token: Token, receive_bytes: Option<usize>) -> io::Result<Socket> {
        let target = &self.setup.targets[number % self.setup.targets.len()];
        let source = match self.setup.sources.as_slice() {
            [] => None,
            // All of them for each target.
            sources => Some(sources[number / self.setup.targets.len() % sources.len()]),
        };
        let mut tcp = open(target.address, source, receive_bytes)?;
        self.poll
            .registry()
            .register(&mut tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(match (&self.tls, target.tls) {
            (Some(config), true) => {
                let name = tls::server_name(&target.authority).map_err(io::Error::other)?;
                let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
                Socket::Tls(Box::new(TlsSocket { tcp, tls }))
            }
            _ => Socket::Plain(tcp),
        })
    }

    /// Sends the request once the connection stands; `false`: not yet.
    pub(super) fn send_request(&mut self, index: usize) -> io::Result<bool> {
        let number = self.setup.first_client + index;
        let target = &self.setup.targets[number % self.setup.targets.len()];
        let client = &mut self.clients[index];
        let Some(socket) = &mut client.socket else {
            return Ok(false);
        };
        if let Some(error) = socket.tcp().take_error()? {
            return Err(error);
        }
        match socket.tcp().peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(false),
            Err(error) => return Err(error),
        }
        self.request.clear();
        write_request(&mut self.request, target, &self.setup, number, client.scanner.last_id());
        socket.send(&self.request)?;
        client.stage = Stage::Head(Vec::new());
        Ok(true)
    }

    /// The server ended a connection, or the network did.
    pub(super) fn lost_connection(&mut self, index: usize) {
        let client = &self.clients[index];
        if !client.is_live() {
            return self.refused(index, None);
        }
        self.totals.ended_by_server += 1;
        let stalled = client.kind == Kind::Stalled;
        self.drop_connection(index);
        if stalled {
            // A client that doesn't read doesn't notice the end, so it doesn't reconnect.
            self.totals.stalled_ended += 1;
        } else {
            self.reconnect_later(index);
        }
    }

    /// A connection failed.
    pub(super) fn failed(&mut self, index: usize, error: &io::Error) {
        if self.totals.first_error.is_none() {
            self.totals.first_error = Some(error.to_string());
        }
        self.lost_connection(index);
    }

    /// A stream could not be opened.
    pub(super) fn refused(&mut self, index: usize, status: Option<u16>) {
        match status {
            Some(status) => *self.refused_statuses.entry(status).or_default() += 1,
            None => self.totals.refused_connections += 1,
        }
        self.drop_connection(index);
        if status.is_some_and(|status| !heals(status)) {
            self.clients[index].stage = Stage::GivenUp;
            self.totals.given_up += 1;
        } else {
            self.reconnect_later(index);
        }
    }

    pub(super) fn reconnect_later(&mut self, index: usize) {
        if self.cut {
            return;
        }
        let told = match self.clients[index].retry_ms {
            0 => RECONNECT_MS,
            millis => u64::from(millis).min(RECONNECT_MS_MAX),
        };
        let delay_ms = self.setup.reconnect_ms.unwrap_or(told);
        let index = u32::try_from(index).expect("a process has fewer clients than descriptors");
        self.reconnects.push(Reverse((now_ns() + delay_ms * 1_000_000, index)));
    }

    /// Closes a client's connection, whatever its stage.
    pub(super) fn drop_connection(&mut self, index: usize) {
        let client = &mut self.clients[index];
        match client.stage {
            Stage::Connecting | Stage::Head(_) => self.connecting -= 1,
            Stage::Live => self.live -= 1,
            Stage::Away => {}
            Stage::GivenUp => return,
        }
        client.stage = Stage::Away;
        client.socket = None;
        if self.setup.http2_streams > 0 {
            self.leave_multiplexed(index);
        }
    }
}

/// Whether the same request can have another answer later. A 200 without an event stream can't.
fn heals(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

/// Begins a connection, from the address and with the receive buffer asked for.
fn open(to: SocketAddr, from: Option<IpAddr>, receive_bytes: Option<usize>) -> io::Result<TcpStream> {
    if from.is_none() && receive_bytes.is_none() {
        return TcpStream::connect(to);
    }
    fanfare::crowd::begin(to, receive_bytes, |socket| {
        from.map_or(Ok(()), |from| bind(socket, from))
    })
}

/// Gives a socket its source address, and leaves the port to connect(2). Else bind(2) would take a
/// port that no other connection from this address has, whatever its destination: all targets
/// together would have as many ports as one.
fn bind(socket: &socket2::Socket, from: IpAddr) -> io::Result<()> {
    // A kernel without the option chooses the port early, and has fewer.
    let _ = nix::sys::socket::setsockopt(socket, IpBindAddressNoPort, &true);
    socket.bind(&SocketAddr::new(from, 0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_address_takes_no_port_before_the_destination_is_known() {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        bind(&socket, [127, 0, 1, 7].into()).expect("all of 127.0.0.0/8 is ours");
        let local = socket.local_addr().expect("it is bound").as_socket();
        assert_eq!(local, Some(([127, 0, 1, 7], 0).into()));
    }

    #[test]
    fn only_a_busy_or_broken_server_is_asked_again() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(heals(status), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 405, 406, 410, 431] {
            assert!(!heals(status), "{status}");
        }
    }
}
