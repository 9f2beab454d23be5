//! Users and tokens of files.

use super::{Files, answer, assert_unauthorized, basic, denied, relayed};
use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use std::time::Duration;

#[tokio::test]
async fn users_are_let_in_by_their_passwords() {
    let files = Files::new();
    let ways = files.basic(&[("ann", "päss:word"), ("bob", "b")]);
    let (relay, mut conn) = relayed(&ways, "", "").await;
    let mut inside = relay
        .open(&get(PATH).header("Authorization", basic("ann", "päss:word")))
        .await;
    let mut other = relay.open(&get(PATH).header("Authorization", basic("bob", "b"))).await;
    // Known by now.
    let mut again = relay
        .open(&get(PATH).header("authorization", basic("ann", "päss:word")))
        .await;
    conn.event("data: x").await;
    for client in [&mut inside, &mut other, &mut again] {
        assert_eq!(client.next_event().await.data, "x");
    }
    for wrong in [
        basic("ann", "b"),
        basic("ann", "b"),
        basic("ann", ""),
        basic("carl", "b"),
        basic("", ""),
        "Basic".to_owned(),
        "Basic ?".to_owned(),
        "Bearer b".to_owned(),
        format!("Digest {}", basic("bob", "b")),
    ] {
        let refused = answer(&relay, get(PATH).header("Authorization", &wrong)).await;
        assert_unauthorized(&refused, &["Basic"]);
    }
    let twice = get(PATH)
        .header("Authorization", basic("bob", "b"))
        .header("Authorization", basic("bob", "b"));
    assert_unauthorized(&answer(&relay, twice).await, &["Basic"]);
    assert_unauthorized(&answer(&relay, get(PATH)).await, &["Basic"]);
    assert_eq!((denied(&relay, "missing"), denied(&relay, "invalid")), (4.0, 7.0));
    assert_eq!(relay.clients(), 3.0);
}

#[tokio::test]
async fn tokens_are_let_in_and_any_way_in_is_enough() {
    let files = Files::new();
    let ways = format!(
        "{}, {}",
        files.basic(&[("ann", "a")]),
        files.bearer(&[("t1", "0123456789abcdef")])
    );
    let (relay, _conn) = relayed(&ways, "", "").await;
    relay
        .open(&get(PATH).header("Authorization", "Bearer 0123456789abcdef"))
        .await;
    relay
        .open(&get(PATH).header("Authorization", "bearer   0123456789abcdef"))
        .await;
    relay.open(&get(PATH).header("Authorization", basic("ann", "a"))).await;
    for wrong in [
        "Bearer",
        "Bearer 0123456789abcde",
        "Bearer 0123456789abcdef0",
        "Bearer t1",
        "0123456789abcdef",
    ] {
        let refused = answer(&relay, get(PATH).header("Authorization", wrong)).await;
        assert_unauthorized(&refused, &["Basic", "Bearer"]);
    }
    // Nowhere else.
    for elsewhere in [
        get(&format!("{PATH}?access_token=0123456789abcdef")),
        get(PATH).header("Cookie", "access_token=0123456789abcdef"),
        get(PATH).header("Proxy-Authorization", "Bearer 0123456789abcdef"),
    ] {
        assert_unauthorized(&answer(&relay, elsewhere).await, &["Basic", "Bearer"]);
    }
}

