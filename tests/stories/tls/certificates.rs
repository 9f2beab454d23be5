//! Certificates that are renewed while clients are connected.

use super::{NAME, VERSIONS, listen, open, secured};
use crate::support::client::get;
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::tls::{Authority, Dial};
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;

/// Clients of the story about a renewal; more by `FANFARE_CLIENTS`.
const CLIENTS: usize = 200;

/// The certificate that a new connection sees.
async fn shown(dial: &Dial, address: SocketAddr) -> CertificateDer<'static> {
    let io = dial.connect(address).await;
    io.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_renewal_cuts_nobody() {
    let mut secured = secured().await;
    let clients: usize = std::env::var("FANFARE_CLIENTS").map_or(CLIENTS, |n| n.parse().unwrap());
    let dial = secured.client();
    let before = shown(&dial, secured.relay.address).await;
    let mut all = Vec::new();
    for _ in 0..clients {
        all.push(open(&dial, secured.relay.address, &get(PATH)).await);
    }
    let (mut sent, mut seen) = (0, before.clone());
    secured.authority.issue("relay", &[NAME, "new.test"]);
    // By itself: the files are looked at now and then. Events go on.
    while seen == before {
        sent += 1;
        secured.conn.event(&format!("id: {sent}\ndata: {sent}")).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        seen = shown(&secured.client(), secured.relay.address).await;
        assert!(sent < 400, "never renewed");
    }
    sent += 1;
    secured.conn.event(&format!("id: {sent}\ndata: {sent}")).await;
    for client in &mut all {
        for n in 1..=sent {
            assert_eq!(client.next_event().await.id(), n.to_string());
        }
    }
    let metric = |series: &str| secured.relay.metric(series);
    assert_eq!(metric(r#"fanfare_config_reloads_total{outcome="applied"}"#), 1.0);
    secured.relay.eventually_clients(clients).await;
}

#[tokio::test]
async fn what_is_broken_leaves_the_old_one_in_force() {
    let secured = secured().await;
    let address = secured.relay.address;
    let before = shown(&secured.client(), address).await;
    let reload = secured.relay.relay.certificate_reload();
    let key = secured.authority.path("relay.key");
    let good = std::fs::read(&key).unwrap();
    let other = Authority::new();
    other.issue("relay", &[NAME]);
    let rejected = || {
        secured
            .relay
            .metric(r#"fanfare_config_reloads_total{outcome="rejected"}"#)
    };
    for (n, broken) in [b"".to_vec(), std::fs::read(other.path("relay.key")).unwrap()]
        .into_iter()
        .enumerate()
    {
        std::fs::write(&key, broken).unwrap();
        reload();
        assert!(rejected() >= (n + 1) as f64);
        assert_eq!(shown(&secured.client(), address).await, before);
    }
    std::fs::write(&key, good).unwrap();
    reload();
    assert_eq!(
        secured
            .relay
            .metric(r#"fanfare_config_reloads_total{outcome="unchanged"}"#),
        1.0
    );
    assert_eq!(shown(&secured.client(), address).await, before);
}

#[tokio::test]
async fn all_listeners_are_renewed_or_none() {
    let authority = Authority::new();
    for file in ["relay", "other"] {
        authority.issue(file, &[NAME]);
    }
    let one = |file: &str| format!("{{ address: '127.0.0.1:0', tls: {} }}", authority.tls(file, ""));
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).listen(&format!("[ {}, {} ]", one("relay"), one("other")));
    let (relay, _conn) = setup.start_with(&origin).await;
    let dial = || authority.client(NAME, VERSIONS, None);
    let address = relay.address;
    let before = shown(&dial(), address).await;
    authority.issue("relay", &[NAME]);
    let good = std::fs::read(authority.path("other.pem")).unwrap();
    std::fs::write(authority.path("other.pem"), "nothing").unwrap();
    let reload = relay.relay.certificate_reload();
    reload();
    assert_eq!(shown(&dial(), address).await, before);
    std::fs::write(authority.path("other.pem"), good).unwrap();
    reload();
    assert_ne!(shown(&dial(), address).await, before);
}

#[tokio::test]
async fn a_signal_reads_them_again_and_the_end_is_a_metric() {
    let authority = Authority::new();
    let until = |year| move |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(year, 1, 1);
    authority.issue_with("relay", &[NAME], until(2040));
    let origin = TestOrigin::start().await;
    let process = TestProcess::start(&Setup::over(&origin).listen(&listen(&authority, ""))).await;
    let series = format!(
        "fanfare_certificate_expiry_timestamp_seconds{{listener=\"{}\"}}",
        process.address
    );
    process.eventually_metric(&series, 2_208_988_800.0).await;
    authority.issue_with("relay", &[NAME], until(2041));
    process.signal(rustix::process::Signal::HUP);
    process.eventually_metric(&series, 2_240_611_200.0).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    // One that has ended is served all the same, and warned of.
    authority.issue_with("relay", &[NAME], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    process.signal(rustix::process::Signal::HUP);
    process.eventually_metric(&series, 1_609_459_200.0).await;
    let made = authority
        .client(NAME, VERSIONS, None)
        .try_connect(process.address)
        .await;
    assert!(made.is_err());
    let refused = r#"fanfare_tls_handshakes_total{outcome="certificate_refused"}"#;
    process.eventually_metric(refused, 1.0).await;
}

#[tokio::test]
async fn one_that_ends_soon_is_warned_of() {
    let authority = Authority::new();
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let in_five_days = since_epoch + std::time::Duration::from_secs(5 * 24 * 3600);
    authority.issue_with("relay", &[NAME], |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + in_five_days;
    });
    let origin = TestOrigin::start().await;
    let process = TestProcess::start(&Setup::over(&origin).listen(&listen(&authority, ""))).await;
    let line = process.logged("a certificate ends soon: renew it").await;
    assert_eq!((&line["level"], &line["days"]), (&"WARN".into(), &4.into()));
}
