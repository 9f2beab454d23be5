//! The progress of a long request: an event that grows line by line, an end with a name, and
//! clients that can't hold a stream.

use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::{relay, rest};

const PATH: &str = "/tasks/42/progress";

#[tokio::test]
async fn an_event_grows_over_many_writes_and_the_end_is_one() {
    let origin = TestOrigin::start().await;
    let relay = relay("progress.yaml", &[("ORIGIN", format!("http://{}", origin.address()))]);
    let mut client = get(PATH).send(relay.address).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), PATH);
    conn.chunked_stream_head().await;
    assert_eq!(client.read_head().await.status, 200);
    // One line end until the blank line comes: all of it is one event.
    for line in ["data: 10%\n", "data: 20%\n", "da", "ta: 30%", "\n", "\n"] {
        conn.body(line).await;
    }
    assert_eq!(client.next_event().await.data, "10%\n20%\n30%");

    let poll = |id: &str| {
        let request = ask("GET", PATH).header("Accept", "application/json");
        request.last_event_id(id)
    };
    let news = poll("").answer(relay.address).await;
    let news: serde_json::Value = serde_json::from_str(&news.body).unwrap();
    assert_eq!(news["events"][0]["data"], "10%\n20%\n30%");
    let waiting = tokio::spawn({
        let request = poll(news["last_event_id"].as_str().unwrap());
        let address = relay.address;
        async move { request.answer(address).await }
    });
    // Some endpoints ask clients to stay away for long before they close: that is for the relay,
    // not for its clients.
    conn.body("retry: 60000\n\nevent: end\ndata: done\n\n").await;
    conn.close().await;
    let news: serde_json::Value = serde_json::from_str(&waiting.await.unwrap().body).unwrap();
    assert_eq!(
        (&news["events"][0]["event"], &news["events"][0]["data"]),
        (&"end".into(), &"done".into())
    );
    assert_eq!(rest(&mut client).await, ["done"]);
    assert!(
        client.retries.iter().all(|retry| *retry < 60_000),
        "{:?}",
        client.retries
    );
    let after = poll(news["last_event_id"].as_str().unwrap())
        .answer(relay.address)
        .await;
    assert_eq!(after.head.status, 204);
}

#[tokio::test]
async fn a_task_that_the_origin_does_not_know() {
    let origin = TestOrigin::start().await;
    let relay = relay("progress.yaml", &[("ORIGIN", format!("http://{}", origin.address()))]);
    for request in [get(PATH), ask("GET", PATH).header("Accept", "application/json")] {
        let mut client = request.send(relay.address).await;
        if relay.metric(r#"fanfare_refused_total{reason="origin"}"#) == 0.0 {
            origin
                .answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
        }
        assert_eq!(client.read_head().await.status, 404);
    }
}
