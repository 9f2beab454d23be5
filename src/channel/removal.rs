//! How the clients of a channel leave whose source the configuration has no more.

use std::time::Duration;

/// What happens to those that are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Over how long the ends of the streams are spread.
    pub spread: Duration,
}
