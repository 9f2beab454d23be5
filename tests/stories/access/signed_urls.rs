//! URLs that are signed by the command, and by programs of others.

use super::{Files, answer, assert_unauthorized, denied, relayed};
use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::support::relay::{PATH, Setup};
use std::path::Path;
use std::process::Command;

const KEYS: &str = "k2:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nk1:c29tZSBvbGRlciBrZXkgb2YgMzIgYnl0ZXMgb3Igc28=\n";

fn sign(keys: &Path, more: &[&str], path: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_fanfare"))
        .args(["sign", "--keys-file"])
        .arg(keys)
        .args(more)
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn way(keys: &Path) -> String {
    format!("{{ signed: {{ keys_file: {} }} }}", keys.display())
}

#[tokio::test]
async fn a_signed_url_lets_in_as_often_as_its_client_comes_back() {
    let files = Files::new();
    let keys = files.write("keys", KEYS);
    let (relay, mut conn) = relayed(&way(&keys), "", "").await;
    let url = sign(&keys, &["--expires", "1h"], PATH);
    let older = sign(&keys, &["--expires", "1h", "--key", "k1"], PATH);
    assert!(url.contains("&key=k2&") && older.contains("&key=k1&"));
    let mut client = relay.open(&get(&url)).await;
    conn.event("id: 1\ndata: x").await;
    assert_eq!(client.next_event().await.data, "x");
    drop(client);
    conn.event("id: 2\ndata: y").await;
    let mut again = relay.open(&get(&format!("{url}&lastEventId=1"))).await;
    assert_eq!(again.next_event().await.data, "y");
    relay.open(&get(&older).last_event_id("1")).await;
    assert_eq!(answer(&relay, ask("HEAD", &url)).await.head.status, 200);
    // Another spelling of the same.
    relay.open(&get(&url.replace("/events", "//%65vents"))).await;
    for wrong in [
        PATH.to_owned(),
        url.replace("key=k2", "key=k1"),
        url.replace("key=k2", "key=k3"),
        url.replace("expires=1", "expires=2"),
        url.replace("signature=", "signature=A"),
        format!("{url}&source=x"),
        format!("{url}&key=k2"),
        sign(&keys, &["--expires", "1h"], "/other").replace("/other", PATH),
    ] {
        assert_unauthorized(&answer(&relay, get(&wrong)).await, &["SignedUrl"]);
    }
    assert_eq!((denied(&relay, "missing"), denied(&relay, "unknown_key")), (1.0, 1.0));
    let expired = sign(&keys, &["--expires", "1ms"], PATH);
    let refused = loop {
        let refused = answer(&relay, ask("HEAD", &expired)).await;
        if refused.head.status == 401 {
            break refused;
        }
    };
    assert_eq!((refused.head.status, denied(&relay, "expired")), (401, 1.0));
}

/// However its query is written, it shows the sources that were signed.
#[tokio::test]
async fn a_url_for_one_of_several_sources_shows_no_other() {
    let files = Files::new();
    let keys = files.write("keys", KEYS);
    let origins = [TestOrigin::start().await, TestOrigin::start().await];
    let relay = Setup::over(&origins[0])
        .source(&format!("access: [ {} ]", way(&keys)))
        .beside(&format!(
            "s1: {{ path: /other, upstream: \"{}\", access: [ {} ] }}",
            origins[1].url("/other"),
            way(&keys)
        ))
        .top("combine: [ { path: /all, sources: [ s, s1 ] } ]")
        .start();
    let mut conns = Vec::new();
    for origin in &origins {
        let mut conn = origin.accept().await;
        conn.stream_head().await;
        conn.event("id: 1\ndata: x").await;
        conns.push(conn);
    }
    let url = sign(&keys, &["--expires", "1h"], "/all?source=s");
    for url in [
        url.clone(),
        url.replace("source=", "s%6furce="),
        url.replace("source=s", "%73%6F%75%72%63%65=%73"),
    ] {
        let client = relay.open(&get(&url)).await;
        let id = String::from_utf8(client.last_event_id.clone()).unwrap();
        assert!(id.starts_with("s:") && !id.contains(','), "{url}: {id}");
    }
    for wrong in [
        url.replace("source=s&", ""),
        url.replace("source=s", "source"),
        format!("{url}&%73ource=s1"),
    ] {
        assert_unauthorized(&answer(&relay, get(&wrong)).await, &["SignedUrl"]);
    }
}

/// The example of docs/security-relevant reading: what a shell has.
#[tokio::test]
async fn the_documented_commands_sign_the_same() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/contract.md")).unwrap();
    let (_, after) = text.split_once("```sh\n# signs /events").expect("the example");
    let script = format!("# signs /events{}", after.split("```").next().unwrap());
    let files = Files::new();
    let keys = files.write("keys", KEYS);
    let output = Command::new("bash")
        .arg("-euc")
        .arg(&script)
        .env("KEYS", &keys)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let url = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let (relay, _conn) = relayed(&way(&keys), "", "").await;
    relay.open(&get(&url)).await;
}
