//! Ports for programs that can't be asked which one they took, or that are started there again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that the kernel hands out by itself: no connection or listener of another story gets
/// one between the look and the use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// An address of the loopback at which nobody listens. A program gets each once, beginning anywhere:
/// others may look for theirs at the same time.
pub fn free_address() -> SocketAddr {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    let next = NEXT.get_or_init(|| AtomicU16::new(fastrand::u16(..)));
    loop {
        let port = FIRST + next.fetch_add(1, Ordering::Relaxed) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
