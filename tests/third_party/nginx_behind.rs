//! nginx as the origin behind a proxied prefix: what is not within the prefix can't be reached by
//! any spelling.

use crate::support::ports::free_address;
use crate::support::relay::TestRelay;
use crate::support::wire::Wire;
use std::net::SocketAddr;

/// Each of them, sent to nginx itself, or read by another server behind it, leads out of the
/// prefix.
const TARGETS: [&str; 34] = [
    "/webservice/../admin/x",
    "/webservice/./../admin/x",
    "/webservice//../admin/x",
    "//webservice//..//admin/x",
    "/webservice/%2e/../admin/x",
    "/webservice/%2E%2e/admin/x",
    "/webservice/.%2e/admin/x",
    "/webservice/..%2fadmin/x",
    "/webservice/%2e%2e%2fadmin/x",
    "/webservice/%2e%2e%2Fadmin/x",
    "/webservice/x/../../admin/x",
    "/webservice/x%2f..%2f..%2fadmin/x",
    "/webservice/.;a/../admin/x",
    "/webservice/..;a/admin/x",
    "/webservice/..%3ba/admin/x",
    "/webservice;x/../admin/x",
    "/webservice%2f../admin/x",
    "/webservice/%5c../admin/x",
    "/webservice/..%5cadmin/x",
    "/webservice/\\../admin/x",
    "/webservice/..\\admin/x",
    "/%77ebservice/../admin/x",
    "/./webservice/../admin/x",
    "/x/../webservice/../admin/x",
    "/%2e/webservice/%2e%2e/admin/x",
    "/admin/x",
    "//admin/x",
    "/%61dmin/x",
    "/admin%2fx",
    "/admin/../admin/x",
    "/webservice/../webservice/../admin/x",
    "/webservice/..",
    "/webservice/%2e%2e",
    "http://cue.test/webservice/../admin/x",
];

/// Encoded twice they are names within the prefix.
const TWICE: [&str; 3] = [
    "/webservice/%252e%252e/admin/x",
    "/webservice/%252e%252e%252fadmin/x",
    "/webservice/..%255cadmin/x",
];

async fn status_and_body(address: SocketAddr, target: &str) -> (u16, String) {
    let mut client = Wire::connect(address).await;
    client
        .send(format!(
            "GET {target} HTTP/1.1\r\nHost: cue.test\r\nConnection: close\r\n\r\n"
        ))
        .await;
    let head = client.start().await;
    let content = client.content(&head).await;
    (head.status(), String::from_utf8_lossy(&content.bytes).into_owned())
}

#[tokio::test]
async fn what_is_beside_the_prefix_is_out_of_reach() {
    let address = free_address();
    let server = format!(
        "server {{ listen {address}; default_type text/plain; location / {{ return 200 outside; }} \
         location /webservice/ {{ return 200 inside; }} location /admin/ {{ return 200 admin; }} }}"
    );
    let nginx = crate::nginx::start(address, server).await;
    // Nobody listens at the source's.
    let relay = TestRelay::read(&format!(
        "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nsources: {{ s: {{ path: /sse, upstream: \"http://127.0.0.1:9/\" }} }}\n\
         pass: [ {{ prefix: /webservice/, to: \"http://{}\" }} ]",
        nginx.address
    ));
    let mut reached = 0;
    for target in TARGETS {
        let (_, body) = status_and_body(nginx.address, target).await;
        reached += usize::from(body == "admin");
        let (status, body) = status_and_body(relay.address, target).await;
        assert!(matches!(status, 400 | 404), "{target}: {status} {body}");
        assert!(
            body.contains("about:blank"),
            "{target}: the relay's own answer, not {body}"
        );
    }
    assert!(reached > 20, "{reached} of them lead to /admin/ without the relay");
    for target in TWICE {
        assert_eq!(
            status_and_body(relay.address, target).await,
            (200, "inside".to_owned()),
            "{target}"
        );
    }
    for target in ["/webservice/", "/%77ebservice/x", "/webservice//x;a/b%2fc"] {
        assert_eq!(
            status_and_body(relay.address, target).await,
            (200, "inside".to_owned()),
            "{target}"
        );
    }
}
