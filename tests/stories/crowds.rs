//! Many clients come and go while events flow: whoever stays notices nothing.

use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::relay::{PATH, Setup, TestRelay};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// So many that a shard delivers an event to them in several slices.
const CROWD: usize = 1200;
/// How often the crowd comes and goes.
const TIMES: usize = 5;
/// Clients that stay: one on each shard.
const READERS: usize = 2;

async fn clients(relay: &TestRelay, count: usize) {
    let clients = r#"fanfare_clients{source="s",protocol="http/1.1"}"#;
    relay.eventually_metric(clients, count as f64).await;
}

/// Clients whose streams are open, and of which nothing more is asked.
async fn crowd(relay: &TestRelay) -> Vec<TcpStream> {
    let request = get(PATH).bytes();
    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        let mut socket = TcpStream::connect(relay.address).await.unwrap();
        socket.write_all(&request).await.unwrap();
        crowd.push(socket);
    }
    clients(relay, CROWD + READERS).await;
    crowd
}

/// Numbers events until it is told to stop, each as soon as one reader has the one before: then it
/// is under way to the crowd nearly all the time, and events don't pile up.
async fn publish(mut conn: Conn, mut reader: TestClient, stop: Arc<AtomicBool>) -> (Conn, usize) {
    let mut n = 0;
    loop {
        n += 1;
        let last = stop.load(Ordering::Relaxed);
        let event_type = if last { "last" } else { "next" };
        conn.event(&format!("event: {event_type}\ndata: {n}")).await;
        assert_eq!(reader.next_event().await.data, n.to_string());
        if last {
            return (conn, n);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_leaves_in_the_middle_of_an_event_takes_nobody_with_it() {
    crowds_come_and_go("").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_where_the_upstream_waits_for_the_slowest() {
    crowds_come_and_go("slow_client: { policy: pause }").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_where_deliveries_are_spread() {
    crowds_come_and_go("stagger: 20ms").await;
}

/// Whoever stays gets everything.
async fn crowds_come_and_go(source: &str) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source(source).start_with(&origin).await;
    let reader = relay.client().await;
    let mut other = relay.client().await;
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish(conn, reader, stop.clone()));
    let reading = tokio::spawn(async move {
        let mut expected = 1;
        loop {
            let event = other.next_event().await;
            assert_eq!(event.data, expected.to_string());
            if event.event_type == "last" {
                return expected;
            }
            expected += 1;
        }
    });
    for _ in 0..TIMES {
        drop(crowd(&relay).await);
        clients(&relay, READERS).await;
    }
    stop.store(true, Ordering::Relaxed);
    let (_conn, last) = within("the last event", publishing).await.unwrap();
    assert_eq!(
        within("the last event at the other shard", reading).await.unwrap(),
        last
    );
}
