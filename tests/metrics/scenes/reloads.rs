//! Reloads: one that changes something, one that changes nothing, one that can't be; and the
//! clients of a source that is gone.

use crate::moves::Moves;
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;

pub(crate) async fn play(moves: &mut Moves) {
    let (origin, other) = (TestOrigin::start().await, TestOrigin::start().await);
    let setup = Setup::over(&origin).top("drain: { spread: 0s }");
    let both = setup
        .clone()
        .beside(&format!("more: {{ path: /more, upstream: \"{}\" }}", other.url("/sse")));
    let relay = both.start();
    let mut scrapes = moves.of(relay.admin).await;
    for origin in [&origin, &other] {
        origin.accept().await.stream_head().await;
    }
    let mut client = relay.open(&crate::support::client::get("/more")).await;
    let reloader = relay.relay.reloader();
    reloader.apply(both.config(), Vec::new());
    reloader.reject(vec!["a mistake".to_owned()]);
    reloader.apply(setup.config(), Vec::new());
    client.end().await;
    let removed = r#"fanfare_connections_closed_total{source="more",reason="removed"}"#;
    while scrapes.look_at(removed).await == 0.0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
