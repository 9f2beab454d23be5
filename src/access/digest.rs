//! Digests: what caches and tables know credentials by, and what names a grant's basis.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;

/// SHA-256 of something, or HMAC of it.
pub(super) type Digest = [u8; 32];

/// A key that no one else has: digests by it can't be made, searched for or compared by timing from
/// outside.
pub(super) struct Keyed(hmac::Key);

impl Keyed {
    /// A key of its own.
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system gives random bytes once it has started");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The digest of these parts, in this order.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.0);
        each_apart(parts, |bytes| context.update(bytes));
        sized(context.sign().as_ref())
    }
}

/// The basis of a grant. What goes in may be searched for by who has the digest, so it never leaves
/// the process.
pub(super) fn basis(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    each_apart(parts, |bytes| context.update(bytes));
    sized(context.finish().as_ref())
}

/// Lengths go first: so no two lists of parts are the same bytes.
fn each_apart(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
    for part in parts {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}

fn sized(bytes: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.copy_from_slice(bytes);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let keyed = Keyed::new();
        assert_eq!(keyed.digest(&[b"a", b"b"]), keyed.digest(&[b"a", b"b"]));
        assert_ne!(keyed.digest(&[b"a", b"b"]), keyed.digest(&[b"ab", b""]));
        assert_ne!(keyed.digest(&[b"a"]), Keyed::new().digest(&[b"a"]));
        assert_ne!(basis(&[b"a", b"b"]), basis(&[b"ab"]));
    }
}
