//! The bodies of answers, whatever they are made of.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

/// A body on its way to the client.
pub(crate) type Body = UnsyncBoxBody<Bytes, BodyError>;
/// Why it can't go on.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;
