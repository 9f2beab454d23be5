//! Chromium's EventSource, in a page of another origin.

use crate::event_source::{self, CLOSED, CONNECTING, CUTTING, wanted};
use crate::foreign::{Foreign, START};
use crate::pages::Pages;
use crate::stream::TYPES;
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use crate::tools::{file, installed, program};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use tokio::process::Command;

/// The browser of all stories, each of which gets a context of its own in it. It ends with its
/// standard input: with this program.
static BROWSER: OnceLock<(Child, String)> = OnceLock::new();

/// What signs tokens.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

crate::stories_of_an_event_source!(start);

#[tokio::test]
async fn it_outlives_a_relay_that_is_killed() {
    event_source::it_outlives_a_relay_that_is_killed(start, CONNECTING).await;
}

async fn start(wanted: serde_json::Value) -> Foreign {
    start_in(&Pages::start().await.origin, wanted).await
}

/// In a page of this origin.
pub async fn start_in(origin: &str, mut wanted: serde_json::Value) -> Foreign {
    wanted["browser"] = json!(browser());
    wanted["page"] = json!(format!("{origin}/"));
    let mut command = Command::new(program("node"));
    command
        .arg(file("tests/clients/node/chromium.js"))
        .arg(wanted.to_string());
    Foreign::start(command).await
}

/// Where a script finds the browser.
pub fn browser() -> &'static str {
    &BROWSER.get_or_init(start_browser).1
}

fn start_browser() -> (Child, String) {
    installed("tests/clients/node/node_modules/playwright-core");
    let mut child = std::process::Command::new(program("node"))
        .arg(file("tests/clients/node/browser.js"))
        .arg(program("chromium"))
        .arg(START.as_millis().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).expect("the browser to start");
    (child, said["endpoint"].as_str().unwrap().to_owned())
}

/// A page can't set headers for an EventSource: a cookie and a signed URL are there for it.
#[tokio::test]
async fn a_page_is_let_in_by_a_cookie_or_a_signed_url_until_that_expires() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, keys) = (folder.path().join("secret"), folder.path().join("keys"));
    std::fs::write(&secret, SECRET).unwrap();
    std::fs::write(&keys, "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let pages = Pages::start().await;
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!(
        "start: latest\nreconnect: 100ms\ncors: {{ origins: ['{}'], credentials: true }}\n\
         access: [ {{ jwt: {{ key_file: {}, leeway: 0s, cookie: session }} }}, {{ signed: {{ keys_file: {} }} }} ]",
        pages.origin,
        secret.display(),
        keys.display()
    ));
    let (relay, mut conn) = setup.start_with(&origin).await;
    conn.event("data: secret").await;
    relay.received(1).await;
    let plain = wanted(relay.address, &TYPES);

    let refused = start_in(&pages.origin, plain.clone()).await;
    assert_eq!((refused.count("error"), refused.count("open")), (1, 0));

    let mut by_url = plain.clone();
    let signed = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["sign", "--expires", "1h", "--keys-file"])
        .arg(&keys)
        .arg(PATH)
        .output()
        .unwrap();
    let signed = String::from_utf8(signed.stdout).unwrap();
    by_url["url"] = json!(format!("http://{}{}", relay.address, signed.trim()));
    let mut page = start_in(&pages.origin, by_url).await;
    assert_eq!(page.next_event().await.data, "secret");

    // Long enough to begin on a busy machine.
    let expires = std::time::SystemTime::now() + std::time::Duration::from_secs(15);
    let expires = expires.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&header, &json!({ "exp": expires }), &key).unwrap();
    let mut by_cookie = plain;
    by_cookie["cookie"] = json!({ "name": "session", "value": token });
    by_cookie["init"] = json!({ "withCredentials": true });
    let mut page = start_in(&pages.origin, by_cookie).await;
    assert_eq!(page.next_event().await.data, "secret");
    relay
        .eventually_metric(r#"fanfare_connections_closed_total{source="s",reason="expired"}"#, 1.0)
        .await;
    // It comes back with the same cookie, and is refused for good.
    relay
        .eventually_metric(r#"fanfare_access_denied_total{source="s",reason="expired"}"#, 1.0)
        .await;
}

#[tokio::test]
async fn who_may_read_is_for_cors_to_say() {
    let (friend, stranger) = (Pages::start().await, Pages::start().await);
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!(
        "start: latest\ncors: {{ origins: ['{}'], credentials: true }}",
        friend.origin
    ));
    let (relay, mut conn) = setup.start_with(&origin).await;
    conn.event("data: secret").await;
    relay.received(1).await;
    let mut request = wanted(relay.address, &TYPES);
    request["init"] = json!({ "withCredentials": true });
    let refused = start_in(&stranger.origin, request.clone()).await;
    assert_eq!((refused.count("error"), refused.count("open")), (1, 0));
    assert_eq!(refused.said[0]["state"], CLOSED);
    let mut admitted = start_in(&friend.origin, request).await;
    assert_eq!(admitted.next_event().await.data, "secret");
    assert_eq!(refused.events(), []);
}

#[tokio::test]
async fn ids_of_any_alphabet_resume() {
    let origin = TestOrigin::start().await;
    let setup = Setup::over(&origin).source(&format!("{CUTTING}\ncors: {{ origins: ['*'] }}"));
    let (relay, mut conn) = setup.start_with(&origin).await;
    let mut client = start(wanted(relay.address, &["message", "fanfare.gap"])).await;
    for (n, id) in ["gr\u{fc}n", "[{\"topic\":\"a b\",\"offset\":7}]", "\u{2603}\u{1f49c}"]
        .iter()
        .enumerate()
    {
        conn.event(&format!("id: {id}\ndata: {n}")).await;
        assert_eq!(client.next_event().await.id(), *id);
        client.until("error").await;
    }
    conn.event("id: 3\ndata: 3").await;
    client.until_data("3").await;
    let data: Vec<_> = client.events().into_iter().map(|event| event.data).collect();
    assert_eq!(data, ["0", "1", "2", "3"]);
}
