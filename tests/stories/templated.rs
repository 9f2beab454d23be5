//! One upstream per job: opened for its first client, shared by all, closed some time after the
//! last, ended by its events.

use crate::support::client::{Ask, End, TestClient, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{Setup, TestRelay, eventually};
use std::time::{Duration, Instant};

pub(super) async fn jobs(source: &str) -> (TestRelay, TestOrigin) {
    let origin = TestOrigin::start().await;
    let relay = setup(&origin).source(source).start();
    (relay, origin)
}

fn setup(origin: &TestOrigin) -> Setup {
    Setup::at(&origin.url("/progress/{job}?via=relay")).path("/jobs/{job}")
}

/// A first client, and the upstream that is opened for it.
pub(super) async fn opened(relay: &TestRelay, origin: &TestOrigin, job: &str) -> (TestClient, Conn) {
    let client = get(&format!("/jobs/{job}")).send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    (begun(client).await, conn)
}

pub(super) async fn begun(mut client: TestClient) -> TestClient {
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    client
}

pub(super) async fn rest(client: &mut TestClient) -> Vec<String> {
    assert_eq!(client.end().await, End::LastChunk);
    client.events_so_far().into_iter().map(|event| event.data).collect()
}

fn answers(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn channels(relay: &TestRelay) -> f64 {
    relay.metric(r#"fanfare_channels{source="s"}"#)
}

#[tokio::test]
async fn one_upstream_per_job_whatever_the_number_of_clients() {
    let (relay, origin) = jobs("").await;
    let (mut one, mut conn) = opened(&relay, &origin, "a").await;
    assert_eq!(conn.request().target(), "/progress/a?via=relay");
    let mut two = relay.open(&get("/jobs/a")).await;
    let (mut other, mut other_conn) = opened(&relay, &origin, "b").await;
    assert_eq!(channels(&relay), 2.0);
    conn.event("data: for a").await;
    other_conn.event("data: for b").await;
    assert_eq!(one.next_event().await.data, "for a");
    assert_eq!(two.next_event().await.data, "for a");
    assert_eq!(other.next_event().await.data, "for b");
    // A job's events are replayed from its beginning.
    let mut late = relay.open(&get("/jobs/a")).await;
    assert_eq!(late.next_event().await.data, "for a");
    assert!(!origin.is_called_within(Duration::from_millis(100)).await);
    let status = relay.status().await;
    let source = &status["sources"][0];
    assert_eq!(
        (&source["channels"], &source["state"]),
        (&2.into(), &"live".into()),
        "{source:#}"
    );
    assert_eq!(source["clients"]["total"], 4);
    let text = relay.relay.status_provider().metrics().render();
    assert!(!text.contains("progress/a") && !text.contains("jobs/a"), "{text}");
}

#[tokio::test]
async fn the_last_client_takes_the_upstream_along() {
    let (relay, origin) = jobs("idle_timeout: 200ms").await;
    let (client, mut conn) = opened(&relay, &origin, "a").await;
    drop(client);
    // Somebody who comes in time keeps it.
    relay.eventually_clients(0).await;
    let client = relay.open(&get("/jobs/a")).await;
    conn.event("data: x").await;
    drop(client);
    conn.closed().await;
    eventually("the channel to be closed", || channels(&relay) == 0.0).await;
    relay.eventually_status("/sources/0/state", "idle").await;
    assert_eq!(relay.readyz().await.0, 200);
    opened(&relay, &origin, "a").await;
}

#[tokio::test]
async fn the_origins_refusal_is_the_first_clients_and_remembered_for_a_moment() {
    for (status, wanted) in [
        ("404 Not Found", 404),
        ("403 Forbidden", 403),
        ("401 Unauthorized", 401),
        ("410 Gone", 410),
    ] {
        let (relay, origin) = jobs("").await;
        let request = get("/jobs/a");
        let (mut one, mut two) = (request.send(relay.address).await, request.send(relay.address).await);
        let asked = origin.answer(answers(status)).await;
        assert_eq!(asked.target(), "/progress/a?via=relay");
        for client in [&mut one, &mut two] {
            assert_eq!(client.read_head().await.status, wanted);
        }
        // Within the second the origin is not asked again; another job is another question.
        request.answer(relay.address).await.assert_problem(wanted);
        let _b = opened(&relay, &origin, "b").await;
        assert_eq!(relay.metric(r#"fanfare_refused_total{reason="origin"}"#), 3.0);
        let (_client, _conn) = asked_again(&relay, &origin).await;
    }
}

/// The origin is asked once more after the second has passed.
async fn asked_again(relay: &TestRelay, origin: &TestOrigin) -> (TestClient, Conn) {
    eventually("the refused channel to be forgotten", || channels(relay) <= 1.0).await;
    opened(relay, origin, "a").await
}

#[tokio::test]
async fn a_poll_waits_for_the_origin_no_longer_than_for_news() {
    let (relay, origin) = jobs("").await;
    let poll = |job: &str| ask("GET", &format!("/jobs/{job}?wait=0")).header("Accept", "application/json");
    let silent = origin.accept();
    let began = Instant::now();
    let request = poll("a");
    let (_conn, answer) = tokio::join!(silent, request.answer(relay.address));
    assert_eq!(answer.head.status, 200);
    assert!(answer.body.starts_with("{\"events\":[],"), "{}", answer.body);
    // An attempt to connect may take ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    // What the origin says at once is the answer, however short the wait.
    let request = poll("b");
    let (_, answer) = tokio::join!(origin.answer(answers("404 Not Found")), request.answer(relay.address));
    answer.assert_problem(404);
}

#[tokio::test]
async fn of_several_urls_all_have_to_refuse() {
    let (one, two) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s: {{ path: '/jobs/{{job}}', upstream: {{ urls: ['{}', '{}'] }} }}\n",
        one.url("/{job}"),
        two.url("/{job}")
    ));
    // The job is at the second.
    let client = get("/jobs/a").send(relay.address).await;
    one.answer(answers("404 Not Found")).await;
    let mut conn = two.accept().await;
    conn.stream_head().await;
    begun(client).await;
    // And another at neither.
    let mut client = get("/jobs/b").send(relay.address).await;
    one.answer(answers("404 Not Found")).await;
    two.answer(answers("410 Gone")).await;
    assert_eq!(client.read_head().await.status, 410);
}

#[tokio::test]
async fn another_failure_leaves_the_clients_waiting_in_their_streams() {
    let (relay, origin) = jobs("").await;
    let client = get("/jobs/a").send(relay.address).await;
    origin.answer(answers("503 Service Unavailable")).await;
    let mut client = begun(client).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn a_job_that_ends_is_served_for_a_while_and_then_forgotten() {
    let (relay, origin) = jobs("end_when: [{ json: /state, equals: COMPLETED }]\nlinger: 700ms").await;
    let (mut client, mut conn) = opened(&relay, &origin, "a").await;
    conn.event(r#"data: {"state":"RUNNING"}"#).await;
    let running = client.next_event().await;
    conn.event(r#"data: {"state":"COMPLETED"}"#).await;
    let completed = client.next_event().await;
    assert_eq!(client.end().await, End::LastChunk);
    conn.closed().await;
    let all = [running.data.as_str(), &completed.data];
    let mut late = relay.open(&get("/jobs/a")).await;
    assert_eq!(rest(&mut late).await, all);
    let mut cut = relay.open(&get("/jobs/a").last_event_id(running.id())).await;
    assert_eq!(rest(&mut cut).await, all[1..]);
    let has_all = get("/jobs/a").last_event_id(completed.id());
    assert_eq!(has_all.answer(relay.address).await.head.status, 204);
    eventually("the job to be forgotten", || channels(&relay) == 0.0).await;
    assert_eq!(relay.metric(r#"fanfare_log_bytes{source="s"}"#), 0.0);
    // From then on it is the origin's to say what there is.
    let request = get("/jobs/a").send(relay.address).await;
    origin.answer(answers("404 Not Found")).await;
    let mut request = request;
    assert_eq!(request.read_head().await.status, 404);
}

#[tokio::test]
async fn a_job_that_the_origin_answers_with_204_is_over() {
    let (relay, origin) = jobs("").await;
    let mut client = get("/jobs/a").send(relay.address).await;
    origin
        .answer("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.read_head().await.status, 204);
    assert_eq!(get("/jobs/a").answer(relay.address).await.head.status, 204);
    assert!(!origin.is_called_within(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn a_job_that_is_gone_at_the_reconnect_ends() {
    let (relay, origin) = jobs("").await;
    let (mut client, mut conn) = opened(&relay, &origin, "a").await;
    conn.event("id: 1\ndata: x").await;
    client.next_event().await;
    conn.close().await;
    origin.answer(answers("404 Not Found")).await;
    assert_eq!(client.end().await, End::LastChunk);
    let back = get("/jobs/a").last_event_id("1");
    assert_eq!(back.answer(relay.address).await.head.status, 404);
}

#[tokio::test]
async fn of_merged_upstreams_the_last_one_to_leave_ends_the_job() {
    let (gone, origin) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s:\n    path: /jobs/{{job}}\n    upstream:\n      - \"{}\"\n      - {{ url: \"{}\", reconnect: 20ms }}\n",
        gone.url("/{job}"),
        origin.url("/{job}")
    ));
    let client = get("/jobs/a").send(relay.address).await;
    gone.answer(answers("404 Not Found")).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    let mut client = begun(client).await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    conn.close().await;
    origin
        .answer("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(get("/jobs/a").answer(relay.address).await.head.status, 204);
}

#[tokio::test]
async fn each_channel_finds_its_stream_in_its_own_feed() {
    let origin = TestOrigin::start().await;
    let relay = TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources:\n  s: {{ path: '/changelog/{{section}}', upstream: {{ feed: '{}' }} }}\n",
        origin.url("/feed/{section}")
    ));
    let client = get("/changelog/2%202").send(relay.address).await;
    let feed = "<feed xmlns=\"http://www.w3.org/2005/Atom\"><link type=\"text/event-stream\" href=\"/sse/22\"/></feed>";
    let asked = origin
        .answer(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{feed}"))
        .await;
    assert_eq!(asked.target(), "/feed/2%202");
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/sse/22");
    conn.stream_head().await;
    let mut client = begun(client).await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
}

#[tokio::test]
async fn a_parameter_is_one_segment_and_stays_one() {
    let (relay, origin) = jobs("").await;
    let (_client, conn) = opened(&relay, &origin, "%C3%A4%3Fx=1&y%23+%25").await;
    assert_eq!(
        conn.request().target(),
        "/progress/%C3%A4%3Fx%3D1%26y%23%2B%25?via=relay"
    );
    // The same parameter, written in another way.
    let same = relay.open(&get("/jobs/%c3%a4%3fx%3D1%26y%23%2B%25")).await;
    drop(same);
    for (job, status) in [
        ("%2e%2e", 400),
        ("..", 400),
        ("a%2Fb", 400),
        ("a%5cb", 400),
        ("%00", 400),
        ("%0d%0aX:1", 400),
        ("%ff", 400),
        ("%4", 400),
    ] {
        get(&format!("/jobs/{job}"))
            .answer(relay.address)
            .await
            .assert_problem(status);
        let head = ask("HEAD", &format!("/jobs/{job}")).answer(relay.address).await.head;
        assert_eq!(head.status, status, "{job}");
    }
    get(&format!("/jobs/{}", "x".repeat(257)))
        .answer(relay.address)
        .await
        .assert_problem(414);
    let head = ask("HEAD", "/jobs/%00").header("Accept", "text/event-stream");
    assert_eq!(head.answer(relay.address).await.head.status, 400);
    get("/jobs/").answer(relay.address).await.assert_problem(404);
    get("/jobs/a/b").answer(relay.address).await.assert_problem(404);
    assert!(!origin.is_called_within(Duration::from_millis(100)).await);
}

#[tokio::test]
async fn only_so_many_channels() {
    let origin = TestOrigin::start().await;
    let relay = setup(&origin)
        .top("limits: { channels: 2 }")
        .source("end_when: { event: end }\nidle_timeout: 0s")
        .start();
    let (_a, mut conn) = opened(&relay, &origin, "a").await;
    let (b, mut other) = opened(&relay, &origin, "b").await;
    let refused = |request: Ask| async move { request.answer(relay.address).await };
    let answer = refused(get("/jobs/c")).await;
    assert_eq!((answer.head.status, answer.end), (200, End::LastChunk));
    assert!(answer.body.starts_with("retry: "), "{}", answer.body);
    // One that has ended makes room, and so does one that nobody is in.
    conn.event("event: end\ndata: x").await;
    conn.closed().await;
    let (_c, _conn) = opened_at(relay.address, &origin, "c").await;
    drop(b);
    other.closed().await;
    let (_d, _conn) = opened_at(relay.address, &origin, "d").await;
}

async fn opened_at(address: std::net::SocketAddr, origin: &TestOrigin, job: &str) -> (TestClient, Conn) {
    let client = get(&format!("/jobs/{job}")).send(address).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    (begun(client).await, conn)
}
