//! What handshakes agree on: versions, names, protocols, clients' certificates, sessions.

use super::{NAME, VERSIONS, listen, open, secured, secured_with};
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, Dial};
use rustls::{HandshakeKind, ProtocolVersion, version};
use std::sync::Arc;

#[tokio::test]
async fn both_versions_are_spoken_and_min_version_bounds_them() {
    for (keys, old, wanted) in [("", true, "completed"), ("min_version: 1.3", false, "incompatible")] {
        let secured = secured_with(keys, "").await;
        for (version, negotiated) in [
            (&version::TLS13, ProtocolVersion::TLSv1_3),
            (&version::TLS12, ProtocolVersion::TLSv1_2),
        ] {
            let dial = secured.authority.client(NAME, &[version], None);
            match dial.try_connect(secured.relay.address).await {
                Ok(io) => assert_eq!(io.get_ref().1.protocol_version(), Some(negotiated)),
                Err(_) => assert!(!old && negotiated == ProtocolVersion::TLSv1_2),
            }
        }
        secured.handshakes("completed", if old { 2 } else { 1 }).await;
        secured.handshakes(wanted, if old { 2 } else { 1 }).await;
    }
}

#[tokio::test]
async fn both_protocols_are_agreed_on_and_nothing_else() {
    let secured = secured().await;
    let offering = |protocols: &[&str]| {
        let mut dial = secured.client();
        let config = Arc::make_mut(&mut dial.config);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        dial
    };
    let agreed = async |protocols: &[&str]| {
        let io = offering(protocols).try_connect(secured.relay.address).await.ok()?;
        Some(
            io.get_ref()
                .1
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
        )
    };
    assert_eq!(
        agreed(&["http/1.1", "h2"]).await,
        Some(Some("h2".to_owned())),
        "the relay's order"
    );
    assert_eq!(agreed(&["http/1.1"]).await, Some(Some("http/1.1".to_owned())));
    assert_eq!(agreed(&[]).await, Some(None), "who does not ask speaks HTTP/1.1");
    assert_eq!(agreed(&["spdy/3", "ftp"]).await, None);
    secured.handshakes("incompatible", 1).await;
}

#[tokio::test]
async fn the_name_chooses_the_certificate() {
    let authority = Authority::new();
    authority.issue("relay", &["a.test", "*.wild.test"]);
    authority.issue("other", &["b.test"]);
    let pair = |file: &str| authority.tls(file, "");
    let listen = format!(
        "{{ address: '127.0.0.1:0', tls: {{ certificates: [ {}, {} ] }} }}",
        pair("relay").replace(", }", " }"),
        pair("other").replace(", }", " }")
    );
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).listen(&listen).start_with(&origin).await;
    for (name, accepted) in [
        ("a.test", true),
        ("b.test", true),
        ("x.wild.test", true),
        ("x.y.wild.test", false),
        // Gets the first certificate, and refuses it by itself.
        ("c.test", false),
    ] {
        let made = authority.client(name, VERSIONS, None).try_connect(relay.address).await;
        assert_eq!(made.is_ok(), accepted, "{name}");
    }
    let series = r#"fanfare_tls_handshakes_total{outcome="certificate_refused"}"#;
    relay.eventually_metric(series, 2.0).await;
}

#[tokio::test]
async fn a_clients_certificate_is_asked_for_where_authorities_are_named() {
    let secured = secured_with("client_ca: CA", "").await;
    secured.authority.issue("client", &["a.client"]);
    let stranger = Authority::new();
    stranger.issue("client", &["a.client"]);
    for version in VERSIONS {
        let dial = secured.authority.client(NAME, &[version], Some("client"));
        open(&dial, secured.relay.address, &get(PATH)).await;
        // In TLS 1.3 a client learns that it was refused when it reads.
        let refused = async |dial: Dial| {
            let Ok(mut io) = dial.try_connect(secured.relay.address).await else {
                return;
            };
            let read = tokio::io::AsyncReadExt::read(&mut io, &mut [0; 100]).await;
            let error = read.expect_err("an alert").to_string();
            assert!(error.contains("alert"), "{error}");
        };
        refused(secured.authority.client(NAME, &[version], None)).await;
        let mut wrong = secured.authority.client(NAME, &[version], None);
        wrong.config = {
            let shows = stranger.client(NAME, &[version], Some("client"));
            let mut config = (*secured.authority.client(NAME, &[version], Some("client")).config).clone();
            config.client_auth_cert_resolver = shows.config.client_auth_cert_resolver.clone();
            Arc::new(config)
        };
        refused(wrong).await;
    }
    secured.handshakes("client_certificate", 4).await;
    secured.handshakes("completed", 2).await;
}

