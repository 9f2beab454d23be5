//! What a reload says of clients that were let in before it.

use crate::channel::Channel;
use crate::quotas::Grant;
use std::sync::Arc;

/// Whether a client of a channel may stay that was let in by this grant, or without one.
pub type StillHolds = Arc<dyn Fn(&Channel, Option<&Grant>) -> bool + Send + Sync>;
