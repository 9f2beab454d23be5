//! How the parts of a shard name its clients and channels.

/// A client of the shard. A later one may get the key of one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(u32);

/// A channel that the shard follows. A later one may get the key of one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelKey(u32);

/// How many clients the shard had before this one, as far as it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u32);

/// One client and no other: what outlives a turn (a timer, a place in a queue, an event of the
/// poll) holds this and not the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClientRef {
    pub(super) key: ClientKey,
    pub(super) generation: Generation,
}

impl ClientKey {
    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl ChannelKey {
    pub(super) fn new(index: usize) -> Self {
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Generation {
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl ClientRef {
    /// What the poll is given with the client's socket, and gives back with its events.
    pub(super) fn token(self) -> mio::Token {
        mio::Token(self.key.index() | (self.generation.0 as usize) << 32)
    }

    pub(super) fn of(token: mio::Token) -> Self {
        Self {
            key: ClientKey(token.0 as u32),
            generation: Generation((token.0 >> 32) as u32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_client() {
        let generation = Generation(u32::MAX).next().next();
        assert_eq!(generation, Generation(1));
        let client = ClientRef {
            key: ClientKey::new(0xffff_fffe),
            generation,
        };
        assert_eq!(ClientRef::of(client.token()), client);
        let later = ClientRef {
            generation: generation.next(),
            ..client
        };
        assert_ne!(client.token(), later.token());
    }
}
