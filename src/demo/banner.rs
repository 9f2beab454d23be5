//! What `fanfare demo` prints when it is up.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The page to open, and what to try in a terminal.
pub fn banner(relay: SocketAddr, origin: SocketAddr, admin: SocketAddr) -> String {
    let who = match relay.ip().is_loopback() {
        true => "Only this machine can connect; --listen 0.0.0.0:9080 lets others in.",
        false => "Other machines can connect to the relay, too.",
    };
    let (relay, origin, admin) = (reachable(relay), reachable(origin), reachable(admin));
    let (stream, section) = (super::STREAM_PATH, super::SECTIONS[0]);
    format!(
        "\
An origin with a change log, and fanfare in front of it.

  Open in a browser      http://{origin}/
  The relay's dashboard  http://{admin}/

  Watch the stream       curl -N http://{relay}{stream}
  Publish something      curl -X POST -d 'Hello' http://{origin}/changelog/section/{section}
  Look inside            curl http://{admin}/status    curl http://{admin}/metrics

{who}
Ctrl-C ends it.
"
    )
}

/// `0.0.0.0` is an address to listen on, not one to connect to.
pub fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        let banner = banner(
            "0.0.0.0:9080".parse().unwrap(),
            "127.0.0.1:9081".parse().unwrap(),
            "[::]:7090".parse().unwrap(),
        );
        for command in [
            "http://127.0.0.1:9081/\n",
            "curl -N http://127.0.0.1:9080/changelog/sse\n",
            "curl -X POST -d 'Hello' http://127.0.0.1:9081/changelog/section/22\n",
            "curl http://[::1]:7090/status ",
            "curl http://[::1]:7090/metrics\n",
        ] {
            assert!(banner.contains(command), "{command} in\n{banner}");
        }
    }
}
