//! There is always room for a probe, whatever others do with their connections.

use super::{CONNECTIONS, ask, start_with};
use socket2::{Domain, Socket, Type};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// At once, even if the machine is busy: beside what an answer takes without a crowd, and less than
/// any time after which a connection is given up.
const AT_ONCE: Duration = Duration::from_secs(2);
/// A crowd's connections have the processor too.
const TIMES_ALONE: u32 = 4;

const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// What the probes take while nobody else is there.
fn alone(addr: SocketAddr) -> [Duration; 3] {
    PROBES.map(|path| {
        let began = Instant::now();
        assert_eq!(ask(addr, "GET", path).status, 200, "{path}");
        began.elapsed()
    })
}

/// The fewest connections that an admin may have, as under a limit of a few hundred descriptors.
const FEW: usize = 8;

/// Whoever comes next gets an answer.
fn assert_there_is_room(addr: SocketAddr, alone: [Duration; 3]) {
    for (path, alone) in PROBES.into_iter().zip(alone) {
        let began = Instant::now();
        assert_eq!(ask(addr, "GET", path).status, 200, "{path}");
        let took = began.elapsed();
        assert!(
            took < AT_ONCE + alone * TIMES_ALONE,
            "{path} took {took:?}, alone {alone:?}"
        );
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).unwrap()
}

#[test]
fn beside_connections_that_say_nothing() {
    for (connections, silent) in [(CONNECTIONS, 64), (CONNECTIONS, 200), (FEW, 64)] {
        let (admin, _relay) = start_with(connections, "a");
        let alone = alone(admin.addr());
        let _silent: Vec<TcpStream> = (0..silent).map(|_| connect(admin.addr())).collect();
        assert_there_is_room(admin.addr(), alone);
    }
}

#[test]
fn beside_heads_that_do_not_end() {
    for connections in [CONNECTIONS, FEW] {
        let (admin, _relay) = start_with(connections, "a");
        let alone = alone(admin.addr());
        let begun = (0..200).map(|_| {
            let mut socket = connect(admin.addr());
            // It may have made room by now.
            let _ = socket.write_all(b"GET /status HTTP/1.1\r\nHost: a");
            socket
        });
        let _begun: Vec<TcpStream> = begun.collect();
        assert_there_is_room(admin.addr(), alone);
    }
}

#[test]
fn beside_connections_that_are_kept_for_later() {
    for connections in [CONNECTIONS, FEW] {
        let (admin, _relay) = start_with(connections, "a");
        let alone = alone(admin.addr());
        let kept = (0..200).map(|n| {
            let mut socket = connect(admin.addr());
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            socket.write_all(b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert_ne!(socket.read(&mut [0; 512]).unwrap(), 0, "the {n}th has an answer");
            socket
        });
        let _kept: Vec<TcpStream> = kept.collect();
        assert_there_is_room(admin.addr(), alone);
    }
}

/// Their answers don't fit into the sockets, and stay half-written.
#[test]
fn beside_connections_that_do_not_read_their_answers() {
    // More than a socket holds.
    let name = "a".repeat(600_000);
    for connections in [CONNECTIONS, FEW] {
        let (admin, _relay) = start_with(connections, &name);
        let alone = alone(admin.addr());
        let slow = (0..100).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(&admin.addr().into()).unwrap();
            let mut socket = TcpStream::from(socket);
            let _ = socket.write_all(b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n");
            socket
        });
        let _slow: Vec<TcpStream> = slow.collect();
        assert_there_is_room(admin.addr(), alone);
        let whole = ask(admin.addr(), "GET", "/status");
        assert_eq!(whole.json()["sources"][0]["name"].as_str(), Some(&name[..]));
    }
}
