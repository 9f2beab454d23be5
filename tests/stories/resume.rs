//! Coming back: exact where the log can vouch for it, and said where it can't.

use crate::support::client::{Event, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).start_with(&origin).await
}

/// Events `from` to before `to`, with ids unless they are for the relay to assign.
async fn publish(conn: &mut Conn, numbers: std::ops::Range<u32>, with_ids: bool) {
    let mut stream = String::new();
    for n in numbers {
        if with_ids {
            stream += &format!("id: {n}\n");
        }
        stream += &format!("data: {n}\n\n");
    }
    conn.body(stream).await;
}

fn data(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.data.as_str()).collect()
}

#[tokio::test]
async fn the_stream_goes_on_after_the_last_event_id() {
    for (source, with_ids) in [
        ("ids: assign", false),
        ("ids: assign", true),
        ("ids: pass", true),
        ("ids: auto", true),
        ("ids: auto", false),
    ] {
        let (relay, mut conn) = relayed(source).await;
        let mut first = relay.client().await;
        publish(&mut conn, 0..20, with_ids).await;
        let before = first.until_data("19").await;
        for (n, event) in before.iter().enumerate() {
            let mut back = relay.resume(&event.id).await;
            assert_eq!(back.seen_id.as_ref(), Some(&event.id), "the place is said at once");
            for expected in &before[n + 1..] {
                assert_eq!(back.next_event().await, *expected, "{source} {with_ids} after {n}");
            }
            publish(&mut conn, 100 + n as u32..101 + n as u32, with_ids).await;
            // Those that were published for clients before this one come first.
            let live = back.until_data(&(100 + n).to_string()).await;
            assert_eq!(live.len(), n + 1, "{live:?}");
        }
        assert_eq!(
            relay.metric(r#"fanfare_resumes_total{source="s",outcome="exact"}"#),
            20.0
        );
        assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 0.0);
    }
}

#[tokio::test]
async fn the_id_may_come_in_the_query() {
    let (relay, mut conn) = relayed("ids: pass").await;
    conn.body("id: a/b c\u{e9}\ndata: 1\n\nid: x\ndata: 2\n\n").await;
    relay.received(2).await;
    for target in [
        "/events?lastEventId=a%2Fb+c%C3%A9",
        "/events?x=1&lastEventId=a/b%20c%C3%A9&y",
    ] {
        let mut client = relay.open(&get(target)).await;
        assert_eq!(client.next_event().await.data, "2");
    }
    // The header is the standard's.
    let mut client = relay
        .open(&get("/events?lastEventId=x").last_event_id("a/b c\u{e9}"))
        .await;
    assert_eq!(client.next_event().await.data, "2");
    // An empty one says nothing.
    let mut client = relay
        .open(&get("/events?lastEventId=a/b%20c%C3%A9").last_event_id(""))
        .await;
    assert_eq!(client.next_event().await.data, "2");
}

#[tokio::test]
async fn an_id_that_several_events_share_resumes_after_the_first_of_them() {
    let (relay, mut conn) = relayed("ids: pass").await;
    conn.body("id: 1\ndata: a\n\nid: 2\ndata: b\n\ndata: c\n\nid: 2\ndata: d\n\nid: 3\ndata: e\n\nid: 2\ndata: f\n\n")
        .await;
    relay.received(6).await;
    let mut client = relay.resume("2").await;
    assert_eq!(data(&client.until_data("f").await), ["c", "d", "e", "f"]);
    let mut client = relay.resume("3").await;
    assert_eq!(data(&client.until_data("f").await), ["f"]);
}

#[tokio::test]
async fn an_id_reset_is_passed_and_leaves_no_id_to_resume_from() {
    let (relay, mut conn) = relayed("ids: pass\nstart: earliest").await;
    conn.body("id: 1\ndata: a\n\nid\ndata: b\n\ndata: c\n\n").await;
    let mut client = relay.client().await;
    let events = client.until_data("c").await;
    assert_eq!(events.iter().map(Event::id).collect::<Vec<_>>(), ["1", "", ""]);
    let mut back = relay.resume("1").await;
    assert_eq!(data(&back.until_data("c").await), ["b", "c"]);
    // Some libraries send an empty one: that is none.
    let mut back = relay.resume("").await;
    assert_eq!(data(&back.until_data("c").await), ["a", "b", "c"]);
}

