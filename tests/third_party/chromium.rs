//! Chromium's EventSource, in a page of another origin.

use crate::event_source::{CLOSED, CUTTING, wanted};
use crate::foreign::{Foreign, START};
use crate::pages::Pages;
use crate::stream::TYPES;
use crate::support::origin::TestOrigin;
use crate::support::relay::Setup;
use crate::tools::{file, installed, program};
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use tokio::process::Command;

/// The browser of all stories, each of which gets a context of its own in it. It ends with its
/// standard input: with this program.
static BROWSER: OnceLock<(Child, String)> = OnceLock::new();

crate::stories_of_an_event_source!(start);

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
