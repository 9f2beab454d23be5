//! The record of a channel's recent events: one writer, any number of readers, none of whom the writer waits for.
//!
//! Bounded in events, bytes and age. A reader holds a position and asks for what follows; when the writer has let that go,
//! the reader is told ([`Read::Gone`]), never given something else.
//!
//! Positions count from 1 and never leave the process; clients know event ids, which the index turns into positions.

mod entry;
mod index;
#[cfg(all(test, fanfare_loom))]
mod loom;
mod resume;
mod ring;
mod writer;

pub use entry::{Draft, Entry, Kind};
pub(crate) use entry::{frame, put_frame};
pub(crate) use index::comes_back_as;
pub use resume::{Epoch, Numbering, ResumePoint};
pub use ring::{Log, Read};
pub use writer::Writer;
