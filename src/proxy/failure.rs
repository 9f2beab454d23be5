//! Why a proxied request has no answer from its origin, what the client is told, and how it is
//! counted.

use crate::metrics::RefuseReason;
use hyper::StatusCode;

/// Why there is no answer from the origin. What is said in words is for the log.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The request is malformed in a way that only a proxy minds.
    BadRequest(&'static str),
    /// The request's body has a transfer coding that is not known.
    NotImplemented,
    /// A method that is not proxied.
    Method,
    /// The entry's origin has as many requests as it may have.
    Busy,
    /// The client did not send the body that it promised.
    ClientTimeout,
    /// The origin can't be reached, or its answer can't be understood.
    Origin(String),
    /// The origin can't be reached, or does not answer, in time.
    OriginTimeout(String),
}

impl Failure {
    /// What the client is told. It says nothing of the origin, whose address may be internal.
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

    /// The metric's label.
    pub(crate) fn reason(&self) -> RefuseReason {
        match self {
            Failure::BadRequest(_) | Failure::NotImplemented => RefuseReason::BadRequest,
            Failure::Method => RefuseReason::Method,
            Failure::Busy => RefuseReason::ProxiedRequests,
            Failure::ClientTimeout => RefuseReason::HeaderTimeout,
            Failure::Origin(_) | Failure::OriginTimeout(_) => RefuseReason::Origin,
        }
    }
}
