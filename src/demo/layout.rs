//! Where what of the demo's origin is, and how much of it.

/// Where the origin's event stream is.
pub const STREAM_PATH: &str = "/changelog/sse";

/// The sections that have a change log.
pub const SECTIONS: [u32; 3] = [22, 37, 481];

/// As many as a Content Store holds: with more clients than this, a relay is needed.
pub const STREAMS_MAX: usize = 200;
