//! From a host's name to a connection that can speak HTTP: names, addresses, TCP, TLS.
//!
//! All addresses of a name are tried, families in turn, the next one as soon as one fails or is
//! slow (RFC 8305 in small). The attempts live in a set that ends with the future: dropping it
//! leaves no socket behind.

use super::io::Io;
use super::request::ConfiguredOrigin;
use super::url::Url;
use super::{Failure, Reason};
use crate::config::UpstreamTls;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

/// When an address has not answered in this time, the next one is tried beside it (RFC 8305, 5:
/// between 100 ms and 2 s, 250 ms recommended).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Addresses tried at most: bounds the sockets that one name can open.
const ADDRESSES_MAX: usize = 16;

/// A dead peer is noticed within a minute or so, also where the watchdog is off: 30 s, then 3
/// probes 10 s apart.
const TCP_KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(30))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Connects to the URL's host, and secures the connection if the URL says so.
pub(super) async fn connect(configured: &ConfiguredOrigin<'_>, url: &Url, deadline: Instant) -> Result<Io, Failure> {
    let config = configured.config();
    open(url, &config.tls, configured.is(url), config.http2, deadline).await
}

/// The same without an upstream. `at_home`: the URL leads where the TLS settings belong.
pub(crate) async fn open(
    url: &Url,
    tls: &UpstreamTls,
    at_home: bool,
    http2: bool,
    deadline: Instant,
) -> Result<Io, Failure> {
    let addresses = within(deadline, "the name was not resolved", resolve(url)).await?;
    let tcp = within(deadline, "not connected", tcp(addresses)).await?;
    if !url.is_tls() {
        return Ok(Io::Clear(tcp));
    }
    let secured = super::tls::handshake(tcp, url.host(), tls, at_home, http2);
    Ok(Io::Tls(Box::new(within(deadline, "no TLS connection", secured).await?)))
}

/// Bounds one step of an attempt by the attempt's deadline.
pub(super) async fn within<T>(
    deadline: Instant,
    what: &str,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match timeout_at(deadline, step).await {
        Ok(done) => done,
        Err(_) => Err(Failure::new(Reason::Timeout, format!("{what} in time"))),
    }
}

async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = url.host().parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, url.port())]);
    }
    let found = tokio::net::lookup_host((url.host(), url.port())).await;
    let found = found.map_err(|error| Failure::new(Reason::Dns, format!("{}: {error}", url.host())))?;
    let mut addresses = in_turn(found.collect());
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() {
        return Err(Failure::new(Reason::Dns, format!("{}: no address", url.host())));
    }
    Ok(addresses)
}

/// The families in turn, the resolver's first choice first: one dead family costs one address.
fn in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|one| one.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed = Vec::new();
    for address in first {
        mixed.push(address);
        mixed.extend(second.next());
    }
    mixed.extend(second);
    mixed
}

/// The first of these addresses that accepts.
async fn tcp(addresses: Vec<SocketAddr>) -> Result<TcpStream, Failure> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = Failure::new(Reason::Refused, "no address");
    loop {
        if let Some(address) = waiting.next() {
            attempts.spawn(async move { open_tcp(address).await.map_err(|error| (address, error)) });
        }
        tokio::select! {
            done = attempts.join_next() => match done {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err((address, error)))) => failure = refused(address, &error),
                // Neither cancelled nor able to panic.
                Some(Err(_)) => {}
                // All were tried, and all have failed.
                None => return Err(failure),
            },
            () = sleep(NEXT_ADDRESS_AFTER), if waiting.len() > 0 => {}
        }
    }
}

async fn open_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // A port of this machine on which no program listens can, by chance, be the one that our own
    // end was given.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TCP_KEEPALIVE)?;
    Ok(stream)
}

fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    let reason = if error.kind() == io::ErrorKind::TimedOut {
        Reason::Timeout
    } else {
        Reason::Refused
    };
    Failure::new(reason, format!("{address}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn families_take_turns() {
        let sorted = |texts: &[&str]| in_turn(texts.iter().map(|text| text.parse().unwrap()).collect());
        let expected: Vec<SocketAddr> = ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(sorted(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]), expected);
        assert!(sorted(&[]).is_empty());
    }

    #[tokio::test]
    async fn an_address_that_refuses_makes_way_for_the_next() {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let stream = tcp(vec![dead, alive]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(stream.nodelay().unwrap());
        assert!(SockRef::from(&stream).keepalive().unwrap());

        let failure = tcp(vec![dead]).await.unwrap_err();
        assert_eq!(failure.reason, Reason::Refused);
        assert!(failure.detail.contains(&dead.to_string()), "{failure}");
    }
}
