//! Listeners that come, go, and take up connections in another way.

use super::read;
use crate::support::client::{TestClient, connect_unix, get};
use crate::support::origin::TestOrigin;
use crate::support::ports::free_address;
use crate::support::relay::{PATH, Setup, eventually};
use fanfare::relay::Reloaded;
use std::net::{SocketAddr, TcpListener, TcpStream};

fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn a_listener_that_is_removed_keeps_its_clients() {
    let origin = TestOrigin::start().await;
    let (one, two) = (free_address(), free_address());
    let setup = |listen: &str| Setup::over(&origin).listen(listen);
    let (relay, mut conn) = setup(&format!("[\"{one}\"]")).start_with(&origin).await;
    let mut before = get(PATH).open(one).await;
    before.opened().await;
    let mut waiting = TestClient::new(Box::new(tokio::net::TcpStream::connect(one).await.unwrap()), &get(PATH)).await;

    let said = relay.reload(&setup(&format!("[\"{two}\"]")));
    assert_eq!(
        said,
        [format!("listener {two}: added"), format!("listener {one}: removed")]
    );
    assert_eq!(relay.relay.addresses(), [Some(two)]);
    eventually("the port to be closed", || !listens(one)).await;
    let mut after = get(PATH).open(two).await;
    after.opened().await;
    assert_eq!(waiting.read_head().await.status, 200, "it had connected before");
    waiting.opened().await;
    conn.event("data: x").await;
    for client in [&mut before, &mut waiting, &mut after] {
        assert_eq!(client.next_event().await.data, "x");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_changes_nothing() {
    let origin = TestOrigin::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (relay, mut conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    let both = Setup::over(&origin)
        .listen(&format!("[\"127.0.0.1:0\", \"{address}\"]"))
        .source("heartbeat: { every: 50ms }")
        .beside("more: { path: /more, upstream: http://127.0.0.1:1/ }");
    let reloaded = relay.relay.reloader().apply(both.config(), Vec::new());
    let Reloaded::Rejected(why) = reloaded else {
        panic!("{reloaded:?}")
    };
    assert!(why.contains(&address.to_string()), "{why}");
    assert_eq!(relay.metric("fanfare_config_reloads_total{outcome=\"rejected\"}"), 1.0);
    let status = relay.status().await;
    assert_eq!(status["reload"]["outcome"], "rejected");
    assert!(
        status["reload"]["said"][0]
            .as_str()
            .unwrap()
            .contains("another process has the port"),
        "{status:#}"
    );
    get("/more").answer(relay.address).await.assert_problem(404);
    assert_eq!(relay.settings_of("s").heartbeat.every.as_secs(), 15);
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    drop(taken);
    relay.reload(&both);
    assert!(listens(address));
}

#[tokio::test]
async fn unix_sockets_come_and_go_with_their_files() {
    let origin = TestOrigin::start().await;
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    let setup = |listen: &str| Setup::over(&origin).listen(listen);
    let with = |path: &std::path::Path| setup(&format!("[\"127.0.0.1:0\", \"unix:{}\"]", path.display()));
    let (relay, mut conn) = with(&one).start_with(&origin).await;
    let mut client = TestClient::new(Box::new(connect_unix(&one).await), &get(PATH)).await;
    client.read_head().await;
    client.opened().await;
    relay.reload(&with(&two));
    eventually("the file to be gone", || !one.exists()).await;
    let mut other = TestClient::new(Box::new(connect_unix(&two).await), &get(PATH)).await;
    other.read_head().await;
    other.opened().await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    assert_eq!(other.next_event().await.data, "x");
}

#[tokio::test]
async fn a_listener_that_asks_for_a_header_from_now_on_is_never_closed() {
    let origin = TestOrigin::start().await;
    let address = free_address();
    let listen = |keys: &str| {
        Setup::over(&origin)
            .listen(&format!("{{ address: \"{address}\"{keys} }}"))
            .top("trusted_proxies: 127.0.0.0/8")
    };
    let (relay, mut conn) = listen("").start_with(&origin).await;
    let mut before = relay.client().await;
    let said = relay.reload(&listen(", proxy_protocol: true"));
    assert_eq!(said, [format!("listener {address}: changed")]);
    let mut io = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut io, b"PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n")
        .await
        .unwrap();
    let mut behind = TestClient::new(Box::new(io), &get(PATH)).await;
    assert_eq!(behind.read_head().await.status, 200);
    behind.opened().await;
    conn.event("data: x").await;
    assert_eq!(before.next_event().await.data, "x");
    assert_eq!(behind.next_event().await.data, "x");
    relay.reload(&listen(""));
    let mut plain = relay.client().await;
    conn.event("data: y").await;
    assert_eq!(plain.next_event().await.data, "y");
}

#[tokio::test]
async fn what_can_not_change_is_said_and_the_rest_is_in_force() {
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).start_with(&origin).await;
    let yaml = Setup::over(&origin)
        .source("heartbeat: { every: 1s }")
        .yaml()
        .replace("workers: 2", "workers: 3")
        .replace("admin: 127.0.0.1:0", "admin: 127.0.0.1:1");
    for round in 0..2 {
        let reloaded = relay.relay.reloader().apply(read(&yaml), Vec::new());
        match (round, reloaded) {
            (0, Reloaded::Applied { said, not_in_force }) => {
                assert_eq!(said, ["source s: other settings"]);
                assert_eq!(not_in_force, ["admin", "workers"]);
            }
            (1, Reloaded::Unchanged) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(
            relay.status().await["not_in_force"],
            serde_json::json!(["admin", "workers"])
        );
        assert_eq!(relay.settings_of("s").heartbeat.every.as_secs(), 1);
    }
    relay.reload(&Setup::over(&origin));
    assert_eq!(relay.status().await["not_in_force"], serde_json::json!([]));
}
