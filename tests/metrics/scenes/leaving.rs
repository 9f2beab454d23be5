//! A drain: readiness, streams that end, and a request that comes too late.

use crate::moves::Moves;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, eventually, readyz};
use crate::support::wire::Wire;

pub(crate) async fn play(moves: &mut Moves) {
    let origin = TestOrigin::start().await;
    let drain = "drain: { delay: 1s, spread: 3s, timeout: 10s }";
    let relay = Setup::over(&origin).top(drain).start();
    let mut scrapes = moves.of(relay.admin).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    relay.upstream_connected().await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(relay.client().await);
    }
    let mut kept = Wire::connect(relay.address).await;
    kept.send("GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let start = kept.start().await;
    kept.content(&start).await;
    scrapes.look().await;
    let admin = relay.admin;
    let address = relay.address;
    let draining = tokio::spawn(relay.relay.drain());
    // After the delay nothing is accepted any more.
    eventually("the listener to close", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
    assert_eq!(readyz(admin).await.0, 503);
    kept.send(format!(
        "GET {PATH} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"
    ))
    .await;
    assert_eq!(kept.start().await.status(), 200);
    // With the last of them the admin goes too.
    let drained = r#"fanfare_connections_closed_total{source="s",reason="drained"}"#;
    while scrapes.look_at(drained).await == 0.0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for mut client in clients {
        client.end().await;
    }
    assert!(draining.await.unwrap());
}
