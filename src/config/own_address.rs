//! Whether a URL leads to the relay itself, however it is spelled.

use super::addresses::Listen;
use super::listener::ClientListener;
use super::machine::Machine;
use super::root::Config;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Where clients reach the relay.
pub(super) struct OwnAddresses<'a> {
    listen: Vec<SocketAddr>,
    /// Host, in lower case, and port.
    public: Option<(String, u16)>,
    machine: &'a Machine,
}

/// Where a URL leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To a listener of the relay.
    Here,
    /// To the name by which clients know the relay; elsewhere, where names are resolved differently
    /// inside.
    ToPublicName,
    /// Not to the relay, as far as can be said without resolving names.
    Elsewhere,
}

impl<'a> OwnAddresses<'a> {
    /// Those of this configuration on this machine.
    pub(super) fn of(config: &Config, machine: &'a Machine) -> Self {
        let tcp = |listener: &ClientListener| match &listener.address {
            // A port that the system chooses is in no file.
            Listen::Tcp(address) if address.port() != 0 => Some(*address),
            Listen::Tcp(_) | Listen::Unix(_) => None,
        };
        let public = config.public_url.as_ref().and_then(|url| {
            let url = Url::parse(&url.to_string()).ok()?;
            Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
        });
        Self {
            listen: config.listen.iter().filter_map(tcp).collect(),
            public,
            machine,
        }
    }

    /// Where this URL leads.
    pub(super) fn lead(&self, url: &Url) -> Leads {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Leads::Elsewhere;
        };
        let here = |listen: &SocketAddr| listen.port() == port && self.is_at(&host, listen.ip().to_canonical());
        let named = |(name, public): &(String, u16)| *public == port && Some(name.as_str()) == url.host_str();
        match self.public.as_ref().is_some_and(named) {
            _ if self.listen.iter().any(here) => Leads::Here,
            true => Leads::ToPublicName,
            false => Leads::Elsewhere,
        }
    }

    /// Whether what listens at this address is reached by this host.
    fn is_at(&self, host: &Host<&str>, listen: IpAddr) -> bool {
        let ip = match host {
            Host::Domain(name) => return self.is_named(name, listen),
            Host::Ipv4(ip) => IpAddr::from(*ip),
            Host::Ipv6(ip) => IpAddr::from(*ip).to_canonical(),
        };
        // A socket of either family takes IPv4, one of IPv4 nothing else.
        let same_family = ip.is_ipv4() || listen.is_ipv6();
        // To connect to the unspecified address is to connect to the loopback.
        let local = ip.is_loopback() || ip.is_unspecified();
        ip == listen
            || (listen.is_unspecified() && same_family && (local || (self.machine.has_address)(ip)))
            || (is_localhost(listen) && ip.is_unspecified())
    }

    fn is_named(&self, name: &str, listen: IpAddr) -> bool {
        let name = name.trim_end_matches('.');
        // RFC 6761, 6.3.
        let localhost = name == "localhost" || name.ends_with(".localhost");
        let machine = || {
            self.machine
                .name
                .as_ref()
                .is_some_and(|own| own.eq_ignore_ascii_case(name))
        };
        // Which of the machine's addresses its name leads to is not known: any of them, where all
        // are listened at.
        match listen.is_unspecified() {
            true => localhost || machine(),
            false => localhost && is_localhost(listen),
        }
    }
}

/// The address that `localhost` has; there are more on the loopback.
fn is_localhost(ip: IpAddr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(listen: &str, public: &str, url: &str) -> Leads {
        let mut config = Config::for_upstream("http://o/", "/").expect("valid");
        config.listen = vec![super::super::parse_listen(listen).expect("an address").into()];
        config.public_url = public.parse().ok();
        let machine = Machine {
            name: Some("Relay-1".to_owned()),
            has_address: |ip| ip == IpAddr::from([10, 0, 0, 5]),
            ..Machine::default()
        };
        OwnAddresses::of(&config, &machine).lead(&Url::parse(url).expect(url))
    }

    #[test]
    fn every_spelling_of_a_listener_is_known() {
        for (listen, url) in [
            ("0.0.0.0:9080", "http://127.0.0.1:9080/"),
            ("0.0.0.0:9080", "http://127.1.2.3:9080/"),
            ("0.0.0.0:9080", "http://0x7f.1:9080/"),
            ("0.0.0.0:9080", "http://LOCALHOST.:9080/"),
            ("0.0.0.0:9080", "http://relay.localhost:9080/"),
            ("0.0.0.0:9080", "http://0.0.0.0:9080/"),
            ("0.0.0.0:9080", "http://[::ffff:127.0.0.1]:9080/"),
            ("0.0.0.0:9080", "http://10.0.0.5:9080/"),
            ("0.0.0.0:9080", "http://relay-1:9080/"),
            ("0.0.0.0:80", "http://localhost/"),
            ("[::]:9080", "http://[::1]:9080/"),
            ("[::]:9080", "http://127.0.0.1:9080/"),
            ("127.0.0.1:9080", "http://localhost:9080/"),
            ("127.0.0.1:9080", "http://0.0.0.0:9080/"),
            ("192.0.2.7:9080", "http://192.0.2.7:9080/"),
        ] {
            assert_eq!(leads(listen, "", url), Leads::Here, "{url} at {listen}");
        }
    }

    #[test]
    fn what_is_elsewhere_is_not_taken_for_it() {
        for (listen, url) in [
            ("0.0.0.0:9080", "http://127.0.0.1:9081/"),
            ("0.0.0.0:9080", "http://10.0.0.6:9080/"),
            ("0.0.0.0:9080", "http://[::1]:9080/"),
            ("0.0.0.0:9080", "http://origin.example:9080/"),
            ("0.0.0.0:0", "http://127.0.0.1:1/"),
            ("127.0.0.1:9080", "http://127.0.0.2:9080/"),
            ("127.0.0.1:9080", "http://relay-1:9080/"),
            ("192.0.2.7:9080", "http://relay-1:9080/"),
            ("127.0.0.2:9080", "http://localhost:9080/"),
            ("127.0.0.2:9080", "http://0.0.0.0:9080/"),
            ("unix:/run/f.sock", "http://localhost/"),
        ] {
            assert_eq!(leads(listen, "", url), Leads::Elsewhere, "{url} at {listen}");
        }
    }

    #[test]
    fn the_public_name_is_known_in_every_spelling() {
        let at = |url| leads("0.0.0.0:9080", "https://cue.example.com", url);
        assert_eq!(at("https://CUE.example.com:443/sse"), Leads::ToPublicName);
        assert_eq!(at("http://cue.example.com/sse"), Leads::Elsewhere);
    }
}
