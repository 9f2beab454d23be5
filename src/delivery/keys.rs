//! How the parts of a shard name its clients and channels.

/// A client of the shard. A later one may get the key of one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ClientKey(u32);

/// A channel that the shard follows. A later one may get the key of one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ChannelKey(u32);

/// An HTTP/2 connection of the shard. A later one may get the key of one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConnectionKey(u32);

/// One connection and no other, as [`ClientRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ConnectionRef {
    pub(super) key: ConnectionKey,
    pub(super) generation: Generation,
}

/// What a socket belongs to that the poll has something to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SocketOf {
    Client(ClientRef),
    Connection(ConnectionRef),
}

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

impl ConnectionKey {
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

/// Set in the tokens of connections; there are never so many of either.
const CONNECTION_BIT: u32 = 1 << 31;

impl ClientRef {
    /// What the poll is given with the client's socket, and gives back with its events.
    pub(super) fn token(self) -> mio::Token {
        token(self.key.0, self.generation)
    }
}

impl ConnectionRef {
    /// What the poll is given with the connection's socket, and gives back with its events.
    pub(super) fn token(self) -> mio::Token {
        token(self.key.0 | CONNECTION_BIT, self.generation)
    }
}

impl SocketOf {
    pub(super) fn of(token: mio::Token) -> Self {
        let (index, generation) = (token.0 as u32, Generation((token.0 >> 32) as u32));
        if index & CONNECTION_BIT != 0 {
            let key = ConnectionKey(index & !CONNECTION_BIT);
            return Self::Connection(ConnectionRef { key, generation });
        }
        let key = ClientKey(index);
        Self::Client(ClientRef { key, generation })
    }
}

fn token(index: u32, generation: Generation) -> mio::Token {
    mio::Token(index as usize | (generation.0 as usize) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_socket() {
        let generation = Generation(u32::MAX).next().next();
        assert_eq!(generation, Generation(1));
        let client = ClientRef {
            key: ClientKey::new(0x7fff_fffe),
            generation,
        };
        assert_eq!(SocketOf::of(client.token()), SocketOf::Client(client));
        let later = ClientRef {
            generation: generation.next(),
            ..client
        };
        assert_ne!(client.token(), later.token());
        let connection = ConnectionRef {
            key: ConnectionKey::new(0x7fff_fffe),
            generation,
        };
        assert_eq!(SocketOf::of(connection.token()), SocketOf::Connection(connection));
    }
}
