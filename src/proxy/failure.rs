//! Why a passed request has no answer from its origin, what the client is told of it, and as what it is counted.

use crate::metrics::RefuseReason;
use hyper::StatusCode;

/// Why there is no answer from the origin. What is said in words is for the log.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request can't be passed on.
    BadRequest(&'static str),
    /// Nor this one.
    NotImplemented,
    /// A method that is not proxied.
    Method,
    /// The entry's origin has as many requests as it may have.
    Busy,
    /// The client did not send the body that it promised.
    ClientTimeout,
    /// Not reached, or what it answered is none.
    Origin(String),
    /// Not reached, or not answered, in time.
    OriginTimeout(String),
}

impl Failure {
    /// What the client is told; nothing of what is behind us.
    pub(crate) fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Failure::BadRequest(why) => (StatusCode::BAD_REQUEST, why),
            Failure::NotImplemented => (
                StatusCode::NOT_IMPLEMENTED,
                "the request's transfer coding is not known",
            ),
            Failure::Method => (StatusCode::METHOD_NOT_ALLOWED, "TRACE is not passed on"),
            Failure::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests are with the origin at the moment",
            ),
            Failure::ClientTimeout => (StatusCode::REQUEST_TIMEOUT, "the request's body did not come in time"),
            Failure::Origin(_) => (StatusCode::BAD_GATEWAY, "the origin gave no usable answer"),
            Failure::OriginTimeout(_) => (StatusCode::GATEWAY_TIMEOUT, "the origin did not answer in time"),
        }
    }

    /// As what it is counted.
    pub(crate) fn reason(&self) -> RefuseReason {
        match self {
            Failure::BadRequest(_) | Failure::NotImplemented => RefuseReason::BadRequest,
            Failure::Method => RefuseReason::Method,
            Failure::Busy => RefuseReason::Passes,
            Failure::ClientTimeout => RefuseReason::HeaderTimeout,
            Failure::Origin(_) | Failure::OriginTimeout(_) => RefuseReason::Origin,
        }
    }
}
