//! How long a stream lives that was let in by something; and how many a user has.

use super::served::{Served, json};
use super::signer::{Signer, key_set, now};
use super::{Files, answer, assert_heals, assert_unauthorized, basic, relayed};
use crate::support::client::{End, ask, get};
use crate::support::relay::PATH;
use serde_json::json;
use std::time::{Duration, Instant};

const EXPIRED: &str = r#"fanfare_connections_closed_total{source="s",reason="expired"}"#;

#[tokio::test]
async fn a_stream_ends_with_its_token_and_the_token_lets_no_one_in_again() {
    let signer = Signer::ed("d");
    let set = key_set(&[&signer]);
    let keys = Served::start(move |_| json(&set)).await;
    let way = format!("{{ jwt: {{ jwks: \"{}\", leeway: 0s }} }}", keys.url("/"));
    let (relay, mut conn) = relayed(&way, "", "").await;
    let token = signer.sign(&json!({ "exp": now() + 2 }));
    let with = get(PATH).header("Authorization", format!("Bearer {token}"));
    let lasting = signer.for_seconds(600);
    let mut stays = relay
        .open(&get(PATH).header("Authorization", format!("Bearer {lasting}")))
        .await;
    let mut client = relay.open(&with).await;
    let poll = ask("GET", &format!("{PATH}?wait=30")).header("Accept", "application/json");
    let poll = poll
        .header("Authorization", format!("Bearer {token}"))
        .send(relay.address)
        .await;
    conn.event("data: x").await;
    assert_eq!(client.next_event().await.data, "x");
    assert_eq!(client.end().await, End::LastChunk);
    assert_eq!(
        client.retries.len(),
        2,
        "a time to come back at the beginning, and one at the end"
    );
    assert!(poll.answer().await.head.status == 200, "a poll gets its answer");
    assert_unauthorized(&answer(&relay, with).await, &["Bearer"]);
    relay.eventually_metric(EXPIRED, 1.0).await;
    conn.event("data: y").await;
    assert_eq!(stays.until_data("y").await.len(), 2);
}

#[tokio::test]
async fn a_poll_waits_no_longer_than_its_token() {
    let files = Files::new();
    let secret = "0123456789abcdef0123456789abcdef";
    let path = files.write("secret", secret);
    let way = format!("{{ jwt: {{ key_file: {}, leeway: 0s }} }}", path.display());
    let (relay, _conn) = relayed(&way, "", "").await;
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &json!({ "exp": now() + 2 }), &key).unwrap();
    let poll = ask("GET", &format!("{PATH}?wait=30")).header("Accept", "application/json");
    let began = Instant::now();
    let polled = answer(&relay, poll.header("Authorization", format!("Bearer {token}"))).await;
    assert_eq!(polled.head.status, 200);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_user_has_so_many_streams() {
    let files = Files::new();
    let ways = format!(
        "{}, {}",
        files.basic(&[("ann", "a"), ("bob", "b")]),
        files.bearer(&[("ann", "0123456789abcdef")])
    );
    let (relay, _conn) = relayed(&ways, "", "limits: { clients_per_user: 2 }").await;
    let ann = || get(PATH).header("Authorization", basic("ann", "a"));
    let mut streams = vec![relay.open(&ann()).await, relay.open(&ann()).await];
    assert_heals(&mut ann().send(relay.address).await).await;
    let refused = answer(&relay, ask("GET", PATH).header("Authorization", basic("ann", "a"))).await;
    refused.assert_problem(503);
    // Others have their own, and so has the token that is called the same.
    streams.push(relay.open(&get(PATH).header("Authorization", basic("bob", "b"))).await);
    streams.push(
        relay
            .open(&get(PATH).header("Authorization", "Bearer 0123456789abcdef"))
            .await,
    );
    assert_eq!(relay.metric(r#"fanfare_refused_total{reason="clients_per_user"}"#), 2.0);
    streams.remove(0);
    relay.eventually_clients(3).await;
    relay.open(&ann()).await;
}
