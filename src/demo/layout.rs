//! Where what of the demo's origin is, and how much of it.

/// Where the origin's event stream is.
pub const STREAM_PATH: &str = "/changelog/sse";

/// Where the crowd's stream is, at the origin and at the relay.
pub const CROWD_PATH: &str = "/crowd/sse";

/// What the relay calls the crowd's stream.
pub const CROWD_SOURCE: &str = "crowd";

/// The type of the event that tells the crowd of a gap.
pub const GAP_EVENT: &str = "fanfare.gap";

/// The sections that have a change log.
pub const SECTIONS: [u32; 3] = [22, 37, 481];

/// As many as a Content Store holds: with more clients than this, a relay is needed.
pub const STREAMS_MAX: usize = 200;
