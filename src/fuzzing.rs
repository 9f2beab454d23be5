//! What the fuzz targets call: any bytes go in, and what must hold of them is asserted.
//!
//! Each function is called by the target of the same name in `fuzz/fuzz_targets/`, and stands in
//! the room that it looks at. The files in `fuzz/seeds/NAME` are where its fuzzer begins, and what
//! it has once failed at; the unit tests feed them too.

pub use crate::handover::fuzzing::handover;
pub use crate::http::fuzzing::routing;
pub use crate::kept::fuzzing::kept_log;
pub use crate::log::fuzzing::carried_log;
pub use crate::net::fuzzing::proxy_protocol;
pub use crate::proxy::fuzzing::{feed, passed_answer};
pub use crate::upstream::fuzzing::{answer, body, discovery};

use hyper::Response;
use hyper::http::response::Parts;

/// Most header lines of an answer that is read.
const LINES_MAX: usize = 64;

/// An origin's response head, as hyper would give it; `None`: these bytes are none.
pub(crate) fn response_head(bytes: &[u8]) -> Option<Parts> {
    let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
    let mut read = httparse::Response::new(&mut lines);
    if !matches!(read.parse(bytes), Ok(httparse::Status::Complete(_))) {
        return None;
    }
    let mut head = Response::builder().status(read.code?);
    for line in read.headers.iter() {
        head = head.header(line.name, line.value);
    }
    Some(head.body(()).ok()?.into_parts().0)
}

/// A text that may stand in a log line, an error or `/status`: short, and without control
/// characters.
pub(crate) fn assert_may_be_shown(text: &str) {
    /// More than the longest URL, each byte of it escaped.
    const SHOWN_BYTES_MAX: usize = 80 * 1024;
    assert!(text.len() <= SHOWN_BYTES_MAX, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    type Target = fn(&[u8]);

    /// Feeds every seed of a target; how many there were.
    fn fed(name: &str, target: Target) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
        let files = std::fs::read_dir(folder).unwrap();
        files
            .map(|file| target(&std::fs::read(file.unwrap().path()).unwrap()))
            .count()
    }

    #[test]
    fn every_seed_is_taken() {
        let targets: [(&str, Target); 8] = [
            ("kept_log", kept_log),
            ("carried_log", carried_log),
            ("body", body),
            ("proxy_protocol", proxy_protocol),
            ("handover", handover),
            ("routing", routing),
            ("feed", |bytes| {
                discovery(bytes);
                feed(bytes);
            }),
            ("answer", |bytes| {
                answer(bytes);
                passed_answer(bytes);
            }),
        ];
        for (name, target) in targets {
            assert!(fed(name, target) > 0, "{name}");
        }
    }
}
