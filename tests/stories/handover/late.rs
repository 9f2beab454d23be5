//! Who has asked for a stream, and is still being decided on, is decided on by the next process: no one
//! is refused, or told to come again.

use super::House;
use super::numbered::{NumberedOrigin, next};
use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::{PATH, Setup};
use std::time::Duration;
use tokio::task::JoinHandle;

const DRAIN: &str = "drain: { spread: 0s, timeout: 5s }\n";
const COUNT: usize = 5;

/// Clients that ask, and have no answer yet.
fn asking(process: &TestProcess, path: &'static str) -> Vec<JoinHandle<TestClient>> {
    let address = process.address;
    let ask = move || async move {
        let mut client = get(path).open(address).await;
        client.opened().await;
        client
    };
    (0..COUNT).map(|_| tokio::spawn(ask())).collect()
}

async fn has_accepted(process: &TestProcess) {
    let opened = "fanfare_connections_opened_total";
    process.eventually_metric(opened, COUNT as f64).await;
}

async fn answered(asking: Vec<JoinHandle<TestClient>>) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for client in asking {
        clients.push(within("an answer", client).await.unwrap());
    }
    clients
}

/// Answers each question that comes.
async fn let_all_in(questions: &TestOrigin) {
    loop {
        let mut conn = questions.accept_request().await;
        // The one of the process before may be gone.
        let _ = conn
            .try_send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
            .await;
    }
}

#[tokio::test]
async fn who_is_asked_about_at_that_moment_is_asked_about_again() {
    let (origin, questions) = (NumberedOrigin::start(10).await, TestOrigin::start().await);
    let way = format!(
        "access: [{{ ask: {{ url: \"{}\", timeout: 20s }} }}]",
        questions.url("/may")
    );
    let house = House::of(Setup::at(&origin.url).source(&way).top(DRAIN));
    let mut process = house.start().await;
    origin.connected().await;
    let asking = asking(&process, PATH);
    // One question for all of them, which is never answered.
    let _unanswered = questions.accept().await;
    has_accepted(&process).await;
    let new = house.take_over().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    let mut clients = tokio::select! {
        clients = answered(asking) => clients,
        () = let_all_in(&questions) => unreachable!(),
    };
    let n = origin.publish();
    for client in &mut clients {
        assert_eq!(next(client).await, n);
    }
    new.eventually_clients(COUNT).await;
    assert_eq!(new.metric("fanfare_refused_total{reason=\"access\"}").await, 0.0);
}

#[tokio::test]
async fn who_waits_for_a_job_s_first_answer_waits_for_the_new_process_s() {
    let origin = TestOrigin::start().await;
    let setup = Setup::at(&origin.url("/jobs/{job}")).path("/jobs/{job}");
    let house = House::of(setup.top(DRAIN));
    let mut process = house.start().await;
    let asking = asking(&process, "/jobs/7");
    let mut first: Conn = origin.accept().await;
    has_accepted(&process).await;
    let new = house.take_over().await;
    assert_eq!(process.exit().await.code(), Some(0), "{}", process.whole_log());
    first.closed().await;
    let mut second = origin.accept().await;
    assert_eq!(second.request().target(), "/jobs/7");
    second.stream_head().await;
    let mut clients = answered(asking).await;
    second.event("data: x").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "x");
    }
    new.eventually_clients(COUNT).await;
}

/// After an upgrade that comes to nothing they are decided on where they are.
#[tokio::test]
async fn after_an_upgrade_that_fails_they_are_decided_on_by_the_old_process() {
    let origin = TestOrigin::start().await;
    let setup = Setup::at(&origin.url("/jobs/{job}")).path("/jobs/{job}");
    let house = House::of(setup.top(DRAIN));
    let process = house.start().await;
    let asking = asking(&process, "/jobs/7");
    let _first = origin.accept().await;
    has_accepted(&process).await;
    super::peers::fails_when_all_is_given(&house);
    process
        .eventually_metric("fanfare_handed_over_total{outcome=\"failed\"}", 1.0)
        .await;
    // Their channel may be the same one still, or another.
    let mut conn = match tokio::time::timeout(Duration::from_secs(1), origin.accept()).await {
        Ok(conn) => conn,
        Err(_) => _first,
    };
    conn.stream_head().await;
    let mut clients = answered(asking).await;
    conn.event("data: x").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "x");
    }
}
