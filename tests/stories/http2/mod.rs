//! HTTP/2, frame by frame. (`tests/stories_http2` tells the stories of events, resuming, slow
//! clients and so on again by way of a library.)

mod connection;
mod flow;
mod hostile;
mod passed;
mod requests;

use crate::support::frames::{DATA, FramePeer, HEADERS};
use crate::support::origin::{Conn, TestOrigin};
use crate::support::relay::{PATH, Setup, TestRelay};

const CLIENTS: &str = r#"fanfare_clients{source="s",protocol="http/2"}"#;

async fn relayed(source: &str, top: &str) -> (TestRelay, Conn) {
    let origin = TestOrigin::start().await;
    Setup::over(&origin).source(source).top(top).start_with(&origin).await
}

/// Opens a stream, and reads its beginning.
async fn open(peer: &mut FramePeer, stream: u32) {
    peer.get(stream, PATH).await;
    loop {
        let frame = peer.next().await.expect("a stream");
        if frame.stream == stream {
            assert_eq!(frame.kind, HEADERS);
            break;
        }
    }
    peer.until(stream, "retry: ").await;
}

/// The bytes of a stream's data frames until one ends with this.
async fn data_until(peer: &mut FramePeer, stream: u32, end: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while !body.ends_with(end) {
        let frame = peer.next_of(DATA).await.expect("the stream goes on");
        if frame.stream == stream {
            body.extend_from_slice(&frame.payload);
        }
    }
    body
}
