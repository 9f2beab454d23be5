//! What frames there are.

/// Declares the kinds with their numbers, so that neither can miss one of the other.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $number:literal,)+) => {
        /// What a frame is. A number is never given to another kind.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Kind {
            $($(#[$doc])* $kind = $number,)+
        }

        impl Kind {
            pub(super) fn of(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// To take over: a hello.
    TakeOver = 1,
    /// To ask who is there, and how its last upgrade went: a hello.
    Ask = 2,
    /// The answer to the first.
    Welcome = 3,
    /// Instead of an answer: why not.
    Refused = 4,
    /// The answer to the second.
    Told = 5,
    /// Listening sockets.
    Listeners = 6,
    /// The new process has everything but what is handed over.
    Ready = 7,
    /// A channel, its log beside it.
    Channel = 8,
    /// Upstream connections.
    Upstreams = 9,
    /// Clients of a shard.
    Clients = 10,
    /// Connections whose request has not come.
    Pending = 11,
    /// Nothing more will come.
    End = 12,
    /// The new process holds all of it.
    Held = 13,
    /// From now on it is the new process's.
    Yours = 14,
    /// What had to stay has left the old process.
    Left = 15,
}
