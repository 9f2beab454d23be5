//! Who is not let in, for each reason; and a stream whose time is over.

use crate::moves::Moves;
use crate::support::client::{Ask, ask, get};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};
use base64::Engine as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn denied(reason: &str) -> String {
    format!("fanfare_access_denied_total{{source=\"s\",reason=\"{reason}\"}}")
}

struct Files(tempfile::TempDir);

impl Files {
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

pub(crate) async fn play(moves: &mut Moves) {
    let files = Files(tempfile::tempdir().unwrap());
    tokens(moves, &files).await;
    unanswered(moves, &files).await;
    crowded(moves, &files).await;
}

async fn relayed(ways: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!("access: [ {ways} ]"));
    let setup = setup.top("limits: { clients_per_user: 1 }");
    setup.start_with(&origin).await
}

fn signed(claims: &Value) -> Ask {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&Header::new(Algorithm::HS256), claims, &key).unwrap();
    get(PATH).header("Authorization", format!("Bearer {token}"))
}

async fn tokens(moves: &mut Moves, files: &Files) {
    let (secret, keys) = (
        files.write("secret", SECRET),
        files.write("keys", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
    );
    let (relay, _conn) = relayed(&format!(
        "{{ jwt: {{ key_file: {}, leeway: 0s, audience: us, claims: {{ role: x }} }} }}, {{ signed: {{ keys_file: {} }} }}",
        secret.display(),
        keys.display()
    ))
    .await;
    let mut scrapes = moves.of(relay.admin).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let good = json!({ "exp": now + 3, "aud": "us", "role": "x", "sub": "ann" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&claims)
    };
    let mut stream = signed(&good).open(relay.address).await;
    for (request, reason) in [
        (get(PATH), "missing"),
        (get(PATH).header("Authorization", "Bearer x"), "invalid"),
        (with("exp", json!(now - 1)), "expired"),
        (with("nbf", json!(now + 100)), "not_yet"),
        (with("aud", json!("them")), "audience"),
        (with("role", json!("y")), "insufficient"),
        (
            get(&format!("{PATH}?expires=9999999999&key=k9&signature=AAAA")),
            "unknown_key",
        ),
    ] {
        request.answer(relay.address).await;
        assert_eq!(relay.metric(&denied(reason)), 1.0, "{reason}");
    }
    assert_eq!(signed(&good).send(relay.address).await.read_head().await.status, 200);
    relay
        .eventually_metric("fanfare_refused_total{reason=\"clients_per_user\"}", 1.0)
        .await;
    stream.end().await;
    let expired = "fanfare_connections_closed_total{source=\"s\",reason=\"expired\"}";
    relay.eventually_metric(expired, 1.0).await;
    scrapes.look().await;
}

/// Nothing listens at port 1.
async fn unanswered(moves: &mut Moves, files: &Files) {
    let tokens = files.write("tokens", "t:0123456789abcdef\n");
    for (way, reason) in [
        ("{ jwt: { jwks: \"http://127.0.0.1:1/\" } }", "no_keys"),
        ("{ ask: { url: \"http://127.0.0.1:1/\" } }", "no_answer"),
    ] {
        let (relay, _conn) = relayed(&format!("{way}, {{ bearer: {{ tokens_file: {} }} }}", tokens.display())).await;
        let mut scrapes = moves.of(relay.admin).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let key = EncodingKey::from_ed_pem(key.serialize_pem().as_bytes()).unwrap();
        let token = encode(&Header::new(Algorithm::EdDSA), &json!({ "exp": now + 60 }), &key).unwrap();
        let request = ask("GET", PATH).header("Authorization", format!("Bearer {token}"));
        assert_eq!(request.answer(relay.address).await.head.status, 503);
        assert_eq!(relay.metric(&denied(reason)), 1.0);
        scrapes.look().await;
    }
}

/// More passwords than are checked at one time.
async fn crowded(moves: &mut Moves, files: &Files) {
    let users = files.write("users", &format!("ann:{}\n", bcrypt::hash("a", 7).unwrap()));
    let (relay, _conn) = relayed(&format!("{{ basic: {{ users_file: {} }} }}", users.display())).await;
    let mut scrapes = moves.of(relay.admin).await;
    while relay.metric(&denied("busy")) == 0.0 {
        let mut crowd = tokio::task::JoinSet::new();
        for n in 0..300 {
            let text = base64::engine::general_purpose::STANDARD.encode(format!("ann:{}{n}", fastrand::u64(..)));
            let request = ask("GET", PATH).header("Authorization", format!("Basic {text}"));
            let address = relay.address;
            crowd.spawn(async move { request.answer(address).await.head.status });
        }
        while let Some(status) = crowd.join_next().await {
            assert!(matches!(status.unwrap(), 401 | 503));
        }
    }
    scrapes.look().await;
}
