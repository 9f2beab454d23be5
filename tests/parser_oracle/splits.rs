//! Streams made of hostile pieces, cut anywhere.

use crate::reference::assert_agreement;
use crate::{UNLIMITED, assert_agreement_everywhere, assert_agreement_in_three};
use fanfare::event_stream::ParserOptions;
use proptest::prelude::*;

/// Pieces of which hostile streams are made.
const PIECES: &[&[u8]] = &[
    b"\n", b"\n", b"\n", b"\n\n", b"\r", b"\r\r", b"\r\n", b"\r\n\r\n", b"\n\r", b"data", b"data:", b"data: ", b"data: x\n", b"data: xy\n\n",
    b"event", b"event: ", b"event: e\n", b"event:\r", b"id", b"id:", b"id: ", b"id: 1\n", b"id: 22\r\n", b"id\n\n", b"retry", b"retry: ",
    b"retry: 10\n", b"retry: 1x\r", b"retry:\n", b"99999999999999999999", b":", b": c\n", b":\n\n", b" ", b"\0", b"\xEF", b"\xBB", b"\xBF",
    b"\xEF\xBB\xBF", b"\xEF\xBB\xBFdata: b\n", b"x", b"0", b"dat", b"a", b"ID: 3\n", b"other: field\n", b"\xFF\xFE", b"\xC3",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

pub(crate) fn stream(pieces: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let bom = prop::option::weighted(0.2, Just(b"\xEF\xBB\xBF".to_vec())).prop_map(Option::unwrap_or_default);
    let pieces = prop::collection::vec(prop::sample::select(PIECES), pieces).prop_map(|pieces| pieces.concat());
    (bom, pieces).prop_map(|(bom, pieces)| [bom, pieces].concat())
}

pub(crate) fn options() -> impl Strategy<Value = ParserOptions> {
    let limit = prop_oneof![3 => Just(UNLIMITED.event_bytes_max), 2 => 0usize..40, 1 => 40usize..400];
    (limit, any::<bool>()).prop_map(|(event_bytes_max, comments)| ParserOptions {
        event_bytes_max,
        comments,
    })
}

pub(crate) fn cuts(stream: &[u8], cuts: Vec<prop::sample::Index>) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn short_streams_at_every_cut(stream in stream(0..12), options in options()) {
        assert_agreement_everywhere(&stream, options);
        if stream.len() <= 40 {
            assert_agreement_in_three(&stream, options);
        }
    }

    #[test]
    fn long_streams_at_random_cuts(stream in stream(20..300), at in prop::collection::vec(any::<prop::sample::Index>(), 0..40), options in options()) {
        assert_agreement(&stream, &[], options);
        assert_agreement(&stream, &cuts(&stream, at), options);
        assert_agreement(&stream, &(1..stream.len()).collect::<Vec<_>>(), options);
    }

    #[test]
    fn arbitrary_bytes(stream in prop::collection::vec(any::<u8>(), 0..300), at in prop::collection::vec(any::<prop::sample::Index>(), 0..8), options in options()) {
        assert_agreement(&stream, &cuts(&stream, at), options);
    }
}
