//! How ids are hashed: behind a secret, since they come from outside.
//!
//! The secret can be given to a successor process, which then knows ids again that the log has let
//! go, and of which nothing but their hashes is left.

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

/// Bytes of the secret.
pub(in crate::log) const SEED_BYTES: usize = 16;

/// A secret, and a hasher that has taken it in.
#[derive(Debug, Clone)]
pub(in crate::log) struct Seed {
    bytes: [u8; SEED_BYTES],
    begun: DefaultHasher,
}

impl Seed {
    /// A new one. The model checker runs a model many times, and each time has to be the same.
    pub(super) fn new() -> Self {
        let mut bytes = [0; SEED_BYTES];
        if cfg!(not(fanfare_loom)) {
            let random = RandomState::new();
            for (n, part) in bytes.chunks_exact_mut(8).enumerate() {
                part.copy_from_slice(&random.hash_one(n).to_le_bytes());
            }
        }
        Self::of(bytes)
    }

    /// The one of a predecessor.
    pub(in crate::log) fn of(bytes: [u8; SEED_BYTES]) -> Self {
        let mut begun = DefaultHasher::new();
        begun.write(&bytes);
        Self { bytes, begun }
    }

    pub(in crate::log) fn bytes(&self) -> &[u8; SEED_BYTES] {
        &self.bytes
    }

    /// What this process makes of it. A build with another hash function makes something else.
    pub(in crate::log) fn proof(&self) -> u64 {
        self.hasher().finish()
    }

    pub(super) fn hasher(&self) -> DefaultHasher {
        self.begun.clone()
    }
}
