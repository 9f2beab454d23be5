//! Free ports, and requests to the servers that listen on them.

use super::{READY_POLL, READY_TIMEOUT};
use crate::driver::child::Guarded;
use anyhow::{Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

/// Waits until a process that was just started listens.
pub(super) fn wait_for_port(process: &mut Guarded, name: &str, address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while TcpStream::connect_timeout(&address, READY_TIMEOUT).is_err() {
        if let Some(status) = process.ended() {
            bail!("{name} ended before it was ready ({status})");
        }
        ensure!(Instant::now() < deadline, "{name} is not ready after {READY_TIMEOUT:?}");
        std::thread::sleep(READY_POLL);
    }
    Ok(())
}

/// An address of this machine on which no program listens. Another program can take it before the
/// server does: then the server's start fails, and says so.
pub(super) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Status and body of one GET; `None` if there is no whole answer.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut socket = TcpStream::connect_timeout(&address, READY_TIMEOUT).ok()?;
    socket.set_read_timeout(Some(READY_TIMEOUT)).ok()?;
    // HTTP/1.0: the connection's end is the body's.
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.get(9..12)?.parse().ok()?, body.to_owned()))
}

/// The sum of a metric's values in a Prometheus exposition, over all its labels.
pub(super) fn sum(exposition: &str, metric: &str) -> f64 {
    let values = exposition.lines().filter_map(|line| {
        let rest = line.strip_prefix(metric)?;
        let labelled = rest.starts_with(['{', ' ']);
        rest.rsplit(' ').next().filter(|_| labelled)?.parse::<f64>().ok()
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# TYPE evictions counter\nevictions{source=\"a b\",reason=\"x\"} 2\nevictions{source=\"a b\",reason=\"y\"} 3\n\
                    evictions_total 9\nup 1\n";
        assert!((sum(text, "evictions") - 5.0).abs() < 1e-9);
        assert!((sum(text, "up") - 1.0).abs() < 1e-9);
        assert!(sum(text, "down").abs() < 1e-9);
    }
}
