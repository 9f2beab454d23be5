//! text/event-stream as bytes (WHATWG HTML 9.2.5 and 9.2.6): no I/O, no clock, no runtime.

mod event;
mod parser;

pub use event::Event;
pub use parser::{Item, Parser, ParserOptions};
