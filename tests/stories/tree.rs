//! Relays behind relays, and relays side by side.

use crate::support::client::{End, TestClient};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

/// An origin, a relay over it, and a relay over that.
async fn tree(upper: &str, lower: &str) -> (TestOrigin, Conn, TestRelay, TestRelay) {
    let origin = TestOrigin::start().await;
    let (trunk, conn) = Setup::over(&origin).source(upper).start_with(&origin).await;
    let leaf = over(&trunk, lower);
    leaf.upstream_connected().await;
    (origin, conn, trunk, leaf)
}

fn over(trunk: &TestRelay, source: &str) -> TestRelay {
    Setup::at(&format!("http://{}{PATH}", trunk.address))
        .source(source)
        .start()
}

/// Type, data and id of the next event.
async fn next(client: &mut TestClient) -> (String, String, String) {
    let event = client.next_event().await;
    (event.event_type.clone(), event.data.clone(), event.id().to_owned())
}

#[tokio::test]
async fn two_levels_change_nothing() {
    let (origin, mut conn, trunk, leaf) = tree("", "").await;
    let (mut near, mut far) = (trunk.client().await, leaf.client().await);
    conn.body("id: 1\nevent: a\ndata: x\ndata: y\n\ndata: inherits\n\nid\ndata: reset\n\n")
        .await;
    for _ in 0..3 {
        assert_eq!(next(&mut near).await, next(&mut far).await);
    }
    // A gap is told all the way down.
    conn.close().await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.event("id: 5\ndata: z").await;
    let gap = far.next_event().await;
    assert_eq!(gap.gap().as_deref(), Some("upstream_reconnected"));
    assert_eq!(next(&mut far).await.2, "5");
}

#[tokio::test]
async fn ids_that_the_trunk_assigns_are_the_leafs_too() {
    let (_origin, mut conn, trunk, leaf) = tree("", "").await;
    let mut far = leaf.client().await;
    conn.event("data: a").await;
    let (_, _, a) = next(&mut far).await;
    conn.body("data: b\n\ndata: c\n\n").await;
    far.until_data("c").await;
    drop(far);
    // Whoever is cut from the leaf goes on at the trunk, and the other way round.
    let mut client = trunk.resume(&a).await;
    let (_, data, b) = next(&mut client).await;
    assert_eq!(data, "b");
    let mut client = leaf.resume(&b).await;
    assert_eq!(next(&mut client).await.1, "c");
}

#[tokio::test]
async fn a_trunk_that_restarts_is_resumed_by_the_leaf() {
    let (origin, mut conn, trunk, leaf) = tree("", "").await;
    let mut far = leaf.client().await;
    conn.event("id: 1\ndata: a").await;
    far.until_data("a").await;
    let port = trunk.address.port();
    drop(trunk);
    drop(conn);
    let again = Setup::over(&origin).config();
    let config = fanfare::config::Config {
        listen: vec![fanfare::config::Listen::Tcp(([127, 0, 0, 1], port).into()).into()],
        ..again
    };
    let trunk = TestRelay::start_again(config).await;
    let mut conn = origin.accept().await;
    conn.stream_head().await;
    conn.body("id: 1\ndata: a\n\nid: 2\ndata: b\n\n").await;
    trunk.received(2).await;
    // The new trunk knows the id if it has seen it; else the leaf is told of a gap: nothing is
    // missing in silence.
    let mut seen = Vec::new();
    loop {
        let event = far.next_event().await;
        match event.gap() {
            Some(reason) => seen.push(reason),
            None => seen.push(event.data.clone()),
        }
        if event.data == "b" {
            break;
        }
    }
    // Depending on who was first: it was there when the leaf came back, or not yet.
    let wanted = [vec!["b"], vec!["unknown_id", "a", "b"], vec!["unknown_id", "b"]];
    assert!(wanted.iter().any(|wanted| seen == *wanted), "{seen:?}");
}

#[tokio::test]
async fn the_end_goes_down_to_the_last_leaf() {
    let (_origin, mut conn, trunk, leaf) = tree("end_when: { event: end }", "").await;
    let (mut near, mut far) = (trunk.client().await, leaf.client().await);
    conn.body("data: a\n\nevent: end\ndata: done\n\n").await;
    for client in [&mut near, &mut far] {
        assert_eq!(client.end().await, End::LastChunk);
        let seen: Vec<_> = client.events_so_far().into_iter().map(|event| event.data).collect();
        assert_eq!(seen, ["a", "done"]);
    }
    // The leaf has no rule of its own: the trunk's 204 told it.
    leaf.eventually_status("/sources/0/state", "ended").await;
}

#[tokio::test]
async fn a_heartbeat_that_is_an_event_reaches_the_leafs_clients() {
    let (_origin, _conn, _trunk, leaf) = tree("heartbeat: { every: 50ms, as: \"data: ping\" }", "").await;
    let mut far = leaf.client().await;
    assert_eq!(far.next_event().await.data, "ping");
    assert_eq!(far.next_event().await.data, "ping");
}

#[tokio::test]
async fn siblings_on_one_origin_know_the_same_ids() {
    let origin = TestOrigin::start().await;
    let (left, mut to_left) = Setup::over(&origin).start_with(&origin).await;
    let (right, mut to_right) = Setup::over(&origin).start_with(&origin).await;
    let (mut sent, mut seen, mut id, mut at_left) = (0, 0, String::new(), true);
    for hop in 0..20 {
        let mut client = match (at_left, id.as_str()) {
            (true, "") => left.client().await,
            (true, id) => left.resume(id).await,
            (false, id) => right.resume(id).await,
        };
        for _ in 0..50 {
            sent += 1;
            let block = format!("id: origin-{sent}\ndata: {sent}");
            // One is always a little ahead of the other.
            if hop % 2 == 0 {
                to_left.event(&block).await;
                to_right.event(&block).await;
            } else {
                to_right.event(&block).await;
                to_left.event(&block).await;
            }
        }
        // Cut somewhere in the middle.
        while seen < sent - 20 {
            let event = client.next_event().await;
            seen += 1;
            assert_eq!(event.data, seen.to_string(), "hop {hop}");
            id = event.id().to_owned();
        }
        client.reset();
        right.received(sent).await;
        left.received(sent).await;
        at_left = !at_left;
    }
}
