//! Hundreds of clients come and go all the time while the origin publishes: each one's record has
//! every event once, in order.

use crate::support::client::{Event, TestClient, get};
use crate::support::origin::{PATIENCE, TestOrigin};
use crate::support::relay::{PATH, Setup, eventually};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const EVENTS: u64 = 2_000;
const EVENTS_PER_SECOND: u64 = 5_000;
const CLIENTS: usize = 100;
/// Events after which a client leaves, at most.
const STAY_EVENTS_MAX: u64 = 60;
/// Events by which the origin may be ahead of what half the usual number of hops would take.
const LEAD_EVENTS: u64 = 100;
/// Bytes that a client reads at one time: what it reads and doesn't look at is read again.
const READ_BYTES: usize = 1024;

type Connecting = Pin<Box<dyn Future<Output = TestClient> + Send>>;

/// How clients connect: an address and a last event ID. Another protocol is another of these.
type Connect = Arc<dyn Fn(SocketAddr, Option<Vec<u8>>) -> Connecting + Send + Sync>;

fn http(version_1_0: bool) -> Connect {
    Arc::new(move |address, last_event_id| {
        Box::pin(async move {
            let mut request = get(PATH);
            if version_1_0 {
                request = request.http10();
            }
            if let Some(id) = last_event_id {
                request = request.last_event_id(id);
            }
            request.open(address).await
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn assigned_ids_over_http_1_1() {
    hop("ids: assign", false, http(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passed_ids_over_http_1_1_and_1_0() {
    let (new, old) = (http(false), http(true));
    let turn = AtomicUsize::new(0);
    let connect: Connect = Arc::new(move |address, id| {
        let n = turn.fetch_add(1, Ordering::Relaxed);
        if n.is_multiple_of(2) {
            new(address, id)
        } else {
            old(address, id)
        }
    });
    hop("ids: pass", true, connect).await;
}

async fn hop(ids: &str, with_ids: bool, connect: Connect) {
    let origin = TestOrigin::start().await;
    // Everything is kept: what is missing was lost. `earliest`: where ids are passed, there is none
    // before the first event.
    let setup = Setup::over(&origin).source(&format!(
        "{ids}\nstart: earliest\nlog: {{ events: 50000 }}\nslow_client: {{ events: 50000 }}"
    ));
    let (relay, mut conn) = setup.start_with(&origin).await;
    let address = relay.address;
    let hops = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(follow(address, connect.clone(), n as u64, hops.clone())))
        .collect();
    relay.eventually_clients(CLIENTS).await;

    let began = Instant::now();
    for n in 0..EVENTS {
        let id = if with_ids { format!("id: {n}\n") } else { String::new() };
        conn.body(format!("{id}data: {n}\n\n")).await;
        if n % 50 == 0 {
            let due = Duration::from_micros(n * 1_000_000 / EVENTS_PER_SECOND);
            tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
            // Those who hop stay near the head, however slow the machine: that is where the seam
            // is.
            let expected = n.saturating_sub(LEAD_EVENTS) * CLIENTS as u64 / STAY_EVENTS_MAX;
            eventually("the clients to hop", || hops.load(Ordering::Relaxed) as u64 >= expected).await;
        }
    }
    for client in clients {
        tokio::time::timeout(5 * PATIENCE, client)
            .await
            .expect("a client that gets everything")
            .unwrap();
    }
    let hops = hops.load(Ordering::Relaxed);
    assert!(hops > 2_000, "only {hops} hops");
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
    relay.eventually_clients(0).await;
}

/// One client's life: it notes what it gets, and leaves at random moments, also in the middle of
/// what has come.
async fn follow(address: SocketAddr, connect: Connect, seed: u64, hops: Arc<AtomicUsize>) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut client = connect(address, None).await;
    let mut next = 0;
    while next < EVENTS {
        client.read_bytes_max = READ_BYTES;
        let stay = chance.u64(0..STAY_EVENTS_MAX);
        for _ in 0..stay {
            let event = client.next_event().await;
            note(&event, &mut next, &client);
            if next == EVENTS {
                return;
            }
        }
        // What has come and was not looked at is not the client's: an EventSource that is closed
        // dispatches nothing more.
        let last_event_id = noted_id(&mut client);
        if chance.bool() {
            client.reset();
        } else {
            drop(client);
        }
        hops.fetch_add(1, Ordering::Relaxed);
        client = connect(address, last_event_id).await;
    }
}

fn note(event: &Event, next: &mut u64, client: &TestClient) {
    assert_eq!(
        event.data,
        next.to_string(),
        "after {:?}",
        client.last_event_id.escape_ascii().to_string()
    );
    *next += 1;
}

/// The id of the last event that was looked at, or of the place before it.
fn noted_id(client: &mut TestClient) -> Option<Vec<u8>> {
    client.seen_id.clone().filter(|id| !id.is_empty())
}
