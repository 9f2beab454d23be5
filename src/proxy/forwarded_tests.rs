//! Which peers' headers count, and what the origin gets.

use super::*;

fn forwarded(peer: &str, sent: &[(&'static str, &'static str)]) -> (Vec<String>, Public) {
    let trusted: [Network; 1] = ["10.0.0.0/8".parse().unwrap()];
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let peer = Peer {
        ip: peer.parse().unwrap(),
        is_tls: false,
    };
    let public = forward(&mut headers, peer, Some("cue.example:8080"), &trusted);
    assert!(!headers.contains_key("x-forwarded-prefix"));
    let value = |name: HeaderName| headers[name].to_str().unwrap().to_owned();
    (vec![value(FORWARDED), value(FOR), value(PROTO), value(HOST)], public)
}

fn public(tls: bool, host: &str) -> Public {
    Public {
        tls,
        host: Some(host.to_owned()),
    }
}

#[test]
fn what_a_client_says_of_itself_is_replaced() {
    let spoofed = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=2.2.2.2;proto=https;host=evil"),
    ];
    let plain = "for=192.0.2.1;host=\"cue.example:8080\";proto=http";
    assert_eq!(
        forwarded("192.0.2.1", &spoofed),
        (
            vec![
                plain.into(),
                "192.0.2.1".into(),
                "http".into(),
                "cue.example:8080".into()
            ],
            public(false, "cue.example:8080")
        )
    );
    let (headers, _) = forwarded("::ffff:192.0.2.1", &[]);
    assert_eq!((headers[0].as_str(), headers[1].as_str()), (plain, "192.0.2.1"));
    let (headers, _) = forwarded("2001:db8::1", &[]);
    assert_eq!(headers[0], "for=\"[2001:db8::1]\";host=\"cue.example:8080\";proto=http");
    assert_eq!(forwarded("0.0.0.0", &[]).0[1], "unknown");
}

#[test]
fn what_a_trusted_proxy_says_is_continued() {
    let sent = [
        ("x-forwarded-for", "192.0.2.7, 2001:db8::1"),
        ("x-forwarded-for", "10.1.1.1"),
        ("x-forwarded-proto", "HTTPS"),
        ("x-forwarded-host", "public.example"),
    ];
    assert_eq!(
        forwarded("10.0.0.1", &sent),
        (
            vec![
                "for=192.0.2.7;host=public.example;proto=https, for=\"[2001:db8::1]\", for=10.1.1.1, \
                 for=10.0.0.1;host=\"cue.example:8080\";proto=http"
                    .into(),
                "192.0.2.7, 2001:db8::1, 10.1.1.1, 10.0.0.1".into(),
                "HTTPS".into(),
                "public.example".into()
            ],
            public(true, "public.example")
        )
    );
    let sent = [("forwarded", "For=\"[2001:db8::1]:80\";Proto=https, by=x;for=_hidden")];
    assert_eq!(
        forwarded("10.0.0.1", &sent),
        (
            vec![
                "For=\"[2001:db8::1]:80\";Proto=https, by=x;for=_hidden, \
                 for=10.0.0.1;host=\"cue.example:8080\";proto=http"
                    .into(),
                "2001:db8::1, _hidden, 10.0.0.1".into(),
                "https".into(),
                "cue.example:8080".into()
            ],
            public(true, "cue.example:8080")
        )
    );
    let nonsense = [("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")];
    assert_eq!(forwarded("10.0.0.1", &nonsense).1, public(false, "cue.example:8080"));
}

#[test]
fn no_spelling_of_an_address_comes_from_a_peer_that_is_not_trusted() {
    let names = [
        "x_forwarded_for",
        "x-forwarded_for",
        "x_forwarded-host",
        "x-forwarded-port",
        "x-real-ip",
        "x_real_ip",
        "true-client-ip",
        "cf_connecting_ip",
        "x-cluster-client-ip",
    ];
    let trusted: [Network; 1] = ["10.0.0.0/8".parse().expect("a network")];
    for (peer, kept) in [("192.0.2.1", false), ("10.0.0.1", true)] {
        let mut headers = HeaderMap::new();
        for name in names {
            headers.insert(name, HeaderValue::from_static("1.1.1.1"));
        }
        headers.insert("x-request-id", HeaderValue::from_static("7"));
        let peer = Peer {
            ip: peer.parse().expect("an address"),
            is_tls: false,
        };
        forward(&mut headers, peer, Some("a.test"), &trusted);
        for name in names {
            assert_eq!(headers.contains_key(name), kept, "{name} from {}", peer.ip);
        }
        assert!(headers.contains_key("x-request-id"));
    }
}

#[test]
fn what_came_over_tls_is_said() {
    let trusted: [Network; 1] = ["10.0.0.0/8".parse().expect("a network")];
    for (ip, sent, proto) in [
        ("192.0.2.1", "http", "https"),
        ("10.0.0.1", "http", "http"),
        ("10.0.0.1", "", "https"),
    ] {
        let mut headers = HeaderMap::new();
        if !sent.is_empty() {
            headers.insert(PROTO, HeaderValue::from_static(sent));
        }
        let peer = Peer {
            ip: ip.parse().expect("an address"),
            is_tls: true,
        };
        let public = forward(&mut headers, peer, Some("a.test"), &trusted);
        assert!(
            headers[PROTO] == proto && public.tls == (proto == "https"),
            "{ip} {sent}"
        );
        let own = headers[FORWARDED].to_str().expect("text");
        assert!(own.ends_with(&format!("for={ip};host=a.test;proto=https")), "{own}");
    }
}
