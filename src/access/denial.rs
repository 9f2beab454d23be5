//! Why a request is not let in, and what it is answered.

use crate::metrics::DenyReason;
use hyper::StatusCode;

/// What the client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// 401: no credentials, or none that are good.
    Unauthorized,
    /// 403: they are good, and not good enough.
    Forbidden,
    /// It can't be decided now: a refusal that heals.
    Undecided,
}

/// A request that is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denial {
    /// What the client is answered.
    pub answer: Answer,
    /// Why, for the operator alone.
    pub reason: DenyReason,
}

impl Answer {
    /// The status, where it is answered by one.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::Undecided => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Denial {
    /// What is answered follows from why.
    pub(super) fn new(reason: DenyReason) -> Self {
        let answer = match reason {
            DenyReason::Insufficient => Answer::Forbidden,
            DenyReason::NoKeys | DenyReason::NoAnswer | DenyReason::Busy => Answer::Undecided,
            DenyReason::Missing
            | DenyReason::Invalid
            | DenyReason::Expired
            | DenyReason::NotYet
            | DenyReason::UnknownKey
            | DenyReason::Audience => Answer::Unauthorized,
        };
        Self { answer, reason }
    }

    /// Of two ways in, the one that came nearer to letting it in says why not: first what may do so
    /// later, then what knows the client, and last what has seen nothing of it.
    pub(super) fn or(self, other: Self) -> Self {
        let nearness = |denial: &Self| {
            (
                denial.answer,
                denial.reason != DenyReason::Missing,
                denial.reason as usize,
            )
        };
        match nearness(&other) > nearness(&self) {
            true => other,
            false => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_way_in_says_why_not() {
        let of = |reasons: &[DenyReason]| {
            let denials = reasons.iter().map(|&reason| Denial::new(reason));
            denials.reduce(Denial::or).expect("some").reason
        };
        use DenyReason::{Expired, Insufficient, Invalid, Missing, NoKeys};
        assert_eq!(of(&[Missing, Invalid, Missing]), Invalid);
        assert_eq!(of(&[Missing, Missing]), Missing);
        assert_eq!(of(&[Insufficient, Expired]), Insufficient);
        assert_eq!(of(&[Invalid, Insufficient, NoKeys, Missing]), NoKeys);
    }
}
