//! What two processes of the program say to each other when one hands over to the other: the
//! control socket, the hello, frames with descriptors beside them, and how values are encoded.
//!
//! - The room knows nothing of what is handed over: it carries any value that can be serialized.
//! - Every byte from the other side is bounded and checked; what can't be read ends the hand-over,
//!   and nothing else.
//! - Calls block, with a deadline each: a hand-over has a thread of its own.
//! - A frame's kinds and the values in them are those of one format. What a later format adds comes
//!   in frames of new kinds, which are sent only where both sides have agreed on that format.

mod codec;
mod control;
mod error;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod hello;
mod kind;
mod link;

pub use codec::{decode, encode};
pub use control::{ControlError, ControlSocket};
pub use error::LinkError;
pub use frame::{DESCRIPTORS_MAX, Frame, PAYLOAD_BYTES_MAX};
pub use hello::{FORMATS, Formats, Hello, Refused, Welcome};
pub use kind::Kind;
pub use link::{Breaker, Link};
