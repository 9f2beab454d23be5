//! Redirects: followed as far as is sensible, and told no secrets.

use crate::running::{Told, basic, config, origin_and_upstream, run};
use crate::support::origin::TestOrigin;
use fanfare::upstream::{Reason, Resume};

fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn all_kinds_are_followed_and_a_reconnect_begins_at_the_configured_url() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for status in [301, 302, 303, 307, 308] {
        let request = origin.answer(redirect(status, "../moved?x=1#there")).await;
        assert_eq!(request.target(), "/sse");
        let mut conn = origin.accept().await;
        assert_eq!(conn.request().line(), "GET /moved?x=1 HTTP/1.1");
        conn.stream_head().await;
        conn.event("data: 1").await;
        while !matches!(upstream.told().await, Told::Event(_)) {}
        assert_eq!(upstream.status.read().url, origin.url("/moved?x=***"));
        conn.close().await;
        upstream.failed_with(Reason::Ended).await;
    }
}

#[tokio::test]
async fn five_are_followed_and_not_a_sixth() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for hop in 0..6 {
        origin.answer(redirect(302, &format!("/{hop}"))).await;
    }
    upstream.failed_with(Reason::Redirect).await;
    for hop in 0..5 {
        origin.answer(redirect(302, &format!("/{hop}"))).await;
    }
    origin.accept().await.stream_head().await;
    upstream.connected().await;
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    let (origin, mut upstream) = origin_and_upstream().await;
    for location in ["ftp://h/?t=s3cret", "http://", "http://u:s3cret@:1/", "mailto:x", "//"] {
        origin.answer(redirect(302, location)).await;
        let failure = upstream.failed_with(Reason::Redirect).await;
        assert!(!failure.detail.contains("s3cret"), "{failure}");
        assert_eq!(failure.status, Some(302));
    }
    origin.answer("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n").await;
    upstream.failed_with(Reason::Redirect).await;
}

#[tokio::test]
async fn credentials_stay_with_the_configured_origin() {
    let (origin, elsewhere) = (TestOrigin::start().await, TestOrigin::start().await);
    let mut config = config(origin.url("/sse"));
    config.credentials = basic("relay", "s3cret");
    config.headers = vec![
        ("cookie".parse().unwrap(), "s3cret".parse().unwrap()),
        ("x-api-key".parse().unwrap(), "s3cret".parse().unwrap()),
        ("host".parse().unwrap(), "public.example".parse().unwrap()),
    ];
    let mut upstream = run(config);

    // At home, also after a redirect within it.
    origin.answer(redirect(307, "/inner")).await;
    let request = origin.answer(redirect(307, &elsewhere.url("/sse"))).await;
    assert_eq!(request.header("authorization"), Some("Basic cmVsYXk6czNjcmV0"));
    assert_eq!(request.header("cookie"), Some("s3cret"));
    assert_eq!(request.header("host"), Some("public.example"));

    // Another port is another origin.
    let mut conn = elsewhere.accept().await;
    assert!(!conn.request().text.contains("s3cret"), "{}", conn.request().text);
    assert_eq!(conn.request().header("authorization"), None);
    assert_eq!(
        conn.request().header("host"),
        Some(elsewhere.address().to_string().as_str())
    );
    conn.stream_head().await;
    conn.event("id: 1\ndata: a").await;
    upstream.connected().await;
    upstream.event().await;
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;

    // The place goes along.
    origin.answer(redirect(307, &elsewhere.url("/sse"))).await;
    let mut conn = elsewhere.accept().await;
    assert_eq!(conn.request().header("last-event-id"), Some("1"));
    conn.stream_head().await;
    assert_eq!(upstream.connected().await, Resume::Sent);
}

/// An origin that is shown its public name redirects to it; that name leads to whatever stands in
/// front of it.
#[tokio::test]
async fn a_redirect_to_the_presented_host_stays_at_the_origin() {
    let origin = TestOrigin::start().await;
    let mut config = config(origin.url("/sse"));
    config.credentials = basic("relay", "s3cret");
    config.headers = vec![("host".parse().unwrap(), "cue.example.invalid".parse().unwrap())];
    let _upstream = run(config);
    origin.answer(redirect(302, "https://cue.example.invalid/sse/")).await;
    let conn = origin.accept().await;
    assert_eq!(conn.request().target(), "/sse/");
    assert_eq!(conn.request().header("host"), Some("cue.example.invalid"));
    assert!(conn.request().header("authorization").is_some());
}
