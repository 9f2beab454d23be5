//! Descriptors are few: everybody who does not fit is refused at once, and what must always work
//! does.
//!
//! A relay with 256 of them, and more clients, jobs, proxied requests or silent connections than
//! that.

use crate::support::client::{TestClient, ask, connect, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use crate::support::tls;
use std::time::Duration;
use tokio::sync::mpsc;

const DESCRIPTORS: u32 = 256;
/// 70% of them.
const MANY: usize = 179;

const JOB_CLIENTS: &str = r#"fanfare_clients{source="jobs",protocol="http/1.1"}"#;

/// A relay between clients and an origin of jobs, of pages that never come, and of one stream that
/// is always there.
struct Relay {
    process: TestProcess,
    /// The connections of the stream that is always there.
    plain: mpsc::UnboundedReceiver<Conn>,
    conn: Option<Conn>,
}

/// The origin: a job's one event is its name.
async fn serve(origin: TestOrigin, plain: mpsc::UnboundedSender<Conn>) {
    let mut held = Vec::new();
    loop {
        let mut conn = origin.accept_request().await;
        let target = conn.request().target().to_owned();
        if let Some(job) = target.strip_prefix("/jobs/") {
            conn.stream_head().await;
            conn.event(&format!("data: {job}")).await;
            held.push(conn);
        } else if target.starts_with("/slow/") {
            held.push(conn);
        } else {
            conn.stream_head().await;
            if plain.send(conn).is_err() {
                return;
            }
        }
    }
}

impl Relay {
    async fn start() -> Self {
        let origin = TestOrigin::start().await;
        let setup = Setup::over(&origin)
            .source("gap_event: false")
            .top(&format!(
                "pass: [{{ prefix: /slow/, to: \"http://{}\" }}]",
                origin.address()
            ))
            .beside(&format!(
                "jobs: {{ path: \"/jobs/{{job}}\", upstream: {{ url: \"{}\", reconnect: 20ms }} }}",
                origin.url("/jobs/{job}")
            ));
        let process = TestProcess::start_limited(&setup, Some(DESCRIPTORS)).await;
        let (accepted, mut plain) = mpsc::unbounded_channel();
        tokio::spawn(serve(origin, accepted));
        let conn = within("the upstream", plain.recv()).await;
        process
            .eventually_metric(&upstream_connected(&process).await, 1.0)
            .await;
        Self { process, plain, conn }
    }

    /// Whatever else is going on: the admin answers, and the upstream that breaks comes back.
    async fn what_must_work_does(&mut self) {
        for path in ["/livez", "/metrics", "/status"] {
            let answer = ask("GET", path).answer(self.process.admin).await;
            assert_eq!(answer.head.status, 200, "{path}");
        }
        self.conn.take().unwrap().close().await;
        self.conn = within("the upstream to come back", self.plain.recv()).await;
    }

    /// A client that is in gets events, one that is not is told to come back. Whether it was in.
    async fn is_served_or_refused(&mut self, client: &mut TestClient, data: &str) -> bool {
        assert_eq!(client.read_head().await.status, 200);
        match client.try_next_event().await {
            Some(event) => {
                assert_eq!(event.data, data);
                true
            }
            None => {
                assert_eq!(client.retries.len(), 1, "told when to come back");
                false
            }
        }
    }

    async fn refused(&self, reason: &str) -> f64 {
        self.process
            .metric(&format!("fanfare_refused_total{{reason=\"{reason}\"}}"))
            .await
    }
}

async fn upstream_connected(process: &TestProcess) -> String {
    let scrape = ask("GET", "/metrics").answer(process.admin).await.body;
    let lines = scrape.lines();
    let mut line = lines.filter(|line| line.starts_with("fanfare_upstream_connected{source=\"s\""));
    line.next_back().unwrap().rsplit_once(' ').unwrap().0.to_owned()
}

#[tokio::test]
async fn as_many_jobs_as_fit_are_served_and_the_others_refused() {
    let mut relay = Relay::start().await;
    let mut viewers = Vec::new();
    for n in 0..MANY {
        viewers.push(get(&format!("/jobs/{n}")).send(relay.process.address).await);
    }
    let mut served = 0;
    for (n, viewer) in viewers.iter_mut().enumerate() {
        served += usize::from(relay.is_served_or_refused(viewer, &n.to_string()).await);
    }
    assert!(served > 60, "two descriptors each: {served}");
    assert!(relay.refused("descriptors").await >= (MANY - served) as f64);
    relay.what_must_work_does().await;
    // Whoever leaves makes room.
    drop(viewers.split_off(1));
    relay.process.eventually_metric(JOB_CLIENTS, 1.0).await;
    for _ in 0..3 {
        let mut back = get("/jobs/0").send(relay.process.address).await;
        assert!(relay.is_served_or_refused(&mut back, "0").await);
    }
}

#[tokio::test]
async fn proxied_requests_that_are_never_answered_take_no_more_than_their_part() {
    let mut relay = Relay::start().await;
    let mut requests = Vec::new();
    for n in 0..MANY {
        requests.push(ask("GET", &format!("/slow/{n}")).send(relay.process.address).await);
    }
    let refused = async {
        while relay.refused("descriptors").await < 50.0 {
            tokio::task::yield_now().await;
        }
    };
    within("those that don't fit to be refused", refused).await;
    relay.what_must_work_does().await;
    drop(requests);
    let mut client = get(PATH).open(relay.process.address).await;
    client.opened().await;
    relay.conn.as_mut().unwrap().event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_out() {
    let mut relay = Relay::start().await;
    let mut silent = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        silent.push(connect(relay.process.address, None).await);
    }
    if tls::is_everywhere() {
        // A handshake has a second before it makes room for another.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..3 {
        relay.what_must_work_does().await;
        let mut client = get(PATH).open(relay.process.address).await;
        client.opened().await;
        relay.conn.as_mut().unwrap().event("data: x").await;
        assert_eq!(client.next_event().await.data, "x");
        let mut viewer = get("/jobs/1").send(relay.process.address).await;
        assert!(relay.is_served_or_refused(&mut viewer, "1").await);
    }
}

#[tokio::test]
async fn a_relay_that_is_full_of_clients_refuses_so_that_it_heals() {
    let mut relay = Relay::start().await;
    let mut clients = Vec::new();
    let mut refused = 0;
    for _ in 0..DESCRIPTORS {
        let mut client = get(PATH).send(relay.process.address).await;
        assert_eq!(client.read_head().await.status, 200);
        client.opened().await;
        clients.push(client);
    }
    relay.what_must_work_does().await;
    relay.conn.as_mut().unwrap().event("data: x").await;
    for client in &mut clients {
        match client.try_next_event().await {
            Some(event) => assert_eq!(event.data, "x"),
            None => refused += 1,
        }
    }
    assert!((40..150).contains(&refused), "{refused}");
    assert_eq!(relay.refused("descriptors").await, f64::from(refused));
}
