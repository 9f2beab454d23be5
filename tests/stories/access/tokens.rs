//! Tokens that someone else signs, by keys that are fetched or in a file.

use super::served::{Served, http, json};
use super::signer::{Signer, key_set, now};
use super::{Files, answer, assert_heals, assert_unauthorized, denied, relayed};
use crate::support::client::{Ask, ask, get};
use crate::support::origin::PATIENCE;
use crate::support::relay::{PATH, TestRelay};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use std::time::{Duration, Instant};

fn with(token: &str) -> Ask {
    get(PATH).header("Authorization", format!("Bearer {token}"))
}

fn jwks(keys: &Served, more: &str) -> String {
    format!("{{ jwt: {{ jwks: \"{}\", leeway: 0s, {more} }} }}", keys.url("/keys"))
}

/// Asks until it is let in: a fetch that failed is made again after a while.
async fn eventually_in(relay: &TestRelay, token: &str) {
    let began = Instant::now();
    loop {
        let answer = ask("HEAD", PATH).header("Authorization", format!("Bearer {token}"));
        if answer.answer(relay.address).await.head.status == 200 {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "never let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_algorithm_is_taken_from_a_key_set() {
    let signers = [Signer::rsa("r"), Signer::ec("e"), Signer::ed("d")];
    let set = key_set(&[&signers[0], &signers[1], &signers[2]]);
    let keys = Served::start(move |_| json(&set)).await;
    let (relay, mut conn) = relayed(&jwks(&keys, "cookie: session, query: token"), "", "").await;
    let mut clients = Vec::new();
    for signer in &signers {
        clients.push(relay.open(&with(&signer.for_seconds(60))).await);
    }
    let token = signers[0].for_seconds(60);
    clients.push(
        relay
            .open(&get(PATH).header("Cookie", format!("a=1; session={token}")))
            .await,
    );
    clients.push(relay.open(&get(&format!("{PATH}?token={token}"))).await);
    conn.event("data: x").await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.data, "x");
    }
    // Fetched once for all of them.
    assert_eq!(keys.count(), 1);
    for (refused, reason) in [
        (get(PATH), "missing"),
        (with("x"), "invalid"),
        (with(&signers[0].sign(&serde_json::json!({ "sub": "ann" }))), "invalid"),
        (
            with(&signers[0].sign(&serde_json::json!({ "exp": now() - 1 }))),
            "expired",
        ),
        (
            with(&signers[0].sign(&serde_json::json!({ "exp": now() + 9, "nbf": now() + 8 }))),
            "not_yet",
        ),
        // Another's signature under a known name.
        (with(&Signer::ed("d").for_seconds(60)), "invalid"),
        (with(&Signer::ed("r").for_seconds(60)), "invalid"),
    ] {
        let before = denied(&relay, reason);
        assert_unauthorized(&answer(&relay, refused).await, &["Bearer"]);
        assert_eq!(denied(&relay, reason), before + 1.0, "{reason}");
    }
}

#[tokio::test]
async fn good_credentials_that_are_not_enough_are_forbidden() {
    let signer = Signer::ed("d");
    let set = key_set(&[&signer]);
    let keys = Served::start(move |_| json(&set)).await;
    let more = "issuer: us, audience: [a, b], claims: { role: editor }";
    let (relay, _conn) = relayed(&jwks(&keys, more), "", "").await;
    let claims = |role: serde_json::Value, iss: &str| {
        signer.sign(&serde_json::json!({ "exp": now() + 60, "iss": iss, "aud": "b", "role": role }))
    };
    relay.open(&with(&claims("editor".into(), "us"))).await;
    relay
        .open(&with(&claims(serde_json::json!(["x", "editor"]), "us")))
        .await;
    let forbidden = answer(&relay, with(&claims("reader".into(), "us"))).await;
    forbidden.assert_problem(403);
    assert!(forbidden.head.header("www-authenticate").is_none() && !forbidden.body.contains("role"));
    assert_unauthorized(
        &answer(&relay, with(&claims("editor".into(), "them"))).await,
        &["Bearer"],
    );
    assert_eq!((denied(&relay, "insufficient"), denied(&relay, "audience")), (1.0, 1.0));
}

/// The public keys are there for all to fetch: they must not be taken for secrets.
#[tokio::test]
async fn a_public_key_signs_nothing() {
    let signers = [Signer::rsa("r"), Signer::ec("e")];
    let set = key_set(&[&signers[0], &signers[1]]);
    let keys = Served::start(move |_| json(&set)).await;
    let (relay, _conn) = relayed(&jwks(&keys, ""), "", "").await;
    for signer in &signers {
        relay.open(&with(&signer.for_seconds(60))).await;
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(signer.kid.to_owned());
        let secret = EncodingKey::from_secret(signer.public_pem.as_bytes());
        let forged = encode(&header, &serde_json::json!({ "exp": now() + 60 }), &secret).unwrap();
        assert_unauthorized(&answer(&relay, with(&forged)).await, &["Bearer"]);
    }
}

