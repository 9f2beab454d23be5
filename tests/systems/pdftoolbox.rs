//! callas pdfToolbox cloud: a job's progress as JSON, whose last state ends the stream.

use crate::support::client::get;
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
