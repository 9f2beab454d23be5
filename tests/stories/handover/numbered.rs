//! An origin whose events are numbers, and clients that count them.

use crate::support::client::{TestClient, get};
use crate::support::filler::filler;
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::relay::PATH;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// An origin that goes on where it is asked to: `id: 7`, `data: 7`, and so on.
pub struct NumberedOrigin {
    pub url: String,
    newest: watch::Sender<u64>,
    connections: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl NumberedOrigin {
    /// Events of about this size.
    pub async fn start(event_bytes: usize) -> Self {
        let origin = TestOrigin::start().await;
        let url = origin.url("/sse");
        let (newest, _) = watch::channel(0);
        let connections = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        let (count, numbers) = (connections.clone(), newest.clone());
        serving.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let conn = origin.accept_request().await;
                count.fetch_add(1, Ordering::SeqCst);
                served.spawn(serve(conn, numbers.subscribe(), event_bytes));
            }
        });
        Self {
            url,
            newest,
            connections,
            _serving: serving,
        }
    }

    /// One event more; its number.
    pub fn publish(&self) -> u64 {
        self.newest.send_modify(|newest| *newest += 1);
        *self.newest.borrow()
    }

    /// Connections that were made to it.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Until someone is connected.
    pub async fn connected(&self) {
        within("a connection to the origin", async {
            while self.connections() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn serve(mut conn: Conn, mut newest: watch::Receiver<u64>, event_bytes: usize) {
    let asked = conn.request().header("last-event-id").map(str::to_owned);
    let mut sent = match asked {
        Some(id) => id.parse().unwrap(),
        None => *newest.borrow(),
    };
    conn.stream_head().await;
    let filler = filler(event_bytes);
    loop {
        let now = *newest.borrow_and_update();
        while sent < now {
            sent += 1;
            conn.event(&format!("id: {sent}\ndata: {sent} {filler}")).await;
        }
        if newest.changed().await.is_err() {
            return;
        }
    }
}

/// A client's history: every number that it got.
pub fn history(mut client: TestClient, until: u64) -> JoinHandle<(TestClient, Vec<u64>)> {
    tokio::spawn(async move {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&until) {
            numbers.push(next(&mut client).await);
        }
        (client, numbers)
    })
}

/// The next event's number.
pub async fn next(client: &mut TestClient) -> u64 {
    let event = client.next_event().await;
    assert_eq!(event.gap(), None, "a gap");
    number(&event.data)
}

pub fn number(data: &str) -> u64 {
    data.split(' ').next().unwrap().parse().unwrap()
}

/// That nothing is missing and nothing came twice.
pub fn assert_whole(history: &[u64], first: u64, last: u64) {
    let wanted: Vec<u64> = (first..=last).collect();
    assert_eq!(history, wanted);
}

pub async fn joined(address: SocketAddr) -> TestClient {
    let mut client = get(PATH).open(address).await;
    client.opened().await;
    client
}
