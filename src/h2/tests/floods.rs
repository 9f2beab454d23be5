//! What a peer may do often, and for how long.

use super::*;

/// A client of small answers that gives back what each of them took at once.
#[test]
fn requests_allow_for_the_frames_that_belong_to_them() {
    let mut peer = Peer::new();
    for n in 0..5000 {
        let stream = peer.stream(2 * n + 1);
        assert_eq!(peer.connection.send_data(stream, &[b'x'; 100]), 100, "{n}");
        peer.send(&update(2 * n + 1, 100));
        peer.connection.end(stream);
        peer.send(&update(0, 100));
        peer.send(&frame(kind::PING, 0, 0, &[0; 8]));
        peer.send(&frame(kind::PRIORITY, 0, 2 * n + 1, &[0; 5]));
        peer.take_output();
        peer.events.clear();
    }
}

#[test]
fn floods_end_the_connection() {
    let calm = Some(ErrorCode::EnhanceYourCalm as u32);
    let floods: [(&str, Vec<u8>); 8] = [
        ("settings", frame(kind::SETTINGS, 0, 0, &[])),
        ("pings", frame(kind::PING, 0, 0, &[0; 8])),
        ("acknowledged pings", frame(kind::PING, flag::ACK, 0, &[0; 8])),
        ("priorities", frame(kind::PRIORITY, 0, 1, &[0; 5])),
        ("unknown frames", frame(0x77, 0, 1, &[])),
        ("window updates", update(0, 1)),
        ("window updates of a stream that has ended", update(1, 1)),
        ("empty data", frame(kind::DATA, 0, 3, &[])),
    ];
    for (what, flood) in floods {
        let mut peer = Peer::new();
        peer.stream(1);
        peer.send(&frame(kind::RST_STREAM, 0, 1, &[0; 4]));
        peer.send(&frame(kind::HEADERS, HEAD, 3, POST));
        peer.events.clear();
        let mut sent = 0;
        while !peer.connection.has_failed() {
            peer.send(&flood);
            if sent % 100 == 0 && !peer.connection.has_failed() {
                // Its answers are read.
                peer.connection.sent(peer.connection.unsent().len(), &mut Vec::new());
            }
            sent += 1;
            assert!(sent < 3000, "{what}");
        }
        assert!(sent > 1000, "{what}: a healthy peer may send some: {sent}");
        assert_eq!(peer.failure(), calm, "{what}");
    }
}

#[test]
fn answers_that_are_not_read_have_a_bound() {
    let mut peer = Peer::new();
    while !peer.connection.has_failed() {
        peer.now += Duration::from_millis(20);
        peer.send(&frame(kind::PING, 0, 0, &[0; 8]));
        assert!(peer.connection.unsent().len() < 100_000);
    }
    assert_eq!(peer.failure(), Some(ErrorCode::EnhanceYourCalm as u32));
}

#[test]
fn resets_again_and_again_end_the_connection() {
    // Its own (CVE-2023-44487), and those that it makes us send (CVE-2025-8671).
    for provoke in [
        frame(kind::RST_STREAM, 0, 0, &[0; 4]),
        update(0, 0),
        frame(kind::DATA, 0, 0, b"a"),
    ] {
        let mut peer = Peer::new();
        let mut id = 1;
        while !peer.connection.has_failed() {
            peer.send(&frame(kind::HEADERS, WHOLE, id, GET));
            let mut provoke = provoke.clone();
            provoke[5..9].copy_from_slice(&id.to_be_bytes());
            peer.send(&provoke);
            peer.connection.sent(peer.connection.unsent().len(), &mut Vec::new());
            id += 2;
            assert!(id < 2000, "{provoke:?}");
        }
        assert!(id > 900, "a browser that leaves its page is no attack: {id}");
        // All of a second's worth later.
        let mut peer = Peer::new();
        for id in (1..8000).step_by(2) {
            peer.now += Duration::from_millis(50);
            peer.send(&frame(kind::HEADERS, WHOLE, id, GET));
            peer.send(&frame(kind::RST_STREAM, 0, id, &[0; 4]));
            peer.take_output();
        }
        assert!(!peer.connection.has_failed());
    }
}

#[test]
fn no_more_streams_than_allowed_are_open() {
    let mut peer = Peer::new();
    for n in 0..128 {
        peer.stream(2 * n + 1);
    }
    peer.send(&frame(kind::HEADERS, WHOLE, 257, GET));
    assert!(peer.events.is_empty());
    assert_eq!(peer.reset(), Some((257, ErrorCode::Refused as u32)));
    peer.send(&frame(kind::RST_STREAM, 0, 1, &[0; 4]));
    assert!(matches!(peer.events.pop(), Some(Event::Gone(_, Some(1)))));
    peer.stream(259);
}

#[test]
fn one_byte_windows_cost_the_peer_as_much_as_us() {
    let mut peer = Peer::new();
    peer.send(&setting(4, 1));
    let stream = peer.stream(1);
    let (mut sent, mut updates) = (0, 0);
    while !peer.connection.has_failed() {
        sent += peer.connection.send_data(stream, &[b'x'; 1000]);
        peer.take_output();
        peer.send(&update(1, 1));
        updates += 1;
        assert!(sent <= updates && updates < 3000);
    }
    assert_eq!(peer.failure(), Some(ErrorCode::EnhanceYourCalm as u32));
}
