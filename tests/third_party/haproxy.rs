//! HAProxy in front, with `deploy/proxies/haproxy.cfg`.

use crate::front::Relay;
use crate::proxy::{Proxy, configured};
use crate::stream::{assert_numbered, publish};
use crate::support::client::{End, ask, get};
use crate::support::origin::TestOrigin;
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::tools::{file, program};
use tokio::process::Command;

crate::stories_in_front!(start);
crate::stories_of_a_good_configuration!(start);

async fn start(relay: Relay) -> Proxy {
    // Both servers of the file are the one relay.
    start_with_two(relay, relay).await
}

async fn start_with_two(first: Relay, second: Relay) -> Proxy {
    start_with(first, second, "").await
}

/// With these words behind each server.
async fn start_with(first: Relay, second: Relay, words: &str) -> Proxy {
    let address = free_address();
    let server = |relay: Relay| format!("{} port {} {words}", relay.address, relay.admin.port());
    let file = configured(
        "haproxy.cfg",
        &[
            ("bind :8080", &format!("bind {address}")),
            ("127.0.0.1:9080 port 7090", &server(first)),
            ("127.0.0.1:9081 port 7091", &server(second)),
            ("maxconn 60000", "maxconn 2000"),
        ],
    );
    Proxy::start(address, |dir| {
        std::fs::write(dir.join("haproxy.cfg"), file).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    })
    .await
}

#[tokio::test]
async fn it_says_by_the_proxy_protocol_who_a_client_is() {
    for words in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options unique-id,authority",
    ] {
        let origin = TestOrigin::start().await;
        let (relay, mut conn) = Setup::over(&origin)
            .listen("{ address: \"127.0.0.1:0\", proxy_protocol: true }")
            .top("trusted_proxies: 127.0.0.1\nlimits: { clients_per_ip: 1 }")
            .start_with(&origin)
            .await;
        let proxy = start_with(Relay::from(&relay), Relay::from(&relay), words).await;
        let mut client = get(PATH).open(proxy.address).await;
        client.opened().await;
        conn.event("data: through").await;
        assert_eq!(client.next_event().await.data, "through", "{words}");
        // One client for each address.
        assert_eq!(ask("GET", PATH).answer(proxy.address).await.head.status, 503, "{words}");
        relay.eventually_clients(1).await;
    }
}

/// The two files that are shipped for it, together.
#[tokio::test]
async fn a_balancer_of_connections_says_whose_each_is() {
    let origin = TestOrigin::start().await;
    let example = std::fs::read_to_string(file("deploy/examples/behind-proxy-protocol.yaml")).unwrap();
    let content_store = origin.url("").trim_end_matches('/').to_owned();
    let environment = |name: &str| match name {
        "CONTENT_STORE" => Some(content_store.clone()),
        "FANFARE_LISTEN" | "FANFARE_ADMIN" => Some("127.0.0.1:0".to_owned()),
        _ => None,
    };
    let mut config = match fanfare::config::read(&example, "example.yaml", &environment) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    };
    config.limits.clients_per_ip = 1;
    let relay = TestRelay::start(config);
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/webservice/escenic/changelog/sse");
    conn.stream_head().await;
    relay.upstream_connected().await;
    let address = free_address();
    let server = format!("{} port {}", relay.address, relay.admin.port());
    let file = configured(
        "haproxy-tcp.cfg",
        &[
            ("bind :8080", &format!("bind {address}")),
            ("127.0.0.1:9080 port 7090", &server),
            ("127.0.0.1:9081 port 7091", &server),
            ("maxconn 60000", "maxconn 2000"),
        ],
    );
    let proxy = Proxy::start(address, |dir| {
        std::fs::write(dir.join("haproxy.cfg"), file).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.args(["-db", "-f", "haproxy.cfg"]);
        command
    })
    .await;
    let request = get("/changelog/sse");
    let mut client = request.open(proxy.address).await;
    client.opened().await;
    conn.event("data: through").await;
    assert_eq!(client.next_event().await.data, "through");
    // One client for each address; another address is another client.
    let poll = ask("GET", "/changelog/sse");
    assert_eq!(poll.answer(proxy.address).await.head.status, 503);
    let mut other = request.clone().from([127, 0, 0, 2].into()).open(proxy.address).await;
    other.opened().await;
    // And who comes without the header gets nothing.
    let mut direct = request.send(relay.address).await;
    assert!(!direct.read_more().await && direct.body.is_empty());
}

#[tokio::test]
async fn a_cut_is_no_end() {
    crate::front::a_cut_is_no_end(start).await;
}

#[tokio::test]
async fn clients_of_a_relay_that_drains_go_on_at_the_other_one() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top("drain: { spread: 1s }").source("ids: pass");
    let mut leaving = TestProcess::start(&setup).await;
    let mut conns = vec![origin.accept().await];
    let staying: TestRelay = setup.start();
    conns.push(origin.accept().await);
    for conn in &mut conns {
        conn.stream_head().await;
    }
    let proxy = start_with_two(Relay::from(&leaving), Relay::from(&staying)).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = get(PATH).open(proxy.address).await;
        client.opened().await;
        clients.push(client);
    }
    leaving.eventually_clients(5).await;
    for conn in &mut conns {
        publish(conn, 0..3).await;
    }
    for client in &mut clients {
        assert_numbered(&client.until_data("2").await, 0..3);
    }
    leaving.terminate();
    // Half of them are sent away, and come back at once.
    assert_eq!(leaving.exit().await.code(), Some(0));
    publish(&mut conns[1], 3..5).await;
    let mut moved = 0;
    for mut client in clients {
        let mut events = Vec::new();
        while let Some(event) = client.try_next_event().await {
            events.push(event);
            if events.len() == 2 {
                break;
            }
        }
        if events.is_empty() {
            assert_eq!(client.end().await, End::LastChunk);
            let mut back = get(PATH).last_event_id(&client.last_event_id).open(proxy.address).await;
            events = back.until_data("4").await;
            moved += 1;
        }
        assert_numbered(&events, 3..5);
    }
    assert_eq!(moved, 5);
}
