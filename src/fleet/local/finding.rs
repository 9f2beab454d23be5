//! Where an event stands in a message, by its id.

use crate::event_stream::Event;
use crate::fleet::record::{Content, blocks};
use bytes::Bytes;

/// Where an id stands in a message's events.
pub(super) enum Found {
    At(usize),
    Nowhere,
    /// None of them has one.
    WithoutIds,
}

pub(super) fn find(content: &Content, wanted: &Bytes) -> Found {
    let Content::Events { blocks: payload, .. } = content else {
        return Found::Nowhere;
    };
    let mut has_ids = false;
    for (n, block) in blocks(payload).enumerate() {
        let event = Event::parse_block(&block);
        if let Some(id) = event.and_then(|event| event.id()) {
            has_ids = true;
            if id == &wanted[..] {
                return Found::At(n);
            }
        }
    }
    match has_ids {
        true => Found::Nowhere,
        false => Found::WithoutIds,
    }
}
