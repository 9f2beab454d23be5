//! Streams that are compressed once for all who ask for it. (`tests/stories_gzip` tells the other
//! stories again by such clients.)

use crate::support::client::{Ask, End, TestClient, ask, get};
use crate::support::filler::filler;
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

async fn relayed(source: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!("compress: gzip\n{source}"));
    setup.start_with(&origin).await
}

fn gzip() -> Ask {
    get(PATH).header("Accept-Encoding", "gzip")
}

/// Data as a change log has it: much of it has been there before.
fn data(n: u64) -> String {
    format!(
        "{{\"n\":{n},\"type\":\"article\",\"state\":\"published\",\"uri\":\"https://cms.test/content/{}\"}}",
        n * 7919
    )
}

/// Publishes some events, which all of these get, and says how many bytes each client read for them.
async fn publish(conn: &mut Conn, clients: &mut [&mut TestClient], events: std::ops::Range<u64>) -> Vec<usize> {
    let before: Vec<_> = clients.iter().map(|client| client.coded_bytes).collect();
    for n in events {
        conn.event(&format!("data: {}", data(n))).await;
        for client in clients.iter_mut() {
            assert_eq!(client.next_event().await.data, data(n));
        }
    }
    let bytes = clients
        .iter()
        .zip(before)
        .map(|(client, before)| client.coded_bytes - before);
    bytes.collect()
}

#[tokio::test]
async fn a_client_that_asks_for_it_gets_gzip_and_one_that_does_not_gets_the_same_in_clear() {
    let (relay, mut conn) = relayed("").await;
    let mut compressed = gzip().send(relay.address).await;
    let head = compressed.read_head().await;
    assert_eq!(head.all("content-encoding"), ["gzip"]);
    assert_eq!(head.all("vary"), ["Accept", "Accept-Encoding"]);
    assert_eq!(head.all("content-type"), ["text/event-stream"]);
    compressed.opened().await;
    assert!(compressed.body.starts_with(b":\n\nretry: "), "at once");
    let mut clear = get(PATH).send(relay.address).await;
    let head = clear.read_head().await;
    assert_eq!((head.all("content-encoding"), head.all("vary").len()), (vec![], 2));
    clear.opened().await;
    publish(&mut conn, &mut [&mut compressed, &mut clear], 0..200).await;
    let events = |client: &TestClient| client.body[client.body.len() - 10_000..].to_vec();
    assert!(events(&compressed) == events(&clear), "byte for byte");
}

