//! Other users, tokens and ways in, while clients are connected.

use super::{Files, basic};
use crate::support::client::{End, TestClient, ask, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup, TestRelay};

async fn open(relay: &TestRelay, credentials: &str) -> TestClient {
    let mut client = get(PATH).header("Authorization", credentials).open(relay.address).await;
    client.opened().await;
    client
}

async fn status(relay: &TestRelay, credentials: &str) -> u16 {
    let request = get(PATH).header("Authorization", credentials);
    let mut client = request.send(relay.address).await;
    client.read_head().await.status
}

#[tokio::test]
async fn who_is_no_longer_in_the_file_leaves_and_the_others_stay() {
    let files = Files::new();
    let origin = TestOrigin::start().await;
    let setup = |ways: &str| Setup::over(&origin).source(&format!("access: [ {ways} ]"));
    // One hash for all: another one would be another password.
    let hash = bcrypt::hash("x", 4).unwrap();
    let users = |names: [&str; 2]| {
        let path = files.write("users", names.map(|name| format!("{name}:{hash}\n")).concat());
        format!("{{ basic: {{ users_file: {} }} }}", path.display())
    };
    let token = files.bearer(&[("t", "0123456789abcdef")]);
    let (relay, mut conn) = setup(&format!("{}, {token}", users(["ann", "bob"])))
        .start_with(&origin)
        .await;
    let (mut ann, mut bob) = (
        open(&relay, &basic("ann", "x")).await,
        open(&relay, &basic("bob", "x")).await,
    );
    let mut holder = open(&relay, "Bearer 0123456789abcdef").await;
    conn.event("data: 1").await;
    for client in [&mut ann, &mut bob, &mut holder] {
        assert_eq!(client.next_event().await.data, "1");
    }

    // The file has another user for one of them.
    relay.reload(&setup(&format!("{}, {token}", users(["ann", "eve"]))));
    assert_eq!(bob.end().await, End::LastChunk);
    assert_eq!(bob.retries.len(), 2, "at the beginning and at the end");
    let expired = r#"fanfare_connections_closed_total{source="s",reason="expired"}"#;
    relay.eventually_metric(expired, 1.0).await;
    assert_eq!(status(&relay, &basic("bob", "x")).await, 401);
    assert_eq!(status(&relay, &basic("eve", "x")).await, 200);

    // A way in that is gone.
    relay.reload(&setup(&users(["ann", "eve"])));
    assert_eq!(holder.end().await, End::LastChunk);
    assert_eq!(status(&relay, "Bearer 0123456789abcdef").await, 401);

    conn.event("data: 2").await;
    assert_eq!(ann.next_event().await.data, "2", "nothing has changed for her");
    relay.eventually_metric(expired, 2.0).await;
}

#[tokio::test]
async fn a_source_that_was_open_is_closed_to_those_who_came_before() {
    let files = Files::new();
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).start_with(&origin).await;
    let mut client = relay.client().await;
    client.opened().await;
    let ways = files.basic(&[("ann", "x")]);
    relay.reload(&Setup::over(&origin).source(&format!("access: [ {ways} ]")));
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(status(&relay, &basic("ann", "x")).await, 200);
    relay.reload(&Setup::over(&origin));
    assert_eq!(get(PATH).send(relay.address).await.read_head().await.status, 200);
}

#[tokio::test]
async fn the_admins_pages_too() {
    let files = Files::new();
    let origin = TestOrigin::start().await;
    let (relay, _conn) = Setup::over(&origin).start_with(&origin).await;
    let admin = relay.admin;
    let status = |credentials: String| async move {
        let request = ask("GET", "/status").header("Authorization", credentials);
        request.answer(admin).await.head.status
    };
    assert_eq!(status(basic("ann", "x")).await, 200, "this machine alone reaches it");
    let gated = |users: &[(&str, &str)]| Setup::over(&origin).top(&format!("admin_access: [ {} ]", files.basic(users)));
    relay.reload(&gated(&[("ann", "x")]));
    assert_eq!(
        (status(basic("ann", "x")).await, status(basic("bob", "x")).await),
        (200, 401)
    );
    relay.reload(&gated(&[("bob", "x")]));
    assert_eq!(
        (status(basic("ann", "x")).await, status(basic("bob", "x")).await),
        (401, 200)
    );
    relay.reload(&Setup::over(&origin));
    assert_eq!(status(basic("bob", "x")).await, 200);
}
