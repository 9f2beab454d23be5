//! What is shown to be let in is shown to no one else.

use super::served::{Served, http, json};
use super::signer::{Signer, key_set};
use super::{Files, basic};
use crate::support::client::{ask, get};
use crate::support::origin::TestOrigin;
use crate::support::process::TestProcess;
use crate::support::relay::Setup;

/// All kinds at once.
fn every_way(files: &Files, keys: &Served, asked: &Served) -> String {
    let signing = files.write("keys", "k1:c2VjcmV0LWtleS1vZi0zMi1ieXRlcy1vci1tb3JlISE=\n");
    format!(
        "{}, {}, {{ jwt: {{ jwks: \"{}\", cookie: session, query: token }} }}, {{ signed: {{ keys_file: {} }} }}, \
         {{ ask: {{ url: \"{}\", cookies: [session] }} }}",
        files.basic(&[("ann", "hunter2")]),
        files.bearer(&[("t", "hunter2-0123456789")]),
        keys.url("/"),
        signing.display(),
        asked.url("/"),
    )
}

#[tokio::test]
async fn no_log_status_metric_or_origin_learns_what_a_client_showed() {
    let files = Files::new();
    let signer = Signer::ed("d");
    let set = key_set(&[&signer]);
    let keys = Served::start(move |_| json(&set)).await;
    let asked = Served::start(|_| http("500 Oops", "", "")).await;
    let ways = every_way(&files, &keys, &asked);
    let origin = TestOrigin::start().await;
    let setup = Setup::at(&origin.url("/jobs/{job}"))
        .path("/jobs/{job}")
        .source(&format!("access: [ {ways} ]"));
    let process = TestProcess::start(&setup).await;
    let token = signer.for_seconds(60);
    let forged = format!("{token}hunter2");
    for request in [
        get("/jobs/1").header("Authorization", basic("ann", "hunter2-wrong")),
        get("/jobs/1").header("Authorization", "Bearer hunter2"),
        get(&format!("/jobs/1?token={forged}")),
        get("/jobs/1").header("Cookie", format!("session={forged}")),
        get("/jobs/1?expires=1&key=k1&signature=hunter2"),
    ] {
        let status = request.answer(process.address).await.head.status;
        assert!(matches!(status, 200 | 401), "{status}");
    }
    for request in asked.requests() {
        let target = request.lines().next().unwrap();
        assert_eq!(target, "GET / HTTP/1.1");
        assert!(
            !request.contains("signature") && !request.contains("token="),
            "{request}"
        );
    }
    let opened = tokio::spawn({
        let address = process.address;
        let request = get(&format!("/jobs/1?token={token}&x=1"))
            .header("Authorization", basic("ann", "hunter2"))
            .header("Cookie", format!("session={token}"));
        async move { request.open(address).await }
    });
    let mut conn = origin.accept().await;
    let upstream = conn.request().text.clone();
    conn.stream_head().await;
    let _client = opened.await.unwrap();
    let status = ask("GET", "/status").answer(process.admin).await.body;
    let metrics = ask("GET", "/metrics").answer(process.admin).await.body;
    let log = process.whole_log();
    assert!(log.contains("request not let in"), "{log}");
    let signature = token.rsplit('.').next().unwrap();
    for text in [&upstream, &status, &metrics, &log] {
        for secret in ["hunter2", signature, "YW5uOmh1bnRlcjI", "c2VjcmV0"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