#[tokio::test]
async fn heads_and_polls_need_it_too_and_a_preflight_does_not() {
    let files = Files::new();
    let ways = files.bearer(&[("t1", "0123456789abcdef")]);
    let cors = "cors: { origins: [\"https://page.example\"], credentials: true }";
    let (relay, mut conn) = relayed(&ways, cors, "").await;
    conn.event("data: x").await;
    relay.received(1).await;
    let good = |ask: crate::support::client::Ask| ask.header("Authorization", "Bearer 0123456789abcdef");
    let poll = || ask("GET", &format!("{PATH}?start=earliest&wait=0")).header("Accept", "application/json");
    let head = || ask("HEAD", PATH);
    assert_eq!(answer(&relay, good(poll())).await.head.status, 200);
    assert_eq!(answer(&relay, good(head())).await.head.status, 200);
    let refused = answer(&relay, poll()).await;
    assert_unauthorized(&refused, &["Bearer"]);
    assert!(!refused.body.contains("data"));
    assert_eq!(answer(&relay, head()).await.head.status, 401);
    // A script of the page may read why.
    let refused = answer(&relay, get(PATH).header("Origin", "https://page.example")).await;
    assert_eq!(
        refused.head.header("access-control-allow-origin"),
        Some("https://page.example")
    );
    assert_eq!(refused.head.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(refused.head.header("cache-control"), Some("no-store"));
    let preflight = ask("OPTIONS", PATH)
        .header("Origin", "https://page.example")
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization");
    let preflight = answer(&relay, preflight).await;
    assert_eq!(preflight.head.status, 204);
    assert!(preflight.head.header("access-control-allow-origin").is_some());
}

/// A page elsewhere must not find out which jobs there are.
#[tokio::test]
async fn a_refused_client_opens_no_channel_and_learns_nothing_of_it() {
    let files = Files::new();
    let ways = format!(
        "{}, {}",
        files.basic(&[("ann", "a")]),
        files.bearer(&[("t1", "0123456789abcdef")])
    );
    let origin = TestOrigin::start().await;
    let relay = Setup::at(&origin.url("/jobs/{job}"))
        .path("/jobs/{job}")
        .source(&format!("access: [ {ways} ]\nend_when: {{ data: end }}"))
        .start();
    let refused = [
        get("/jobs/1"),
        ask("HEAD", "/jobs/1"),
        ask("GET", "/jobs/1").header("Accept", "application/json"),
        get("/jobs/1").header("Authorization", "Bearer x"),
        get("/jobs/1").header("Authorization", basic("ann", "b")),
        get("/jobs/%00"),
    ];
    for ask in &refused {
        assert_eq!(ask.clone().answer(relay.address).await.head.status, 401, "{ask:?}");
    }
    assert!(!origin.is_called_within(Duration::from_millis(50)).await);
    // One that ends: then a client that comes back to it gets 204, and others still 401.
    let good = get("/jobs/1").header("Authorization", "Bearer 0123456789abcdef");
    let opened = tokio::spawn({
        let (good, address) = (good.clone(), relay.address);
        async move { good.open(address).await }
    });
    let mut conn = origin.accept().await;
    assert_eq!(
        conn.request().header("authorization"),
        None,
        "the client's own is not sent on"
    );
    conn.stream_head().await;
    let mut client = opened.await.unwrap();
    conn.event("id: 7\ndata: end").await;
    assert_eq!(client.next_event().await.data, "end");
    client.end().await;
    assert_eq!(good.last_event_id("7").answer(relay.address).await.head.status, 204);
    for ask in &refused {
        let ask = ask.clone().last_event_id("7");
        assert_eq!(ask.answer(relay.address).await.head.status, 401);
    }
}

/// Streams go on while passwords are checked, and their number is bounded.
#[tokio::test]
async fn a_crowd_with_wrong_passwords_holds_up_no_one() {
    let files = Files::new();
    let ways = format!(
        "{}, {}",
        files.basic(&[("ann", "a")]),
        files.bearer(&[("t1", "0123456789abcdef")])
    );
    let (relay, mut conn) = relayed(&ways, "", "").await;
    let mut inside = relay
        .open(&get(PATH).header("Authorization", "Bearer 0123456789abcdef"))
        .await;
    let mut crowd = tokio::task::JoinSet::new();
    for n in 0..400 {
        let (address, wrong) = (relay.address, basic("ann", &n.to_string()));
        crowd.spawn(async move {
            let ask = ask("GET", PATH).header("Accept", "*/*").header("Authorization", wrong);
            ask.answer(address).await.head.status
        });
    }
    conn.event("data: x").await;
    assert_eq!(inside.next_event().await.data, "x");
    while let Some(status) = crowd.join_next().await {
        assert!(matches!(status.unwrap(), 401 | 503));
    }
    relay.open(&get(PATH).header("Authorization", basic("ann", "a"))).await;
    assert_eq!(denied(&relay, "invalid") + denied(&relay, "busy"), 400.0);
}
