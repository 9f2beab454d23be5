//! Who may see what the admin shows.

use super::{Files, basic, relayed};
use crate::support::client::{End, ask, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};

#[tokio::test]
async fn probes_are_for_all_and_the_rest_for_who_is_let_in() {
    let files = Files::new();
    let ways = format!(
        "{}, {}",
        files.basic(&[("ann", "a")]),
        files.bearer(&[("t", "0123456789abcdef")])
    );
    let origin = TestOrigin::start().await;
    for admin in ["127.0.0.1:0", "0.0.0.0:0"] {
        let setup = Setup::over(&origin).top(&format!("admin_access: [ {ways} ]"));
        let yaml = setup.yaml().replace("admin: 127.0.0.1:0", &format!("admin: {admin}"));
        let relay = crate::support::relay::TestRelay::read(&yaml);
        let admin = std::net::SocketAddr::from(([127, 0, 0, 1], relay.admin.port()));
        let status = |path: &'static str, credentials: Option<String>| async move {
            let mut request = ask("GET", path);
            if let Some(credentials) = credentials {
                request = request.header("Authorization", credentials);
            }
            let answer = request.answer(admin).await;
            (answer.head.status, answer.head.all("www-authenticate").len())
        };
        for path in ["/livez", "/metrics", "/ping"] {
            assert_eq!(status(path, None).await, (200, 0), "{path}");
        }
        for path in ["/", "/status", "/status?client=127.0.0.1"] {
            assert_eq!(status(path, None).await, (401, 2));
            assert_eq!(status(path, Some(basic("ann", "b"))).await, (401, 2));
            assert_eq!(status(path, Some("Bearer x".to_owned())).await, (401, 2));
            assert_eq!(status(path, Some(basic("ann", "a"))).await, (200, 0));
            assert_eq!(status(path, Some("Bearer 0123456789abcdef".to_owned())).await, (200, 0));
        }
    }
}

/// Who has been let in sees no more than who would be let in now.
#[tokio::test]
async fn a_dashboard_ends_when_what_let_it_in_is_gone() {
    let files = Files::new();
    let origin = TestOrigin::start().await;
    let setup = |ways: &str| Setup::over(&origin).top(&format!("admin_access: [ {ways} ]"));
    let token = files.bearer(&[("t", "0123456789abcdef")]);
    let users = |name: &str| files.basic(&[(name, "a")]);
    let (relay, _conn) = setup(&format!("{}, {token}", users("ann"))).start_with(&origin).await;
    let stream = || ask("GET", "/status/stream");
    assert_eq!(stream().answer(relay.admin).await.head.status, 401);
    let mut viewers = Vec::new();
    for credentials in [basic("ann", "a"), "Bearer 0123456789abcdef".to_owned()] {
        let mut viewer = stream().header("Authorization", credentials).send(relay.admin).await;
        assert_eq!(viewer.read_head().await.status, 200);
        assert_eq!(viewer.next_event().await.event_type, "overview");
        viewers.push(viewer);
    }
    let (mut ann, mut holder) = (viewers.remove(0), viewers.remove(0));
    relay.reload(&setup(&format!("{}, {token}", users("bob"))));
    assert_eq!(ann.end().await, End::LastChunk);
    let _ = holder.events_so_far();
    assert_eq!(
        holder.next_event().await.event_type,
        "overview",
        "nothing has changed for it"
    );
}

#[tokio::test]
async fn who_a_client_is_is_shown_and_not_what_let_it_in() {
    let files = Files::new();
    let (relay, _conn) = relayed(&files.basic(&[("ann", "secret-word")]), "", "").await;
    let mut client = get(PATH)
        .header("Authorization", basic("ann", "secret-word"))
        .open(relay.address)
        .await;
    client.opened().await;
    let target = format!("/status?client={}", client.local_address());
    let answer = ask("GET", &target).answer(relay.admin).await;
    assert_eq!(answer.json()["clients"][0]["user"], "basic:ann", "{}", answer.body);
    let password = basic("ann", "secret-word");
    for secret in ["secret-word", password.trim_start_matches("Basic ")] {
        assert!(!answer.body.contains(secret), "{}", answer.body);
    }
}
