//! The origin says who may read.

use super::served::{Served, http};
use super::{answer, assert_heals, assert_unauthorized, denied, relayed};
use crate::support::client::{End, ask, get};
use crate::support::relay::PATH;
use std::time::{Duration, Instant};

fn way(origin: &Served, more: &str) -> String {
    format!("{{ ask: {{ url: \"{}\", {more} }} }}", origin.url("/may-read"))
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    request.lines().find_map(|line| {
        let (named, value) = line.split_once(": ")?;
        named.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[tokio::test]
async fn a_yes_lets_in_and_what_it_is_told_is_what_is_named() {
    let origin = Served::start(|_| http("204 No Content", "X-User: ann\r\n", "")).await;
    let more = "cookies: [session], user_header: X-User";
    let (relay, mut conn) = relayed(&way(&origin, more), "", "").await;
    let request = get(&format!("{PATH}?x=%41&access_token=hunter2&lastEventId=7"))
        .header("Authorization", "Bearer secret")
        .header("Cookie", "other=1; session=abc")
        .header("X-Other", "y");
    let mut clients = [relay.open(&request).await, relay.open(&request).await];
    conn.event("data: x").await;
    for client in &mut clients {
        client.until_data("x").await;
    }
    let requests = origin.requests();
    assert_eq!(requests.len(), 1, "the same question again");
    let sent = &requests[0];
    assert!(sent.starts_with("GET /may-read HTTP/1.1\r\n"), "{sent}");
    assert_eq!(header(sent, "Authorization"), Some("Bearer secret"));
    assert_eq!(header(sent, "Cookie"), Some("session=abc"));
    assert_eq!(header(sent, "X-Forwarded-Uri"), Some(&*format!("{PATH}?x=%41")));
    assert_eq!(header(sent, "X-Forwarded-Method"), Some("GET"));
    assert!(!sent.contains("hunter2") && header(sent, "X-Other").is_none() && !sent.contains("other="));
    // Anything that is told differently is another question.
    relay.open(&get(PATH).header("Cookie", "session=abd")).await;
    answer(&relay, ask("HEAD", PATH).header("Cookie", "session=abd")).await;
    assert_eq!(origin.count(), 3);
}

#[tokio::test]
async fn a_no_is_a_no_and_no_answer_heals() {
    let origin = Served::start(|_| http("401 No", "", "")).await;
    let (relay, _conn) = relayed(&way(&origin, "cache: 0s, timeout: 300ms"), "", "").await;
    let with = || get(PATH).header("Authorization", "Bearer x");
    for (status, fields, expected) in [
        ("401 No", "", 401),
        ("403 No", "", 403),
        ("404 No", "", 403),
        ("302 Found", "Location: /login\r\n", 401),
        ("303 See Other", "Location: http://127.0.0.1:1/\r\n", 401),
    ] {
        origin.answer(move |_| http(status, fields, ""));
        let refused = answer(&relay, with()).await;
        assert_eq!(refused.head.status, expected, "{status}");
        if expected == 401 {
            assert_unauthorized(&refused, &["Bearer"]);
        }
    }
    assert_eq!(origin.count(), 5, "no redirect is followed, and nothing is kept");
    for status in ["500 Oops", "503 Busy", "429 Too Many Requests"] {
        origin.answer(move |_| http(status, "", ""));
        assert_heals(&mut with().send(relay.address).await).await;
    }
    origin.answer(|_| Some(b"garbage\r\n\r\n".to_vec()));
    assert_heals(&mut with().send(relay.address).await).await;
    // Two who wait for the same answer: one question.
    origin.answer(|_| None);
    let (before, began) = (origin.count(), Instant::now());
    let mut waiting = [with().send(relay.address).await, with().send(relay.address).await];
    for client in &mut waiting {
        assert_heals(client).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(origin.count() - before <= 2);
    assert_eq!(denied(&relay, "no_answer"), 6.0);
    // What two could read differently is not asked.
    let before = origin.count();
    let twice = with().header("Authorization", "Bearer y");
    assert_unauthorized(&answer(&relay, twice).await, &["Bearer"]);
    assert_eq!(origin.count(), before);
    origin.answer(|_| http("200 OK", "", "yes"));
    relay.open(&with()).await;
}

#[tokio::test]
async fn a_yes_with_a_time_ends_the_stream() {
    let origin = Served::start(|_| http("200 OK", "Cache-Control: private, max-age=1\r\n", "")).await;
    let (relay, mut conn) = relayed(&way(&origin, ""), "", "").await;
    let mut client = relay.open(&get(PATH)).await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    assert_eq!(client.end().await, End::LastChunk);
    relay
        .eventually_metric(r#"fanfare_connections_closed_total{source="s",reason="expired"}"#, 1.0)
        .await;
    // Then it is asked again.
    origin.answer(|_| http("403 No", "", ""));
    answer(&relay, get(PATH)).await.assert_problem(403);
    assert_eq!(origin.count(), 2);
}
