//! What an origin answers to a request that was passed on, whatever it is.

pub use super::rewrite::fuzzing::feed;

use super::hop_by_hop;
use super::rewrite::fuzzing::assert_headers_are_rewritten;
use crate::fuzzing::response_head;

/// What concerns the origin's connection stays there, and a URL that is rewritten leads to us.
pub fn passed_answer(bytes: &[u8]) {
    let Some(mut head) = response_head(bytes) else { return };
    hop_by_hop::remove(&mut head.headers);
    for name in ["connection", "keep-alive", "te", "transfer-encoding", "upgrade"] {
        assert!(!head.headers.contains_key(name), "{name}");
    }
    assert_headers_are_rewritten(&mut head.headers);
}
