//! text/event-stream as bytes (WHATWG HTML 9.2.5 and 9.2.6): no I/O, no clock, no runtime.
//!
//! Reads go in, events come out, each as one block of bytes in *plain form* (see [`Event`]). What a
//! client's `EventSource` dispatches from the blocks, one after the other, is what it would
//! dispatch from the stream itself: the same types, data and last event IDs, in the same order. The
//! result never depends on how the stream was split over reads.
//!
//! An event that came in plain form inside one read is passed as the slice of that read that it is.
//! Any other is put together in a buffer, once; that buffer never grows over the limit, whatever
//! the origin sends.

mod assembly;
mod event;
mod fields;
mod item;
mod line_ends;
mod parser;
mod state;

pub use event::{Event, OwnedEvent};
pub use fields::RECONNECTION_TIME_MAX;
pub use item::{Item, ParserOptions};
pub use parser::Parser;
pub use state::{BlockState, LineState, ParserState};
