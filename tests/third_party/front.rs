//! What has to hold behind every server that stands in front; the modules of the servers say which
//! one.

use crate::event_source::{CONNECTING, CUTTING, wanted};
use crate::proxy::Proxy;
use crate::stream::{assert_numbered, publish, publish_while_it_is_cut};
use crate::support::client::{Ask, End, TestClient, ask, get};
use crate::support::origin::{TestOrigin, within};
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup, TestRelay};
use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// Where a proxy finds the relay.
#[derive(Debug, Clone, Copy)]
pub struct Relay {
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl From<&TestRelay> for Relay {
    fn from(relay: &TestRelay) -> Self {
        let &TestRelay { address, admin, .. } = relay;
        Self { address, admin }
    }
}

impl From<&TestProcess> for Relay {
    fn from(relay: &TestProcess) -> Self {
        let &TestProcess { address, admin, .. } = relay;
        Self { address, admin }
    }
}

/// The stories that hold whatever the configuration, of a proxy that is started by this function.
#[macro_export]
macro_rules! stories_in_front {
    ($start:path) => {
        #[tokio::test]
        async fn events_reach_many_clients_at_once() {
            $crate::front::events_reach_many_clients_at_once($start).await;
        }

        #[tokio::test]
        async fn a_client_that_leaves_is_noticed() {
            $crate::front::a_client_that_leaves_is_noticed($start).await;
        }

        #[tokio::test]
        async fn a_drain_is_an_end_in_order() {
            $crate::front::a_drain_is_an_end_in_order($start).await;
        }

        #[tokio::test]
        async fn an_event_source_resumes_through_it() {
            $crate::front::an_event_source_resumes_through_it($start).await;
        }
    };
}

/// The stories that take the settings of `deploy/proxies`.
#[macro_export]
macro_rules! stories_of_a_good_configuration {
    ($start:path) => {
        #[tokio::test]
        async fn the_clients_own_address_counts() {
            $crate::front::the_clients_own_address_counts($start).await;
        }

        #[tokio::test]
        async fn a_relay_that_is_away_is_waited_for() {
            $crate::front::a_relay_that_is_away_is_waited_for($start).await;
        }

        #[tokio::test]
        async fn a_browser_outlives_a_relay_that_is_killed() {
            $crate::front::a_browser_outlives_a_relay_that_is_killed($start).await;
        }
    };
}

async fn client(proxy: &Proxy, request: &Ask) -> TestClient {
    let mut client = request.open(proxy.address).await;
    client.opened().await;
    client
}

pub async fn events_reach_many_clients_at_once(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    let proxy = start(Relay::from(&relay)).await;
    let mut clients = Vec::new();
    for n in 0..200 {
        // Half of them speak HTTP/1.0.
        let request = if n % 2 == 0 { get(PATH) } else { get(PATH).http10() };
        clients.push(client(&proxy, &request).await);
    }
    relay.eventually_clients(200).await;
    // The next event is only sent when everybody has this one: nobody on the way waits for more
    // bytes.
    for n in 0..10 {
        publish(&mut conn, n..n + 1).await;
        for client in &mut clients {
            assert_numbered(&[client.next_event().await], n..n + 1);
        }
    }
    // Nor for a timer: a fifth of a second each would be too much for our patience.
    let mut one = clients.swap_remove(0);
    drop(clients);
    within("400 events, one after the other", async {
        for n in 10..410 {
            publish(&mut conn, n..n + 1).await;
            assert_numbered(&[one.next_event().await], n..n + 1);
        }
    })
    .await;
}

pub async fn a_client_that_leaves_is_noticed(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    let proxy = start(Relay::from(&relay)).await;
    let mut stays = client(&proxy, &get(PATH)).await;
    let leave = [client(&proxy, &get(PATH)).await, client(&proxy, &get(PATH)).await];
    relay.eventually_clients(3).await;
    // Nothing is published: it is noticed without.
    let [closes, resets] = leave;
    drop(closes);
    relay.eventually_clients(2).await;
    resets.reset();
    relay.eventually_clients(1).await;
    publish(&mut conn, 0..1).await;
    assert_numbered(&[stays.next_event().await], 0..1);
}

pub async fn a_drain_is_an_end_in_order(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).top("drain: { spread: 500ms }").source("ids: pass");
    let mut process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let proxy = start(Relay::from(&process)).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(client(&proxy, &get(PATH)).await);
    }
    publish(&mut conn, 0..2).await;
    for client in &mut clients {
        assert_numbered(&client.until_data("1").await, 0..2);
    }
    process.terminate();
    for client in &mut clients {
        assert_eq!(client.end().await, End::LastChunk);
        assert_eq!((client.retries.len(), client.incomplete()), (2, &b""[..]));
        assert_eq!(client.last_event_id, b"1");
    }
    assert_eq!(process.exit().await.code(), Some(0));
}

