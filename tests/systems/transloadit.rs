//! Transloadit's assembly update streams: bare words, named events, an id at the beginning, and a
//! finish that comes once.

use crate::support::client::{TestClient, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::TestRelay;
use crate::{relay, rest};

const PATH: &str = "/assemblies/b396";

async fn assembly() -> (TestRelay, TestOrigin, TestClient, Conn) {
    let origin = TestOrigin::start().await;
    let relay = relay(
        "transloadit.yaml",
        &[("TRANSLOADIT", format!("http://{}", origin.address()))],
    );
    let mut client = get(PATH).send(relay.address).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/ws?assembly=b396");
    conn.chunked_stream_head().await;
    // A recorded stream begins so.
    conn.event("id: 1763942400").await;
    assert_eq!(client.read_head().await.status, 200);
    client.opened().await;
    (relay, origin, client, conn)
}

#[tokio::test]
async fn the_finish_comes_exactly_once_and_nothing_after_it() {
    let (relay, origin, mut client, mut conn) = assembly().await;
    for data in [
        "assembly_upload_meta_data_extracted",
        "ping",
        "assembly_uploading_finished",
    ] {
        conn.event(&format!("data: {data}")).await;
        let event = client.next_event().await;
        assert_eq!((event.event_type.as_str(), event.data.as_str()), ("message", data));
        // The id that the stream began with is in force.
        assert_eq!(event.id(), "1763942400");
    }
    conn.event("event: assembly_result_finished\ndata: [\"resize\",{\"ssl_url\":\"https://x/y.jpg\"}]")
        .await;
    let result = client.next_event().await;
    assert_eq!(result.event_type, "assembly_result_finished");
    assert_eq!(result.json()[0], "resize");
    // A kind that nobody knows yet passes as it is.
    conn.event("event: assembly_new_kind\ndata: {}").await;
    assert_eq!(client.next_event().await.event_type, "assembly_new_kind");
    // Results have been seen to arrive after the finish.
    conn.body("data: assembly_finished\n\nevent: assembly_result_finished\ndata: [\"late\",{}]\n\n")
        .await;
    assert_eq!(rest(&mut client).await, ["assembly_finished"]);
    conn.closed().await;

    // The client's own reconnect, which once brought the finish twice.
    let again = get(PATH).last_event_id("1763942400").answer(relay.address).await;
    assert_eq!((again.head.status, again.body.as_str()), (204, ""));
    // Who opens the page late learns everything, the finish included.
    let mut late = relay.open(&get(PATH)).await;
    let events = rest(&mut late).await;
    assert_eq!(
        (events.len(), events.last().unwrap().as_str()),
        (6, "assembly_finished")
    );
    assert!(!origin.is_called_within(std::time::Duration::from_millis(100)).await);
}

#[tokio::test]
async fn an_error_is_an_end_too() {
    let (_relay, _origin, mut client, mut conn) = assembly().await;
    conn.event("event: assembly_error\ndata: {\"error\":\"INVALID_FILE\"}")
        .await;
    assert_eq!(rest(&mut client).await, ["{\"error\":\"INVALID_FILE\"}"]);
}

#[tokio::test]
async fn a_heartbeat_is_the_ping_that_its_clients_know() {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/transloadit.yaml"));
    let text = example.unwrap().replace("every: 60s", "every: 50ms");
    let origin = TestOrigin::start().await;
    let url = format!("http://{}", origin.address());
    let value = |name: &str| match name {
        "TRANSLOADIT" => Some(url.clone()),
        "FANFARE_LISTEN" | "FANFARE_ADMIN" => Some("127.0.0.1:0".to_owned()),
        _ => None,
    };
    let relay = TestRelay::start(fanfare::config::read(&text, "transloadit.yaml", &value).unwrap().config);
    let mut client = get(PATH).send(relay.address).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    assert_eq!(client.read_head().await.status, 200);
    assert_eq!(client.next_event().await.data, "ping");
    assert_eq!(client.next_event().await.data, "ping");
}