#[tokio::test]
async fn a_key_of_a_file_verifies() {
    let files = Files::new();
    for signer in [Signer::rsa("r"), Signer::ec("e"), Signer::ed("d")] {
        let path = files.write("key.pem", &signer.public_pem);
        let way = format!("{{ jwt: {{ key_file: {} }} }}", path.display());
        let (relay, _conn) = relayed(&way, "", "").await;
        relay.open(&with(&signer.for_seconds(60))).await;
        assert_unauthorized(
            &answer(&relay, with(&Signer::ed("d").for_seconds(60))).await,
            &["Bearer"],
        );
    }
    let secret = "0123456789abcdef0123456789abcdef";
    let path = files.write("secret", format!("{secret}\n"));
    let way = format!("{{ jwt: {{ key_file: {} }} }}", path.display());
    let (relay, _conn) = relayed(&way, "", "").await;
    let claims = serde_json::json!({ "exp": now() + 60 });
    let key = EncodingKey::from_secret(secret.as_bytes());
    relay
        .open(&with(&encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap()))
        .await;
    let other = encode(&Header::new(Algorithm::HS384), &claims, &key).unwrap();
    assert_unauthorized(&answer(&relay, with(&other)).await, &["Bearer"]);
}

/// Keys are replaced by those who sign, at any time.
#[tokio::test]
async fn an_unknown_key_is_fetched_and_not_again_for_a_minute() {
    let (old, new, never) = (Signer::ed("old"), Signer::ed("new"), Signer::ed("never"));
    let (before, after) = (key_set(&[&old]), key_set(&[&new]));
    let keys = Served::start(move |_| json(&before)).await;
    let (relay, _conn) = relayed(&jwks(&keys, ""), "", "").await;
    relay.open(&with(&old.for_seconds(60))).await;
    keys.answer(move |_| json(&after));
    relay.open(&with(&new.for_seconds(60))).await;
    assert_eq!(keys.count(), 2);
    // The old one is gone, and one that never was may come with the next fetch: which is not now.
    for signer in [&old, &never, &never] {
        assert_heals(&mut with(&signer.for_seconds(60)).send(relay.address).await).await;
    }
    let refused = ask("GET", PATH).header("Authorization", format!("Bearer {}", never.for_seconds(60)));
    answer(&relay, refused).await.assert_problem(503);
    relay.open(&with(&new.for_seconds(60))).await;
    assert_eq!(keys.count(), 2);
}

#[tokio::test]
async fn a_key_that_a_fetch_did_not_bring_is_none() {
    let (signer, never) = (Signer::ed("d"), Signer::ed("never"));
    let set = key_set(&[&signer]);
    let keys = Served::start(move |_| json(&set)).await;
    let (relay, _conn) = relayed(&jwks(&keys, ""), "", "").await;
    for _ in 0..3 {
        assert_unauthorized(&answer(&relay, with(&never.for_seconds(60))).await, &["Bearer"]);
    }
    assert_eq!((keys.count(), denied(&relay, "unknown_key")), (2, 3.0));
}

/// No keys: no one is let in, and everyone may come back.
#[tokio::test]
async fn without_keys_no_one_is_let_in_until_they_are_there() {
    let signer = Signer::ed("d");
    let set = key_set(&[&signer]);
    let huge = format!("{{\"keys\":[{}]}}", "1,".repeat(400_000) + "1");
    let elsewhere = Served::start(|_| None).await;
    let redirect = format!("Location: {}\r\n", elsewhere.url("/"));
    let secret = r#"{"keys":[{"kty":"oct","kid":"d","k":"AAAA"}]}"#;
    let answers: [Option<Vec<u8>>; 8] = [
        http("500 Oops", "", ""),
        http("404 Not Found", "", &set),
        json("<html>"),
        json("{\"keys\":[]}"),
        json(secret),
        json(&huge),
        http("200 OK", "Content-Encoding: gzip\r\n", &set),
        http("302 Found", &redirect.replace(&elsewhere.url("/"), "ftp://h/"), ""),
    ];
    for bad in answers {
        let keys = Served::start(move |_| bad.clone()).await;
        let (relay, _conn) = relayed(&jwks(&keys, ""), "", "").await;
        let token = signer.for_seconds(60);
        assert_heals(&mut with(&token).send(relay.address).await).await;
        let poll = ask("GET", PATH).header("Accept", "application/json");
        let refused = answer(&relay, poll.header("Authorization", format!("Bearer {token}"))).await;
        refused.assert_problem(503);
        assert!(refused.head.header("retry-after").is_some());
        // Without a token it is decided all the same.
        assert_unauthorized(&answer(&relay, get(PATH)).await, &["Bearer"]);
        assert_eq!(denied(&relay, "no_keys"), 2.0);
        let good = set.clone();
        keys.answer(move |_| json(&good));
        eventually_in(&relay, &token).await;
    }
}

#[tokio::test]
async fn a_redirect_to_the_keys_is_followed_and_a_slow_answer_is_waited_for() {
    let signer = Signer::ed("d");
    let set = key_set(&[&signer]);
    let there = Served::start(move |_| json(&set)).await;
    let url = there.url("/moved");
    let keys = Served::start(move |_| http("302 Found", &format!("Location: {url}\r\n"), "")).await;
    let (relay, _conn) = relayed(&jwks(&keys, ""), "", "").await;
    relay.open(&with(&signer.for_seconds(60))).await;

    // One that does not answer: a client is not kept waiting for ever.
    let silent = Served::start(|_| None).await;
    let (relay, _conn) = relayed(&jwks(&silent, ""), "", "").await;
    let began = Instant::now();
    assert_heals(&mut with(&signer.for_seconds(60)).send(relay.address).await).await;
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    assert_eq!(silent.count(), 1);
}
