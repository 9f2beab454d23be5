//! What `/status` may be asked for: one client, or one source.

use crate::status::WantedClient;
use std::net::{IpAddr, SocketAddr};
use url::form_urlencoded;

/// What a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// `client=ADDR`, with or without a port.
    pub(super) client: Option<WantedClient>,
    /// `source=NAME`.
    pub(super) source: Option<String>,
}

impl Asked {
    /// Of a query; or what is wrong with it. Parameters that aren't known are none of ours.
    pub(super) fn of(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "client" if asked.client.is_some() => return Err("client is asked for twice".to_owned()),
                "client" => asked.client = Some(client(&value)?),
                "source" if asked.source.is_some() => return Err("source is asked for twice".to_owned()),
                "source" if value.is_empty() => {
                    return Err("source is the name of a source, as in ?source=a".to_owned());
                }
                "source" => asked.source = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// `192.0.2.1`, `192.0.2.1:50000`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:50000`.
fn client(text: &str) -> Result<WantedClient, String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text);
    let wanted = match (address.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
        (Ok(ip), _) => WantedClient { ip, port: None },
        (_, Ok(address)) => WantedClient {
            ip: address.ip(),
            port: Some(address.port()),
        },
        _ => {
            return Err(
                "client is an address, with or without a port, as in ?client=192.0.2.1 or ?client=[2001:db8::1]:50000"
                    .to_owned(),
            );
        }
    };
    Ok(WantedClient {
        ip: wanted.ip.to_canonical(),
        ..wanted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_asked_for_by_address() {
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:5", "192.0.2.1", Some(5)),
            ("::ffff:192.0.2.1", "192.0.2.1", None),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("%5B2001:db8::1%5D:5", "2001:db8::1", Some(5)),
        ] {
            let wanted = WantedClient {
                ip: ip.parse().unwrap(),
                port,
            };
            let asked = Asked::of(&format!("client={text}")).expect(text);
            assert_eq!(asked.client, Some(wanted), "{text}");
        }
        for wrong in [
            "",
            "x",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.256",
            "[::1",
            "192.0.2.1%20",
        ] {
            assert!(Asked::of(&format!("client={wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_is_asked_for_once_and_the_rest_is_ignored() {
        assert_eq!(Asked::of("access_token=x&a"), Ok(Asked::default()));
        assert_eq!(Asked::of("source=a%20b").unwrap().source.as_deref(), Some("a b"));
        for wrong in ["source=", "source=a&source=b", "client=::1&client=::1"] {
            assert!(Asked::of(wrong).is_err(), "{wrong}");
        }
    }
}