#[tokio::test]
async fn an_unknown_id_is_told_first_then_comes_what_there_is() {
    let (relay, mut conn) = relayed("ids: pass").await;
    publish(&mut conn, 0..3, true).await;
    relay.received(3).await;
    let mut client = relay.resume("never heard of").await;
    let gap = client.next_event().await;
    assert_eq!(
        (gap.gap().as_deref(), &gap.json()["source"]),
        (Some("unknown_id"), &"s".into())
    );
    assert!(
        client.body.windows(3).all(|window| window != b"id:") || gap.id() != "0",
        "a gap event has no id"
    );
    publish(&mut conn, 3..4, true).await;
    assert_eq!(data(&client.until_data("3").await), ["0", "1", "2", "3"]);
    assert_eq!(
        relay.metric(r#"fanfare_gaps_total{source="s",reason="unknown_id"}"#),
        1.0
    );
    assert_eq!(relay.metric(r#"fanfare_resumes_total{source="s",outcome="gap"}"#), 1.0);
}

#[tokio::test]
async fn an_id_that_the_log_has_let_go_is_told_first() {
    for (source, with_ids) in [
        ("ids: assign\nlog: { events: 5 }", false),
        ("ids: pass\nlog: { events: 5 }", true),
    ] {
        let (relay, mut conn) = relayed(source).await;
        let mut first = relay.client().await;
        for n in 0..20 {
            publish(&mut conn, n..n + 1, with_ids).await;
            first.next_event().await;
        }
        let mut kept = relay.open(&get(PATH).last_event_id("?")).await;
        assert_eq!(kept.next_event().await.gap().as_deref(), Some("unknown_id"));
        let kept = kept.until_data("19").await;
        assert_eq!(data(&kept), ["15", "16", "17", "18", "19"], "{source}");

        // The same numbering, if there is one, and an earlier number.
        let gone = match kept[0].id().rsplit_once('.') {
            Some((epoch, _)) => format!("{epoch}.3"),
            None => "3".to_owned(),
        };
        let mut back = relay.resume(&gone).await;
        assert_eq!(back.next_event().await.gap().as_deref(), Some("evicted"), "{gone}");
        assert_eq!(data(&back.until_data("19").await), ["15", "16", "17", "18", "19"]);
    }
}

#[tokio::test]
async fn the_oldest_kept_id_and_the_one_before_it() {
    let (relay, mut conn) = relayed("ids: assign\nlog: { events: 5 }").await;
    let mut first = relay.client().await;
    let mut ids = Vec::new();
    for n in 0..10 {
        publish(&mut conn, n..n + 1, false).await;
        ids.push(first.next_event().await.id);
    }
    // Event 5 is the oldest kept: who has 4 misses nothing.
    let mut back = relay.resume(&ids[4]).await;
    assert_eq!(data(&back.until_data("9").await), ["5", "6", "7", "8", "9"]);
    let mut back = relay.resume(&ids[3]).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("evicted"));
    // The newest, and one that this numbering has not reached.
    let epoch = String::from_utf8(ids[0].clone()).unwrap();
    let epoch = epoch.strip_suffix(".1").unwrap();
    let mut newest = relay.resume(&ids[9]).await;
    publish(&mut conn, 10..11, false).await;
    assert_eq!(newest.next_event().await.data, "10");
    for impossible in [".12", ".99999999999999999999", ".-1", ".01", ".", ""] {
        let mut back = relay.resume(format!("{epoch}{impossible}")).await;
        assert_eq!(
            back.next_event().await.gap().as_deref(),
            Some("unknown_id"),
            "{impossible}"
        );
    }
}

#[tokio::test]
async fn where_a_client_without_an_id_starts() {
    for (start, expected) in [
        ("live", &["new"][..]),
        ("latest", &["2", "new"]),
        ("earliest", &["0", "1", "2", "new"]),
    ] {
        for ids in ["assign", "pass"] {
            let (relay, mut conn) = relayed(&format!("start: {start}\nids: {ids}")).await;
            publish(&mut conn, 0..3, true).await;
            relay.received(3).await;
            let mut client = relay.client().await;
            conn.event("data: new").await;
            let events = client.until_data("new").await;
            assert_eq!(data(&events), expected, "{start}, {ids}");
        }
    }
}

#[tokio::test]
async fn latest_is_an_event_and_nothing_else() {
    let (relay, mut conn) = relayed("start: latest\nids: pass\ncomments: relay").await;
    conn.body("id: 1\ndata: x\n\nid: 2\n\n: aside\n\n").await;
    relay.received(1).await;
    let mut client = relay.client().await;
    conn.event("data: new").await;
    let events = client.until_data("new").await;
    assert_eq!(data(&events), ["x", "new"]);
    assert_eq!(events[1].id(), "2");
}

#[tokio::test]
async fn a_client_cut_before_its_first_event_resumes_too() {
    for ids in ["assign", "auto"] {
        let (relay, mut conn) = relayed(&format!("ids: {ids}")).await;
        for n in 0..3 {
            let client = relay.client().await;
            let place = client.last_event_id.clone();
            assert!(!place.is_empty(), "{ids}: the place has an id");
            drop(client);
            publish(&mut conn, n..n + 1, false).await;
            relay.received(u64::from(n) + 1).await;
            let mut back = relay.resume(&place).await;
            assert_eq!(back.next_event().await.data, n.to_string());
        }
    }
}

#[tokio::test]
async fn another_process_is_another_epoch() {
    let (relay, mut conn) = relayed("ids: assign").await;
    let mut client = relay.client().await;
    publish(&mut conn, 0..2, false).await;
    let old = client.until_data("1").await.pop().unwrap().id;
    drop(relay);

    let (relay, mut conn) = relayed("ids: assign").await;
    publish(&mut conn, 0..3, false).await;
    relay.received(3).await;
    let mut back = relay.resume(&old).await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("unknown_id"));
    let events = back.until_data("2").await;
    assert_eq!(data(&events), ["0", "1", "2"]);
    assert_ne!(events[1].id, old);
}

#[tokio::test]
async fn an_id_that_is_old_by_age_is_gone_and_the_last_one_is_not() {
    let (relay, mut conn) = relayed("ids: pass\nlog: { age: 100ms }").await;
    publish(&mut conn, 0..3, true).await;
    relay.received(3).await;
    relay.eventually_status("/sources/0/log/events", 0).await;
    // Everything is gone: who has the last id has missed nothing, who has the one before has.
    let mut up_to_date = relay.resume("2").await;
    let mut behind = relay.resume("1").await;
    assert_eq!(behind.next_event().await.gap().as_deref(), Some("evicted"));
    publish(&mut conn, 3..4, true).await;
    assert_eq!(up_to_date.next_event().await.data, "3");
    assert_eq!(behind.next_event().await.data, "3");
}

#[tokio::test]
async fn an_id_in_latin_1_is_understood_unless_it_is_one_itself() {
    let (relay, mut conn) = relayed("ids: pass").await;
    conn.body("id: gr\u{fc}n\ndata: 1\n\nid: 2\ndata: 2\n\n").await;
    relay.received(2).await;
    let mut back = relay.resume(b"gr\xfcn").await;
    assert_eq!(back.next_event().await.data, "2");
    conn.body(b"id: gr\xfcn\ndata: 3\n\nid: 4\ndata: 4\n\n").await;
    relay.received(4).await;
    let mut back = relay.resume(b"gr\xfcn").await;
    assert_eq!(back.next_event().await.data, "4");
    // Nothing to be understood: told as ever.
    let mut back = relay.resume(b"\xe9").await;
    assert_eq!(back.next_event().await.gap().as_deref(), Some("unknown_id"));
}

/// A client that kept the id it came with would come back with it for ever.
#[tokio::test]
async fn after_a_gap_the_client_learns_that_no_id_is_in_force() {
    let origin = TestOrigin::start().await;
    let (relay, mut conn) = Setup::over(&origin).source("ids: pass").start_with(&origin).await;
    let mut before_any = relay.resume("unknown").await;
    assert_eq!(before_any.next_event().await.gap().as_deref(), Some("unknown_id"));
    assert_eq!(before_any.seen_id.as_deref(), Some(&b""[..]));
    let body = String::from_utf8_lossy(&before_any.body).into_owned();
    assert!(body.contains("id: \n\n") || body.contains("id\n\n"), "{body}");
    conn.event("id: 1\ndata: 1").await;
    conn.event("id\ndata: 2").await;
    relay.received(2).await;
    let mut client = relay.resume("1").await;
    assert_eq!(client.next_event().await.data, "2", "what is known is no gap");
    // Without a gap nothing has to be taken back.
    let fresh = relay.client().await;
    let body = String::from_utf8_lossy(&fresh.body).into_owned();
    assert!(!body.contains("id"), "{body}");
}

/// The event that was dropped had reset the id.
#[tokio::test]
async fn after_a_dropped_event_too() {
    for gap_event in ["fanfare.gap", "false"] {
        let origin = TestOrigin::start().await;
        let source = format!("ids: pass\nevent_bytes_max: 1KiB\ngap_event: {gap_event}");
        let (relay, mut conn) = Setup::over(&origin).source(&source).start_with(&origin).await;
        let mut client = relay.client().await;
        conn.event("id: 1\ndata: 1").await;
        assert_eq!(client.next_event().await.id(), "1");
        conn.event(&format!("id\ndata: {}", "x".repeat(2000))).await;
        conn.event("data: 2").await;
        let event = client.until_data("2").await.pop().unwrap();
        assert_eq!(event.id(), "", "gap_event: {gap_event}");
    }
}
