//! A combined path needs the access of every source in it.

use super::{COMBINE, Pair, data};
use crate::support::client::{End, TestClient, get};
use std::path::PathBuf;

struct Tokens(PathBuf);

impl Tokens {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("fanfare-combined-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn access(&self, name: &str, tokens: &[&str]) -> String {
        let path = self.0.join(name);
        std::fs::write(
            &path,
            tokens
                .iter()
                .map(|token| format!("{token}:{token}-0123456789abcdef\n"))
                .collect::<String>(),
        )
        .unwrap();
        format!(
            "ids: pass, log: {{ ask_origin: 0s }}, access: [ {{ bearer: {{ tokens_file: {} }} }} ]",
            path.display()
        )
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn ask(pair: &Pair, target: &str, token: &str) -> Result<TestClient, u16> {
    let request = get(target).header("Authorization", format!("Bearer {token}-0123456789abcdef"));
    let mut client = request.send(pair.relay.address).await;
    match client.read_head().await.status {
        200 => Ok(client),
        status => Err(status),
    }
}

#[tokio::test]
async fn of_every_source_that_is_asked_for() {
    let tokens = Tokens::new("every");
    let sources = [tokens.access("a", &["both", "one"]), tokens.access("b", &["both"])];
    let mut pair = Pair::start([&sources[0], &sources[1]], COMBINE).await;
    let mut both = ask(&pair, "/all", "both")
        .await
        .unwrap_or_else(|status| panic!("{status}"));
    assert_eq!(ask(&pair, "/all", "one").await.err(), Some(401));
    assert_eq!(ask(&pair, "/all?source=b", "one").await.err(), Some(401));
    let mut one = ask(&pair, "/all?source=a", "one")
        .await
        .unwrap_or_else(|status| panic!("{status}"));
    assert_eq!(ask(&pair, "/all", "none").await.err(), Some(401));
    // What there is besides is told to those who may read.
    assert_eq!(ask(&pair, "/all?source=nothing", "none").await.err(), Some(401));
    assert_eq!(ask(&pair, "/all?source=nothing", "both").await.err(), Some(400));
    pair.publish(1..=1).await;
    assert_eq!(data(&mut both, 2).await, ["a1", "b1"]);
    assert_eq!(data(&mut one, 1).await, ["a1"]);
    // It is taken away for one of the sources.
    tokens.access("b", &["other"]);
    pair.reload([&sources[0], &sources[1]], COMBINE);
    assert_eq!(both.end().await, End::LastChunk);
    let expired = r#"fanfare_connections_closed_total{source="/all",reason="expired"}"#;
    pair.relay.eventually_metric(expired, 1.0).await;
    pair.publish(2..=2).await;
    assert_eq!(data(&mut one, 1).await, ["a2"]);
}

#[tokio::test]
async fn one_that_anyone_may_read_asks_for_nothing() {
    let tokens = Tokens::new("open");
    let restricted = tokens.access("b", &["t"]);
    let pair = Pair::start(["ids: pass", &restricted], COMBINE).await;
    assert_eq!(ask(&pair, "/all", "x").await.err(), Some(401));
    assert!(ask(&pair, "/all?source=a", "x").await.is_ok());
    assert!(ask(&pair, "/all", "t").await.is_ok());
}
