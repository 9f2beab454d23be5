//! Whatever comes, in whatever pieces and order.

use super::*;

/// A connection's events, as text.
fn told(peer: &Peer) -> Vec<String> {
    peer.events.iter().map(|event| format!("{event:?}")).collect()
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        Just(GET.to_vec()),
        Just(POST.to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
        Just(vec![0; 4]),
        Just(vec![0; 8]),
        Just(1u32.to_be_bytes().to_vec()),
        Just(0x7fff_ffffu32.to_be_bytes().to_vec()),
    ];
    let flags = prop_oneof![Just(WHOLE), Just(HEAD), Just(0), any::<u8>()];
    (0u8..11, flags, 0u32..8, payload).prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload))
}

proptest! {
    /// However what comes is cut up, it means the same; and whatever comes, what is sent back is
    /// whole frames, and no owner of a stream is lost.
    #[test]
    fn any_frames_are_answered_the_same_however_they_are_cut(
        sent in prop::collection::vec(any_frame(), 0..24),
        cuts in prop::collection::vec(1usize..40, 0..60),
    ) {
        let bytes = sent.concat();
        let (mut whole, mut cut) = (Peer::new(), Peer::new());
        whole.send(&bytes);
        let mut rest = &bytes[..];
        for len in cuts {
            let (part, behind) = rest.split_at(len.min(rest.len()));
            cut.send(part);
            rest = behind;
        }
        rest.iter().for_each(|byte| cut.send(&[*byte]));
        prop_assert_eq!(told(&whole), told(&cut));
        prop_assert_eq!(whole.take_output(), cut.take_output());
    }

    /// Requests, answers, resets and windows in any order: the peer's windows are kept.
    #[test]
    fn no_stream_sends_more_than_its_window(
        steps in prop::collection::vec((0u8..6, 0usize..4, 0u32..5000), 0..120),
    ) {
        let mut peer = Peer::new();
        let mut open: Vec<(StreamKey, i64)> = Vec::new();
        let (mut next, mut all) = (1, 65_535_i64);
        for (step, n, amount) in steps {
            let at = n.min(open.len().saturating_sub(1));
            match step {
                0 => { open.push((peer.stream(next), 65_535)); next += 2; }
                _ if open.is_empty() => {}
                1 | 2 => {
                    let sent = peer.connection.send_data(open[at].0, &vec![b'x'; amount as usize * 8]) as i64;
                    let output = peer.take_output();
                    let bytes: usize = output.iter().filter(|frame| frame.0 == kind::DATA).map(|frame| frame.3.len()).sum();
                    prop_assert_eq!(bytes as i64, sent);
                    open[at].1 -= sent;
                    all -= sent;
                    prop_assert!(open[at].1 >= 0 && all >= 0);
                }
                3 => { peer.send(&update(open[at].0.id, amount + 1)); open[at].1 += i64::from(amount) + 1; }
                4 => { peer.send(&update(0, amount + 1)); all += i64::from(amount) + 1; }
                _ => { peer.connection.reset(open.remove(at).0, ErrorCode::Cancel); peer.take_output(); }
            }
            prop_assert_eq!(peer.connection.streams(), open.len());
        }
    }
}
