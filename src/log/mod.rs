//! The record of a channel's recent events: one writer, and any number of readers, for none of
//! which the writer waits.
//!
//! Bounded in events, bytes and age. A reader holds a [`Cursor`] and asks for what follows; when
//! the writer has let that go, the reader is told ([`Read::Gone`]), never given something else.
//!
//! Clients know event ids: the origin's, which the index turns into cursors, or an epoch with a
//! [`Position`], which is searched for. Cursors never leave the process, but for its successor, which
//! goes on with the log itself (`carried`).

mod carried;
mod compressed;
mod entry;
mod epoch;
mod framing;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod index;
#[cfg(all(test, fanfare_loom))]
mod loom;
mod position;
mod reserved;
mod resume;
mod ring;
mod search;
mod shared_numbering;
mod wanted_start;
mod writer;

pub use carried::CarriedLogError;
pub use entry::{Draft, Entry, Kind, Moves};
pub use epoch::Epoch;
pub(crate) use framing::{frame, plain_of, put_frame};
pub(crate) use index::comes_back_as;
pub(crate) use position::AtomicCursor;
pub use position::{Cursor, OutOfOrder, Position};
pub use reserved::Reserved;
pub use resume::{Numbering, ResumePoint, StartPoint};
pub use ring::{Log, Read, Tip};
pub(crate) use shared_numbering::{BEHIND_ALL, EVENTS_PER_MESSAGE_MAX, Era, SharedNumbering};
pub use wanted_start::WantedStart;
pub use writer::Writer;
