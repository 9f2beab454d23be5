//! A public stream whose ids are JSON arrays, and which the origin cuts from time to time.

use crate::relay;
use crate::support::client::get;
use crate::support::origin::TestOrigin;

const PATH: &str = "/recentchange";

fn id(offset: u32) -> String {
    format!(r#"[{{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":17639424000{offset:02}}}]"#)
}

#[tokio::test]
async fn ids_are_opaque_and_a_cut_goes_unnoticed() {
    let origin = TestOrigin::start().await;
    let relay = relay(
        "recent-changes.yaml",
        &[("ORIGIN", format!("http://{}", origin.address()))],
    );
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/v2/stream/recentchange");
    assert_eq!(conn.request().header("user-agent"), Some("fanfare (you@example.com)"));
    conn.chunked_stream_head().await;
    conn.body(":ok\n\n").await;
    relay.upstream_connected().await;
    let mut client = relay.open(&get(PATH)).await;
    conn.event(&format!("event: message\nid: {}\ndata: {{\"n\":1}}\nretry: 20", id(1)))
        .await;
    let first = client.next_event().await;
    assert_eq!((first.id(), first.data.as_str()), (id(1).as_str(), "{\"n\":1}"));
    // After a quarter of an hour the origin ends the connection.
    conn.close().await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some(id(1).as_str()));
    conn.chunked_stream_head().await;
    conn.event(&format!("id: {}\ndata: {{\"n\":2}}", id(2))).await;
    let second = client.next_event().await;
    assert_eq!((second.id(), second.gap()), (id(2).as_str(), None));
    // A client comes back with such an id: in the header, or in the query as polyfills send it.
    let mut resumed = relay.open(&get(PATH).last_event_id(id(1))).await;
    assert_eq!(resumed.next_event().await.data, "{\"n\":2}");
    let encoded: String = id(1).bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut resumed = relay.open(&get(&format!("{PATH}?lastEventId={encoded}"))).await;
    assert_eq!(resumed.next_event().await.data, "{\"n\":2}");
}