#[tokio::test]
async fn who_weighs_it_at_nothing_or_speaks_http_1_0_gets_it_in_clear() {
    let (relay, mut conn) = relayed("").await;
    let with = |value: &str| get(PATH).header("Accept-Encoding", value);
    for (request, wanted) in [
        (with("gzip;q=0"), None),
        (with("identity, gzip;q=0.9"), None),
        (with("br, *;q=0"), None),
        (gzip().http10(), None),
        (with("*"), Some("gzip")),
        (with("deflate, br, zstd, gzip;q=0.1"), Some("gzip")),
    ] {
        let mut client = request.send(relay.address).await;
        assert_eq!(
            client.read_head().await.header("content-encoding"),
            wanted,
            "{request:?}"
        );
        client.opened().await;
        publish(&mut conn, &mut [&mut client], 0..1).await;
    }
    let other = relayed("").await.0;
    let head = ask("HEAD", PATH)
        .header("Accept-Encoding", "gzip")
        .answer(other.address)
        .await
        .head;
    assert_eq!(
        (head.header("content-encoding"), head.all("vary").len()),
        (Some("gzip"), 2)
    );
    let poll = ask("GET", &format!("{PATH}?wait=0")).header("Accept", "application/json");
    let answer = poll.header("Accept-Encoding", "gzip").answer(relay.address).await;
    assert_eq!(answer.head.header("content-encoding"), None, "a poll is short");
    assert_eq!(answer.json()["events"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn a_source_that_does_not_say_so_compresses_nothing() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source("compress: none");
    let (relay, _conn) = setup.start_with(&origin).await;
    let head = gzip().send(relay.address).await.read_head().await;
    assert_eq!((head.header("content-encoding"), head.all("vary").len()), (None, 1));
}

#[tokio::test]
async fn events_refer_to_those_before_them_and_late_comers_join_in_soon() {
    let (relay, mut conn) = relayed("ids: pass").await;
    let mut first = relay.open(&gzip()).await;
    first.opened().await;
    publish(&mut conn, &mut [&mut first], 0..10).await;
    let mut late = relay.open(&gzip()).await;
    late.opened().await;
    let [shared, alone] = publish(&mut conn, &mut [&mut first, &mut late], 10..50).await[..] else {
        unreachable!()
    };
    assert!(shared * 2 < alone, "{shared} and {alone} bytes");
    // By now another history has begun.
    publish(&mut conn, &mut [&mut first, &mut late], 50..140).await;
    let [first_again, late_again] = publish(&mut conn, &mut [&mut first, &mut late], 140..180).await[..] else {
        unreachable!()
    };
    assert_eq!(first_again, late_again);
    assert!(first_again <= shared * 11 / 10, "{first_again} and {shared} bytes");
    let clear: usize = (140..180).map(|n| data(n).len() + 8).sum();
    assert!(late_again * 100 < clear * 40, "{late_again} of {clear} bytes");
}

#[tokio::test]
async fn a_heartbeat_costs_no_client_the_history() {
    let (relay, mut conn) = relayed("heartbeat: { every: 200ms }").await;
    let mut client = relay.open(&gzip()).await;
    client.opened().await;
    let [before] = publish(&mut conn, &mut [&mut client], 0..8).await[..] else {
        unreachable!()
    };
    while client.comments.len() < 4 {
        client.read_more().await;
    }
    // They begin another one together.
    let [after] = publish(&mut conn, &mut [&mut client], 8..16).await[..] else {
        unreachable!()
    };
    assert!(after.abs_diff(before) < 100, "{before} and {after} bytes");
}

#[tokio::test]
async fn who_comes_back_gets_what_the_log_holds() {
    let (relay, mut conn) = relayed("ids: assign\nstart: earliest\nlog: { events: 500 }").await;
    let mut live = relay.open(&gzip()).await;
    publish(&mut conn, &mut [&mut live], 0..300).await;
    let mut clear = relay.client().await;
    let mut late = relay.open(&gzip()).await;
    for n in 0..300 {
        let (a, b) = (clear.next_event().await, late.next_event().await);
        assert_eq!((&a.data, &a.id), (&data(n), &b.id));
        assert_eq!(a.data, b.data);
    }
    // From there on it has the history that the others have: it begins within the log.
    let [live_bytes, late_bytes] = publish(&mut conn, &mut [&mut live, &mut late], 300..301).await[..] else {
        unreachable!()
    };
    assert_eq!(live_bytes, late_bytes);
    let id = late.last_event_id.clone();
    drop(late);
    publish(&mut conn, &mut [&mut live], 301..320).await;
    let mut back = relay.open(&gzip().last_event_id(&id)).await;
    for n in 301..320 {
        assert_eq!(back.next_event().await.data, data(n));
    }
    assert_eq!(relay.metric("fanfare_gaps_total{source=\"s\",reason=\"evicted\"}"), 0.0);
}

#[tokio::test]
async fn a_change_of_the_setting_is_for_those_who_come_later() {
    let origin = TestOrigin::start().await;
    let setup = |compress: &str| Setup::over(&origin).source(&format!("compress: {compress}"));
    let (relay, mut conn) = setup("none").start_with(&origin).await;
    let mut clear = relay.open(&gzip()).await;
    publish(&mut conn, &mut [&mut clear], 0..3).await;
    relay.reload(&setup("gzip"));
    let mut compressed = relay.open(&gzip()).await;
    compressed.opened().await;
    let [as_before, less] = publish(&mut conn, &mut [&mut clear, &mut compressed], 3..13).await[..] else {
        unreachable!()
    };
    assert!(less < as_before, "{less} and {as_before} bytes");
    relay.reload(&setup("none"));
    let mut third = gzip().send(relay.address).await;
    assert_eq!(third.read_head().await.header("content-encoding"), None);
    third.opened().await;
    publish(&mut conn, &mut [&mut clear, &mut compressed, &mut third], 13..90).await;
    tokio::join!(relay.relay.drain(), async {
        for client in [&mut clear, &mut compressed, &mut third] {
            assert_eq!(client.end().await, End::LastChunk);
        }
    });
}

#[tokio::test]
async fn an_event_that_is_larger_than_everything_passes_through() {
    let (relay, mut conn) = relayed("slow_client: { bytes: 8MiB }").await;
    let (mut compressed, mut clear) = (relay.open(&gzip()).await, relay.client().await);
    compressed.opened().await;
    for len in [60_000, 64 * 1024, 300_000, 1_000_000] {
        publish(&mut conn, &mut [&mut compressed, &mut clear], 0..3).await;
        let large = filler(len);
        conn.event(&format!("data: {large}")).await;
        for client in [&mut compressed, &mut clear] {
            assert!(client.next_event().await.data == large, "{len}");
        }
    }
    publish(&mut conn, &mut [&mut compressed, &mut clear], 0..70).await;
}

#[tokio::test]
async fn a_compressed_stream_that_is_cut_has_no_end() {
    let (relay, mut conn) = relayed("slow_client: { stall: 500ms, bytes: 64MiB }\nlog: { bytes: 64MiB }").await;
    let mut slow = gzip().small_receive_buffer().open(relay.address).await;
    let mut good = relay.open(&gzip()).await;
    let large = filler(900_000);
    for _ in 0..12 {
        conn.event(&format!("data: {large}")).await;
        assert!(good.next_event().await.data == large);
        good.forget_body();
    }
    let evicted = "fanfare_evictions_total{source=\"s\",reason=\"stall\"}";
    relay.eventually_metric(evicted, 1.0).await;
    relay.eventually_clients(1).await;
    // The client of these tests would say if a body had ended and its coding had not.
    assert_ne!(slow.end().await, End::LastChunk);
    let whole = slow.events_so_far();
    assert!(whole.len() < 12 && whole.iter().all(|event| event.data == large));
    publish(&mut conn, &mut [&mut good], 0..3).await;
}
