//! Peers that mean harm: each is ended by its own connection, and clients beside it lose nothing.

use super::{CLIENTS, open, relayed};
use crate::support::client::TestClient;
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FramePeer, HEADERS, PING, RST_STREAM, SETTINGS, frame, request,
    window_update,
};
use crate::support::origin::Conn;
use crate::support::relay::{PATH, TestRelay};

const ENHANCE_YOUR_CALM: u32 = 0xb;
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// What is sent the `n`th time.
type Flood = fn(u32) -> Vec<u8>;

/// Healthy clients beside a hostile peer: one of HTTP/1.1, one on an HTTP/2 connection.
struct Healthy {
    relay: TestRelay,
    conn: Conn,
    old: TestClient,
    new: FramePeer,
    told: usize,
}

impl Healthy {
    async fn beside(top: &str) -> Self {
        let (relay, conn) = relayed("", top).await;
        let old = relay.client().await;
        let mut new = FramePeer::open(relay.address).await;
        open(&mut new, 1).await;
        Self {
            relay,
            conn,
            old,
            new,
            told: 0,
        }
    }

    /// Both get the next event.
    async fn get_everything(&mut self) {
        self.told += 1;
        self.conn.event(&format!("data: event {}.", self.told)).await;
        assert_eq!(self.old.next_event().await.data, format!("event {}.", self.told));
        self.new.until(1, &format!("event {}.", self.told)).await;
    }

    /// A peer that sends this again and again; the code with which its connection ends.
    async fn flooded(&mut self, before: &[u8], flood: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
        let mut peer = FramePeer::open(self.relay.address).await;
        peer.send(before).await;
        self.get_everything().await;
        for n in 0..200 {
            let bytes: Vec<u8> = (0..100).flat_map(|m| flood(100 * n + m)).collect();
            if !peer.send(&bytes).await {
                break;
            }
            if n % 50 == 0 {
                self.get_everything().await;
            }
        }
        let code = peer.failure().await;
        self.get_everything().await;
        code
    }
}

#[tokio::test]
async fn floods_of_small_frames() {
    let mut healthy = Healthy::beside("").await;
    let post = frame(HEADERS, END_HEADERS, 1, &request("POST", PATH));
    let get = frame(HEADERS, WHOLE, 1, &request("GET", PATH));
    let floods: [(&str, &[u8], Flood); 7] = [
        ("settings", b"", |_| frame(SETTINGS, 0, 0, &[])),
        ("acknowledged settings", b"", |_| frame(SETTINGS, ACK, 0, &[])),
        ("pings", b"", |_| frame(PING, 0, 0, &[0; 8])),
        ("priorities", b"", |_| frame(2, 0, 1, &[0; 5])),
        ("unknown frames", b"", |_| frame(0x99, 0, 0, &[])),
        ("empty data", &post, |_| frame(DATA, 0, 1, &[])),
        ("window updates", &get, |_| window_update(1, 1)),
    ];
    for (what, before, flood) in floods {
        let code = healthy.flooded(before, flood).await;
        // A peer that does not read may be reset before it learns why.
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{what}: {code:?}");
    }
    healthy.relay.eventually_metric(CLIENTS, 1.0).await;
}

#[tokio::test]
async fn rapid_resets() {
    let mut healthy = Healthy::beside("").await;
    let code = healthy
        .flooded(b"", |n| {
            let stream = 2 * n + 1;
            let get = frame(HEADERS, WHOLE, stream, &request("GET", PATH));
            [get, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
        })
        .await;
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    // Those that make the relay send the reset.
    let code = healthy
        .flooded(b"", |n| {
            let stream = 2 * n + 1;
            let get = frame(HEADERS, WHOLE, stream, &request("GET", PATH));
            [get, window_update(stream, 0)].concat()
        })
        .await;
    assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    healthy.relay.eventually_metric(CLIENTS, 1.0).await;
}

#[tokio::test]
async fn heads_without_end() {
    let mut healthy = Healthy::beside("limits: { header_timeout: 2s }").await;
    let begun = frame(HEADERS, 0, 1, &request("GET", PATH));
    for piece in [&b""[..], b"\x00\x01a\x01b"] {
        let code = healthy.flooded(&begun, |_| frame(CONTINUATION, 0, 1, piece)).await;
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{code:?}");
    }
    // And slowly.
    let mut slow = FramePeer::open(healthy.relay.address).await;
    slow.send(&begun).await;
    assert_eq!(slow.failure().await, Some(0));
    healthy.get_everything().await;
}

/// A small block that stands for a large list.
#[tokio::test]
async fn header_bombs() {
    let mut healthy = Healthy::beside("").await;
    let mut peer = FramePeer::open(healthy.relay.address).await;
    let mut bomb = request("GET", PATH);
    bomb.extend_from_slice(b"\x40\x01a\x7f\xd1\x1e");
    bomb.extend_from_slice(&[b'x'; 4000]);
    bomb.extend_from_slice(&[0xbe; 10_000]);
    peer.send(&frame(HEADERS, WHOLE, 1, &bomb)).await;
    assert_eq!(peer.failure().await, Some(ENHANCE_YOUR_CALM));
    healthy.get_everything().await;
}

/// More requests than streams are allowed: those are refused, and may be made again.
#[tokio::test]
async fn too_many_streams() {
    let mut healthy = Healthy::beside("").await;
    let mut peer = FramePeer::open(healthy.relay.address).await;
    for n in 0..140 {
        peer.get(2 * n + 1, PATH).await;
    }
    let mut refused = 0;
    while refused < 12 {
        let reset = peer.next_of(RST_STREAM).await.expect("a refusal");
        assert_eq!(reset.code(), 7);
        refused += 1;
    }
    healthy.relay.eventually_metric(CLIENTS, 129.0).await;
    healthy.get_everything().await;
}

/// A peer that asks and reads nothing: what is kept for it has a bound.
#[tokio::test]
async fn answers_that_are_not_read() {
    let mut healthy = Healthy::beside("").await;
    let mut peer = FramePeer::open(healthy.relay.address).await;
    let mut stream = 1;
    for _ in 0..300 {
        let mut requests = Vec::new();
        for _ in 0..20 {
            requests.extend(frame(HEADERS, WHOLE, stream, &request("GET", "/nothing")));
            stream += 2;
        }
        let sent = tokio::time::timeout(std::time::Duration::from_millis(20), peer.send(&requests)).await;
        if sent != Ok(true) {
            break;
        }
    }
    healthy.get_everything().await;
    drop(peer);
    healthy.get_everything().await;
}
