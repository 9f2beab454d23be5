//! What becomes of a request, at once or later.

use super::denial::Denial;
use crate::metrics::DenyReason;
use crate::quotas::Grant;
use std::pin::Pin;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is let in.
    Granted(Grant),
    /// It is not.
    Denied(Denial),
}

/// A verdict, at once or later.
pub enum Check {
    /// Nothing has to be waited for.
    Now(Verdict),
    /// It depends on something outside. The wait is bounded.
    Later(Pin<Box<dyn Future<Output = Verdict> + Send>>),
}

impl Check {
    pub(super) fn denied(reason: DenyReason) -> Self {
        Self::Now(Verdict::Denied(Denial::new(reason)))
    }
}
