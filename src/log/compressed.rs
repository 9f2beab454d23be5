//! What an entry is for clients that take gzip: made when it is needed, once, and let go with it.

use super::framing::frame;
use crate::gzip::{self, Fragment};
use bytes::Bytes;
use std::sync::OnceLock;

/// An entry's fragments, as chunks (RFC 9112, 7.1).
#[derive(Debug, Default)]
pub(super) struct Compressed {
    alone: OnceLock<Bytes>,
    shared: OnceLock<SharedFragment>,
}

/// An entry's place in a history that clients share.
#[derive(Debug, Clone)]
pub(crate) struct SharedFragment {
    /// It refers to nothing before it: any client can read it, and what follows.
    pub(crate) begins: bool,
    /// As a chunk.
    pub(crate) frame: Bytes,
}

impl Compressed {
    /// The fragment of the entry's block that stands alone. Several threads may make it at the same
    /// time: they make the same.
    pub(super) fn alone(&self, block: &[u8]) -> Bytes {
        match self.alone.get() {
            Some(frame) => frame.clone(),
            None => {
                // Not within the lock: a shard must not wait for another's.
                let made = gzip::alone(block, |fragment| frame(&[fragment]));
                self.alone.get_or_init(|| made).clone()
            }
        }
    }

    pub(super) fn shared(&self) -> Option<&SharedFragment> {
        self.shared.get()
    }

    /// The entry stands in a history, as this.
    pub(super) fn share(&self, fragment: &Fragment<'_>) {
        let shared = SharedFragment {
            begins: fragment.begins,
            frame: frame(&[fragment.bytes]),
        };
        if shared.begins {
            // Who got there first has made the same.
            let _ = self.alone.set(shared.frame.clone());
        }
        let is_first = self.shared.set(shared).is_ok();
        debug_assert!(is_first, "an entry stands in one history");
    }
}
