//! Ids that are awkward: those that no header can carry as they are, on the way back from a client
//! and to the origin.

use crate::support::client::{get, speaks_http2};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use crate::support::wire::Wire;

async fn relayed() -> (TestRelay, TestOrigin, Conn) {
    let origin = TestOrigin::start().await;
    let (relay, conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    (relay, origin, conn)
}

#[tokio::test]
async fn ids_that_no_header_can_carry_wedge_no_client() {
    if speaks_http2() {
        return; // The library that speaks it there can't send them.
    }
    let (relay, _origin, mut conn) = relayed().await;
    let mut client = relay.client().await;
    conn.body(b"id: a\x01b\ndata: 1\n\nid: \xff\ndata: 2\n\n").await;
    client.until_data("2").await;
    // Raw bytes come back raw, or as a decoder replaced them: browsers do that.
    let mut raw = relay.resume(b"\xff").await;
    let mut replaced = relay.resume("\u{fffd}").await;
    assert_eq!(replaced.seen_id.as_deref(), Some(&b"\xff"[..]));
    conn.event("id: 3\ndata: 3").await;
    assert_eq!(raw.next_event().await.data, "3");
    assert_eq!(replaced.next_event().await.data, "3");
    // What can't stand in a header still can in the query.
    let mut back = relay.open(&get("/events?lastEventId=a%01b")).await;
    assert_eq!(back.next_event().await.data, "2");
    assert_eq!(back.next_event().await.data, "3");
    // And a header with it, as browsers send it, is understood all the same: a refusal would stop
    // them for ever.
    let mut back = relay.resume(b"a\x01b").await;
    assert_eq!(back.seen_id.as_deref(), Some(&b"a\x01b"[..]));
    assert_eq!(back.next_event().await.data, "2");
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="bad_request"}"#), 0.0);
    // Of any other header it is none.
    let refused = get(PATH).last_event_id("3").header("X", b"\x01");
    refused.answer(relay.address).await.assert_problem(400);
}

#[tokio::test]
async fn an_id_that_no_header_can_carry_may_come_in_pieces_and_on_a_connection_that_was_used() {
    let (relay, _origin, mut conn) = relayed().await;
    conn.event("id: \u{1b}\u{7f}\ndata: 1").await;
    conn.event("id: b\ndata: 2").await;
    relay.received(2).await;
    let mut wire = Wire::connect(relay.address).await;
    wire.send("GET /elsewhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let start = wire.start().await;
    wire.content(&start).await;
    wire.send("GET /events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: \u{1b}")
        .await;
    // Meanwhile somebody else is served.
    get("/elsewhere").answer(relay.address).await.assert_problem(404);
    wire.send("\u{7f}\r\nAccept: text/event-stream\r\n\r\n").await;
    let start = wire.start().await;
    assert_eq!(start.status(), 200);
    let mut stream = Vec::new();
    while !stream.ends_with(b"data: 2\n\n") {
        stream.extend(wire.next_chunk().await.expect("no end"));
    }
    assert!(
        !String::from_utf8_lossy(&stream).contains("data: 1"),
        "{}",
        stream.escape_ascii()
    );
}

#[tokio::test]
async fn nor_do_they_wedge_the_way_to_the_origin() {
    let (relay, mut origin, mut conn) = relayed().await;
    let mut client = relay.client().await;
    for (id, name) in [("a\u{1}b", "first"), ("\u{7f}", "second"), ("\u{1b}[31m", "third")] {
        conn.event(&format!("id: {id}\ndata: {name}")).await;
        let event = client.next_event().await;
        assert_eq!((event.id(), event.data.as_str()), (id, name));
        conn.reset();
        conn = origin.accept().await;
        assert_eq!(conn.request().header("last-event-id"), None, "{id:?}");
        conn.stream_head().await;
        // Asked without an id, the origin begins anywhere.
        conn.event("id: plain\ndata: on").await;
        let gap = client.next_event().await;
        assert_eq!(gap.gap().as_deref(), Some("upstream_reconnected"), "{id:?}");
        assert_eq!(client.next_event().await.data, "on");
        // The next one is asked for again.
        conn.reset();
        conn = origin.accept().await;
        assert_eq!(conn.request().header("last-event-id"), Some("plain"));
        conn.stream_head().await;
    }
    // Bytes that are no UTF-8 can stand in a header: the origin gets back what it sent.
    conn.body(b"id: \xff\xfe\ndata: x\n\n").await;
    assert_eq!(client.next_event().await.id, b"\xff\xfe");
    let address = origin.address();
    drop(origin);
    conn.reset();
    origin = TestOrigin::start_at(address).await;
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header_bytes("last-event-id"), Some(&b"\xff\xfe"[..]));
    conn.stream_head().await;
    conn.event("id: 9\ndata: y").await;
    assert_eq!(client.next_event().await.data, "y", "and no gap");
    assert_eq!(relay.clients(), 1.0);
}

/// A header's value loses the spaces around it (RFC 9110, 5.5), on the way to the relay as on the
/// way to the origin.
#[tokio::test]
async fn an_id_that_lost_the_spaces_around_it_in_a_header_is_known_all_the_same() {
    let (relay, origin, mut conn) = relayed().await;
    let mut client = relay.client().await;
    conn.body("id:  7 \ndata: a\n\nid:\t8\ndata: b\n\nid: 8\ndata: c\n\nid:    \ndata: d\n\n")
        .await;
    let events = client.until_data("d").await;
    let ids: Vec<&str> = events.iter().map(|event| event.id()).collect();
    assert_eq!(ids, [" 7 ", "\t8", "8", "   "]);
    // In the query nothing is lost, and in the header nothing that matters: what it can mean alone
    // it means.
    for back in [
        get("/events?lastEventId=%207%20"),
        get("/events?lastEventId=7"),
        get(PATH).last_event_id(" 7 "),
    ] {
        let mut back = relay.open(&back).await;
        let next = back.next_event().await;
        assert_eq!((next.id(), next.data.as_str()), ("\t8", "b"));
    }
    // It is told the id as it is.
    assert_eq!(relay.resume("7").await.seen_id.as_deref(), Some(&b" 7 "[..]));
    // An id that is there as it stands is that one.
    assert_eq!(relay.resume("8").await.next_event().await.id(), "   ");
    assert_eq!(
        relay
            .open(&get("/events?lastEventId=%098"))
            .await
            .next_event()
            .await
            .data,
        "c"
    );
    // Spaces inside belong to it.
    assert_eq!(
        relay.resume("7 8").await.next_event().await.gap().as_deref(),
        Some("unknown_id")
    );
    // One of nothing but spaces is no id in a header, here as at the origin.
    conn.reset();
    let mut conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id").unwrap_or_default(), "");
    conn.stream_head().await;
    conn.event("id:  10 \ndata: d").await;
    let gap = client.next_event().await;
    assert_eq!(gap.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(client.next_event().await.id(), " 10 ");
    // Any other goes to the origin as far as a header can say it, and whether that is an id is the
    // origin's affair.
    conn.reset();
    let conn = origin.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("10"));
    relay.eventually_clients(1).await;
}
