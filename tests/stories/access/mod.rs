//! Who may read: who is let in, who is not and how that is said, and when it is over.

mod admin;
mod asked;
mod from_files;
mod lives;
mod reloaded;
mod secrets;
mod served;
mod signed_urls;
mod signer;
mod tokens;

use crate::support::client::{Answer, Ask, End, TestClient};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{Setup, TestRelay};
use base64::Engine as _;
use std::path::PathBuf;

/// A folder with the files that a configuration names.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `{ basic: { users_file: ... } }` with these users.
    fn basic(&self, users: &[(&str, &str)]) -> String {
        let lines: String = users
            .iter()
            .map(|(name, password)| format!("{name}:{}\n", bcrypt::hash(password, 4).unwrap()))
            .collect();
        let path = self.write("users", lines);
        format!("{{ basic: {{ users_file: {} }} }}", path.display())
    }

    /// `{ bearer: { tokens_file: ... } }` with these tokens.
    fn bearer(&self, tokens: &[(&str, &str)]) -> String {
        let lines: String = tokens.iter().map(|(name, token)| format!("{name}:{token}\n")).collect();
        let path = self.write("tokens", lines);
        format!("{{ bearer: {{ tokens_file: {} }} }}", path.display())
    }
}

fn basic(user: &str, password: &str) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {text}")
}

/// A relay whose source has these ways in.
async fn relayed(ways: &str, source: &str, top: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin)
        .source(&format!("access: [ {ways} ]\n{source}"))
        .top(top)
        .start_with(&origin)
        .await
}

async fn answer(relay: &TestRelay, ask: Ask) -> Answer {
    ask.answer(relay.address).await
}

/// Asserts that it is a 401 that names these schemes and tells nothing else.
fn assert_unauthorized(answer: &Answer, schemes: &[&str]) {
    answer.assert_problem(401);
    let challenges = answer.head.all("www-authenticate");
    let named: Vec<&str> = challenges
        .iter()
        .filter_map(|challenge| challenge.split(' ').next())
        .collect();
    assert_eq!(named, schemes);
    assert!(
        answer.body.contains("this stream needs valid credentials"),
        "{}",
        answer.body
    );
}

/// Asserts that the client is told when to come back, in a stream that ends.
async fn assert_heals(client: &mut TestClient) {
    let head = client.read_head().await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(client.retries.len(), 1);
}

fn denied(relay: &TestRelay, reason: &str) -> f64 {
    relay.metric(&format!(
        r#"fanfare_access_denied_total{{source="s",reason="{reason}"}}"#
    ))
}
