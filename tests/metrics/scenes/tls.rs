//! Handshakes of each outcome, and certificates that are read again.

use crate::moves::Moves;
use crate::support::client::{connect, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::tls::{Authority, Dial, NAME, VERSIONS};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) async fn play(moves: &mut Moves) {
    let authority = Authority::new();
    authority.issue("relay", &[NAME]);
    let ca = authority.ca();
    let origin = TestOrigin::start().await;
    let one = |keys: &str| format!("{{ address: '127.0.0.1:0', tls: {} }}", authority.tls("relay", keys));
    let listen = format!(
        "[ {}, {}, {} ]",
        one(""),
        one(&format!("client_ca: {}", ca.display())),
        one("handshake_timeout: 200ms")
    );
    let setup = Setup::over(&origin).listen(&listen).top("limits: { handshakes: 2 }");
    let (relay, _conn) = setup.start_with(&origin).await;
    let mut scrapes = moves.of(relay.admin).await;
    let strict = relay.relay.addresses()[1].unwrap();
    let dial = authority.client(NAME, VERSIONS, None);

    let handshakes = |outcome: &str| format!("fanfare_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    let silent = connect(relay.relay.addresses()[2].unwrap(), None).await;
    relay.eventually_metric(&handshakes("timeout"), 1.0).await;
    drop(silent);
    drop(connect(relay.address, None).await);
    relay.eventually_metric(&handshakes("closed"), 1.0).await;
    for _ in 0..2 {
        opened(&dial, relay.address).await;
    }
    relay.eventually_metric(&handshakes("resumed"), 1.0).await;
    let mut odd = dial.clone();
    Arc::make_mut(&mut odd.config).alpn_protocols = vec![b"ftp".to_vec()];
    let stranger = Authority::new().client(NAME, VERSIONS, None);
    for (dial, address) in [(&odd, relay.address), (&stranger, relay.address)] {
        assert!(dial.try_connect(address).await.is_err());
    }
    if let Ok(mut io) = dial.try_connect(strict).await {
        let _ = io.read(&mut [0; 10]).await;
    }
    for bytes in [&get(PATH).bytes()[..], &[21, 3, 3, 0, 2, 2, 40]] {
        let mut io = connect(relay.address, None).await;
        io.write_all(bytes).await.unwrap();
        let _ = io.read_to_end(&mut Vec::new()).await;
    }
    for outcome in [
        "incompatible",
        "certificate_refused",
        "client_certificate",
        "not_tls",
        "failed",
    ] {
        relay.eventually_metric(&handshakes(outcome), 1.0).await;
    }
    let _held = [connect(strict, None).await, connect(strict, None).await];
    let mut refused = connect(strict, None).await;
    let _ = refused.read(&mut [0; 10]).await;
    relay
        .eventually_metric(r#"fanfare_refused_total{reason="handshakes"}"#, 1.0)
        .await;

    reload(&relay, &authority);
    scrapes.look().await;
}

fn reload(relay: &TestRelay, authority: &Authority) {
    let reload = relay.relay.certificate_reload();
    reload();
    authority.issue_with("relay", &[NAME], |params| {
        params.not_after = rcgen::date_time_ymd(2040, 1, 1)
    });
    reload();
    std::fs::write(authority.path("relay.key"), "").unwrap();
    reload();
}

/// A connection over which something has come, and with it a ticket.
async fn opened(dial: &Dial, address: SocketAddr) {
    let mut io = dial.connect(address).await;
    io.write_all(&get(PATH).bytes()).await.unwrap();
    assert!(io.read(&mut [0; 100]).await.unwrap() > 0);
}
