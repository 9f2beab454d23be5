//! callas pdfToolbox cloud: a job's progress as JSON, whose last state ends the stream.

use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::{relay, rest};

const PATH: &str = "/v1/monitor/b396-6eb2b01859";

#[tokio::test]
async fn a_client_that_comes_late_or_again_learns_the_end_and_stops() {
    let origin = TestOrigin::start().await;
    let relay = relay(
        "pdftoolbox-cloud.yaml",
        &[("PDFTOOLBOX_SSE", format!("http://{}", origin.address()))],
    );
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(get(PATH).send(relay.address).await);
    }
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), PATH);
    conn.chunked_stream_head().await;
    let events = [
        r#"{"state":"QUEUED","progress":0}"#,
        r#"{"state":"RUNNING","progress":50}"#,
        r#"{"state":"COMPLETED","progress":100}"#,
    ];
    for event in events {
        conn.event(&format!("data: {event}")).await;
    }
    conn.close().await;
    let mut last_id = String::new();
    for client in &mut clients {
        assert_eq!(client.read_head().await.status, 200);
        for wanted in events {
            let event = client.next_event().await;
            assert_eq!(event.data, wanted);
            last_id = event.id().to_owned();
        }
        assert_eq!(rest(client).await, [""; 0]);
    }
    assert_eq!(
        get(PATH)
            .last_event_id(&last_id)
            .answer(relay.address)
            .await
            .head
            .status,
        204
    );
    assert_eq!(rest(&mut relay.open(&get(PATH)).await).await, events);
    assert!(!origin.is_called_within(std::time::Duration::from_millis(100)).await);
}

#[tokio::test]
async fn the_post_passes_and_its_stream_points_at_the_relay() {
    let (api, sse) = (TestOrigin::start().await, TestOrigin::start().await);
    let relay = relay(
        "pdftoolbox-cloud.yaml",
        &[
            ("PDFTOOLBOX", format!("http://{}", api.address())),
            ("PDFTOOLBOX_SSE", format!("http://{}", sse.address())),
        ],
    );
    let post = ask("POST", "/v1/jobs?x=1")
        .header("x-ccapi-enable-sse", "true")
        .header("Content-Length", "0");
    let mut client = post.send(relay.address).await;
    let passed = api
        .answer(
            "HTTP/1.1 202 Accepted\r\nx-ccapi-sse-proxy: https://proxy-host:443/v1/monitor/b396-6eb2b01859\r\n\
             Location: /v1/jobs/1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        )
        .await;
    assert_eq!(
        (passed.line(), passed.header("x-ccapi-enable-sse")),
        ("POST /v1/jobs?x=1 HTTP/1.1", Some("true"))
    );
    let head = client.read_head().await;
    assert_eq!((head.status, head.header("location")), (202, Some("/v1/jobs/1")));
    assert_eq!(
        head.header("x-ccapi-sse-proxy"),
        Some("http://relay.test/v1/monitor/b396-6eb2b01859")
    );
    // Where it points, the job's stream is.
    let mut stream = get(PATH).send(relay.address).await;
    let mut conn = sse.accept().await;
    conn.stream_head().await;
    conn.event(r#"data: {"state":"RUNNING"}"#).await;
    assert_eq!(stream.read_head().await.status, 200);
    assert_eq!(stream.next_event().await.json()["state"], "RUNNING");
}
