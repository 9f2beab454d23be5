//! Any bytes as what a client sends: they are read the same however they are cut up, and what is a
//! request reads the same again.
#![no_main]

use fanfare::http::head::{Malformed, ReadAhead, RequestHead};

/// Small, so that heads that are too long are found too.
const BYTES_MAX: usize = 512;

/// What is said about a connection's bytes, pushed in pieces of this length.
fn read(bytes: &[u8], piece: usize) -> (Vec<RequestHead>, Option<Malformed>) {
    let (mut ahead, mut heads) = (ReadAhead::default(), Vec::new());
    for piece in bytes.chunks(piece.max(1)) {
        ahead.push(piece);
        loop {
            match ahead.next(BYTES_MAX) {
                Ok(Some(head)) => heads.push(head),
                Ok(None) => break,
                Err(why) => return (heads, Some(why)),
            }
        }
    }
    (heads, None)
}

fn shown(head: &RequestHead) -> String {
    format!("{:?} {:?} {:?}", head.request, head.bytes, head.body)
}

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| {
    let (piece, bytes) = input;
    let (whole, why) = read(bytes, usize::MAX);
    for piece in [1, usize::from(piece)] {
        let (cut, cut_why) = read(bytes, piece);
        assert_eq!(cut_why, why);
        assert!(whole.iter().map(shown).eq(cut.iter().map(shown)));
    }
    for head in &whole {
        assert!(head.bytes.len() <= BYTES_MAX && head.bytes.ends_with(b"\n"));
        let (again, why) = read(&head.bytes, usize::MAX);
        assert_eq!((again.len(), why), (1, None));
        let [again] = &again[..] else { return };
        assert_eq!((&again.bytes, again.body), (&head.bytes, head.body));
        assert_eq!(again.request.uri(), head.request.uri());
        assert_eq!(again.request.headers(), head.request.headers());
    }
});