pub async fn an_event_source_resumes_through_it(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source(CUTTING).start_with(&origin).await;
    let proxy = start(Relay::from(&relay)).await;
    let mut client = crate::node::start(wanted(proxy.address, &["message"])).await;
    let events = publish_while_it_is_cut(&mut conn, &mut client, 4).await;
    assert_numbered(&client.events(), 0..events);
    assert!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#) >= 3.0);
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
}

/// A client that has this address.
async fn client_from(source: &str, proxy: &Proxy, request: &Ask) -> TestClient {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
    let io = within("a connection to the proxy", socket.connect(proxy.address))
        .await
        .unwrap();
    let mut client = TestClient::new(Box::new(io), request).await;
    assert_eq!(client.read_head().await.status, 200);
    client
}

pub async fn the_clients_own_address_counts(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .top("limits: { clients_per_ip: 1 }\ntrusted_proxies: [127.0.0.1]")
        .source("start: latest");
    let (relay, mut conn) = setup.start_with(&origin).await;
    conn.event("data: x").await;
    relay.received(1).await;
    let proxy = start(Relay::from(&relay)).await;
    // All of the loopback is this machine.
    let mut inside = client_from("127.0.0.2", &proxy, &get(PATH)).await;
    let mut other = client_from("127.0.0.3", &proxy, &get(PATH)).await;
    for client in [&mut inside, &mut other] {
        assert_eq!(client.next_event().await.data, "x");
    }
    // Whatever it says of itself: the proxy says otherwise.
    for request in [get(PATH), get(PATH).header("X-Forwarded-For", "192.0.2.1")] {
        let mut refused = client_from("127.0.0.2", &proxy, &request).await;
        assert_eq!(refused.end().await, End::LastChunk);
        assert_eq!((refused.events_so_far(), refused.retries.len()), (Vec::new(), 1));
    }
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="clients_per_ip"}"#), 2.0);
    assert_eq!(relay.clients(), 2.0);
}

pub async fn a_cut_is_no_end(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let mut process = TestProcess::start(&Setup::over(&origin)).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let proxy = start(Relay::from(&process)).await;
    let mut client = client(&proxy, &get(PATH)).await;
    process.signal(rustix::process::Signal::KILL);
    process.exit().await;
    assert_ne!(client.end().await, End::LastChunk);
}

pub async fn a_relay_that_is_away_is_waited_for(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .ports(free_address(), free_address())
        .source("start: latest");
    let mut process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let proxy = start(Relay::from(&process)).await;
    client(&proxy, &get(PATH)).await;
    process.signal(rustix::process::Signal::KILL);
    process.exit().await;
    // An EventSource is told to come back; anybody else is told the truth.
    let mut sent_away = get(PATH).open(proxy.address).await;
    sent_away.end().await;
    assert_eq!(
        (sent_away.events_so_far(), &sent_away.retries[..]),
        (Vec::new(), &[3000][..])
    );
    let status = ask("HEAD", PATH).send(proxy.address).await.read_head().await.status;
    assert!((500..600).contains(&status), "{status}");

    let _again = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: here again").await;
    let back = async {
        loop {
            // The proxy may take a moment to find out.
            let mut client = get(PATH).open(proxy.address).await;
            if let Some(event) = client.try_next_event().await {
                return event;
            }
        }
    };
    assert_eq!(within("the relay to be back", back).await.data, "here again");
}

pub async fn a_browser_outlives_a_relay_that_is_killed(start: impl AsyncFn(Relay) -> Proxy) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin)
        .ports(free_address(), free_address())
        .source("ids: pass");
    let mut process = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let proxy = start(Relay::from(&process)).await;
    // Whatever page this is, it is of the same origin as the stream.
    let page = format!("http://{}", proxy.address);
    let request = wanted(proxy.address, &["message", "fanfare.gap"]);
    let mut browser = crate::chromium::start_in(&page, request).await;
    browser.opened().await;
    publish(&mut conn, 0..3).await;
    browser.until_data("2").await;
    process.signal(rustix::process::Signal::KILL);
    process.exit().await;
    // Its stream ends; then it is sent away by the proxy, with an answer that it does not take for
    // the last word.
    for _ in 0..2 {
        assert_eq!(browser.until("error").await["state"], CONNECTING);
    }
    let _again = TestProcess::start(&setup).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    publish(&mut conn, 3..5).await;
    assert_eq!(browser.next_event().await.gap().as_deref(), Some("unknown_id"));
    assert_numbered(&browser.until_data("4").await, 3..5);
}
