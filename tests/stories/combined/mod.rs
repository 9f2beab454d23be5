//! Several sources in one stream: one connection, and one id that names the place in all of them.

mod access;
mod attacked;
mod ends;
mod filters;
mod polls;
mod reloads;
mod resume;
mod slow;
mod streams;
mod tree;

use crate::support::client::{Ask, Event, TestClient, asks_for_gzip, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::TestRelay;
use crate::support::tls;

const ALL: &str = "/all";

/// Two sources, `a` and `b`, and what is put together from them.
struct Pair {
    relay: TestRelay,
    origins: [TestOrigin; 2],
    a: Conn,
    b: Conn,
}

/// The file of a relay over these: `sources` in flow style, `combine` as a list.
fn yaml(origins: &[TestOrigin; 2], [a, b]: [&str; 2], combine: &str) -> String {
    let gzip = if asks_for_gzip() { "compress: gzip," } else { "" };
    let source = |origin: &TestOrigin, name: &str, more: &str| {
        format!(
            "  {name}: {{ path: /{name}, upstream: {{ url: \"{}\", reconnect: 20ms, reconnect_max: 100ms }}, {gzip} {more} }}\n",
            origin.url("/sse")
        )
    };
    let listen = tls::listener("127.0.0.1:0");
    format!(
        "listen: {listen}\nadmin: 127.0.0.1:0\nworkers: 2\ndrain: {{ spread: 100ms }}\ncombine:\n{combine}\nsources:\n{}{}",
        source(&origins[0], "a", a),
        source(&origins[1], "b", b)
    )
}

const COMBINE: &str = "  - { path: /all, sources: [b, a] }";
const PASS: &str = "ids: pass, log: { ask_origin: 0s }";

impl Pair {
    async fn start(sources: [&str; 2], combine: &str) -> Self {
        let origins = [TestOrigin::start().await, TestOrigin::start().await];
        let relay = TestRelay::read(&yaml(&origins, sources, combine));
        let (mut a, mut b) = (origins[0].accept().await, origins[1].accept().await);
        a.stream_head().await;
        b.stream_head().await;
        relay.upstream_connected().await;
        Self { relay, origins, a, b }
    }

    async fn passing() -> Self {
        Self::start([PASS; 2], COMBINE).await
    }

    async fn open(&self, ask: &Ask) -> TestClient {
        self.relay.open(ask).await
    }

    async fn all(&self) -> TestClient {
        self.open(&get(ALL)).await
    }

    /// Until so many events have come from the origin of a source.
    async fn received(&self, source: &str, events: u64) {
        let series = format!("fanfare_events_received_total{{source=\"{source}\"}}");
        self.relay.eventually_metric(&series, events as f64).await;
    }

    /// One event of each, which come in this order.
    async fn publish(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            self.a.event(&format!("id: {n}\ndata: a{n}")).await;
            self.received("a", n).await;
            self.b.event(&format!("id: {n}\ndata: b{n}")).await;
            self.received("b", n).await;
        }
    }
}

async fn data(client: &mut TestClient, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(client.next_event().await.data);
    }
    all
}

/// The same, and the id of the last one.
async fn data_and_id(client: &mut TestClient, count: usize) -> (Vec<String>, Vec<u8>) {
    let mut all = data(client, count - 1).await;
    let last = client.next_event().await;
    all.push(last.data);
    (all, last.id)
}

/// The reason and the source of a gap event.
fn gap_of(event: &Event) -> (String, String) {
    assert_eq!(event.event_type, "fanfare.gap", "{event:?}");
    let json = event.json();
    let text = |key: &str| json[key].as_str().unwrap().to_owned();
    (text("reason"), text("source"))
}
