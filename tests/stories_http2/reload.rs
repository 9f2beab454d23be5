//! Stories of `tests/stories/reload` that are about what is served.

#[path = "../stories/reload/applying.rs"]
mod applying;
#[path = "../stories/reload/pass.rs"]
mod pass;
#[path = "../stories/reload/sequences.rs"]
mod sequences;

use applying::read;
