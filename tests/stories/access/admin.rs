//! Who may see what the admin shows.

use super::{Files, basic};
use crate::support::client::ask;
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;

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
        for path in ["/", "/status"] {
            assert_eq!(status(path, None).await, (401, 2));
            assert_eq!(status(path, Some(basic("ann", "b"))).await, (401, 2));
            assert_eq!(status(path, Some("Bearer x".to_owned())).await, (401, 2));
            assert_eq!(status(path, Some(basic("ann", "a"))).await, (200, 0));
            assert_eq!(status(path, Some("Bearer 0123456789abcdef".to_owned())).await, (200, 0));
        }
    }
}