#[tokio::test]
async fn a_session_is_resumed_also_after_a_renewal() {
    for version in VERSIONS {
        let secured = secured().await;
        let dial = secured.authority.client(NAME, &[version], None);
        let reload = secured.relay.relay.certificate_reload();
        let kind = async || {
            // What a stream sends first comes behind the tickets.
            let mut io = dial.connect(secured.relay.address).await;
            let kind = io.get_ref().1.handshake_kind();
            let request = get(PATH).bytes();
            tokio::io::AsyncWriteExt::write_all(&mut io, &request).await.unwrap();
            tokio::io::AsyncReadExt::read(&mut io, &mut [0; 100]).await.unwrap();
            kind
        };
        assert_eq!(kind().await, Some(HandshakeKind::Full));
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
        secured.authority.issue("relay", &[NAME]);
        reload();
        assert_eq!(
            secured
                .relay
                .metric(r#"fanfare_config_reloads_total{outcome="applied"}"#),
            1.0
        );
        assert_eq!(kind().await, Some(HandshakeKind::Resumed));
        secured.handshakes("resumed", 2).await;
        secured.handshakes("completed", 1).await;
    }
}

#[tokio::test]
async fn no_session_outlives_the_authorities_of_clients() {
    let secured = secured_with("client_ca: CA", "").await;
    secured.authority.issue("client", &["a.client"]);
    let dial = secured.authority.client(NAME, VERSIONS, Some("client"));
    let reload = secured.relay.relay.certificate_reload();
    drop(open(&dial, secured.relay.address, &get(PATH)).await);
    drop(open(&dial, secured.relay.address, &get(PATH)).await);
    secured.handshakes("resumed", 1).await;
    std::fs::copy(Authority::new().ca(), secured.authority.path("ca.pem")).unwrap();
    reload();
    let Ok(mut io) = dial.try_connect(secured.relay.address).await else {
        return;
    };
    let read = tokio::io::AsyncReadExt::read(&mut io, &mut [0; 100]).await;
    assert!(read.is_err(), "a session of an authority that is gone");
    secured.handshakes("client_certificate", 1).await;
}

#[tokio::test]
async fn the_header_of_a_proxy_comes_before_the_handshake() {
    let authority = Authority::new();
    authority.issue("relay", &[NAME]);
    let listen = listen(&authority, "").replace(", tls:", ", proxy_protocol: true, tls:");
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).listen(&listen);
    let (relay, _conn) = setup.top("trusted_proxies: [127.0.0.1]").start_with(&origin).await;
    let dial = authority.client(NAME, VERSIONS, None);
    let mut tcp = crate::support::client::connect(relay.address, None).await;
    let header = b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut tcp, header).await.unwrap();
    let io = dial.over(tcp).await.unwrap();
    let mut client = crate::support::client::TestClient::new(Box::new(io), &get(PATH)).await;
    client.read_head().await;
    client.opened().await;
    relay.eventually_clients(1).await;
    // Without it there is no handshake.
    assert!(dial.try_connect(relay.address).await.is_err());
}

#[tokio::test]
async fn a_unix_socket_may_speak_tls() {
    let authority = Authority::new();
    authority.issue("relay", &[NAME]);
    let path = authority.path("relay.sock");
    let unix = format!(
        "{{ address: 'unix:{}', tls: {} }}",
        path.display(),
        authority.tls("relay", "")
    );
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).listen(&format!("[ '127.0.0.1:0', {unix} ]"));
    let (relay, _conn) = setup.start_with(&origin).await;
    let dial = authority.client(NAME, VERSIONS, None);
    let mut io = dial
        .over(crate::support::client::connect_unix(&path).await)
        .await
        .unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut io, &get(PATH).bytes())
        .await
        .unwrap();
    let mut head = vec![0; 15];
    tokio::io::AsyncReadExt::read_exact(&mut io, &mut head).await.unwrap();
    assert_eq!(head, b"HTTP/1.1 200 OK");
    relay.eventually_clients(1).await;
}
