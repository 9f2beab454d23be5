//! Another origin for what is passed, while requests are under way.

use crate::support::relay::{Setup, TestRelay, eventually};
use crate::support::wire::Wire;
use tokio::net::TcpListener;

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn passing_to(origin: &TcpListener) -> Setup {
    let to = origin.local_addr().unwrap();
    // Nobody listens at the source's.
    Setup::at("http://127.0.0.1:9/sse").top(&format!("pass: [ {{ prefix: /, to: \"http://{to}\" }} ]"))
}

/// A request that has reached this origin.
async fn asked(relay: &TestRelay, target: &str, origin: &TcpListener) -> (Wire, Wire) {
    let mut client = Wire::connect(relay.address).await;
    client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")).await;
    let mut conn = Wire::accept(origin).await;
    assert_eq!(conn.start().await.target(), target);
    (client, conn)
}

#[tokio::test]
async fn what_is_under_way_ends_at_the_old_origin_and_the_rest_goes_to_the_new_one() {
    let (old, new) = (
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let relay = passing_to(&old).start();
    let (mut page, mut at_page) = asked(&relay, "/page", &old).await;
    let (mut stream, mut at_stream) = asked(&relay, "/sse", &old).await;
    at_stream.send(STREAM).await;
    stream.start().await;
    assert_eq!(relay.reload(&passing_to(&new)), ["pass: changed"]);
    let (mut next, mut at_next) = asked(&relay, "/next", &new).await;
    at_next
        .send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nnew")
        .await;
    let head = next.start().await;
    assert_eq!(next.content(&head).await.bytes, b"new");
    at_stream.chunk("data: goes on\n\n").await;
    assert_eq!(stream.next_chunk().await.as_deref(), Some(&b"data: goes on\n\n"[..]));
    at_page.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold").await;
    let head = page.start().await;
    assert_eq!(page.content(&head).await.bytes, b"old");
    // The same connection asks the new one from now on, and an idle one to the old origin is let go.
    page.send("GET /again HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let mut at_again = Wire::accept(&new).await;
    assert_eq!(at_again.start().await.target(), "/again");
    at_again.send("HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(page.start().await.status(), 204);
    // Without any, they are not found; the stream still goes on.
    relay.reload(&Setup::at("http://127.0.0.1:9/sse"));
    page.send("GET /none HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(page.start().await.status(), 404);
    at_stream.chunk("data: still\n\n").await;
    assert_eq!(stream.next_chunk().await.as_deref(), Some(&b"data: still\n\n"[..]));
    drop(stream);
    assert!(
        at_stream.try_start().await.is_none(),
        "the old origin learns of its end"
    );
    eventually("no stream is passed", || relay.metric("fanfare_proxied_streams") == 0.0).await;
}
