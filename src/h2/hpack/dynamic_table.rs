//! The dynamic table (RFC 7541, 2.3.2 and 4): what a peer refers to by its index.

use std::collections::VecDeque;

/// What a field counts beyond its name and value (RFC 7541, 4.1).
pub(super) const FIELD_OVERHEAD: usize = 32;

/// A field: its name's length, and name and value in one piece.
#[derive(Debug)]
struct Field {
    name_len: usize,
    bytes: Box<[u8]>,
}

/// The newest field first. The sizes of all are no more than `size_max`.
#[derive(Debug)]
pub(super) struct DynamicTable {
    fields: VecDeque<Field>,
    size: usize,
    size_max: usize,
}

impl DynamicTable {
    pub(super) fn new(size_max: usize) -> Self {
        Self {
            fields: VecDeque::new(),
            size: 0,
            size_max,
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<(&[u8], &[u8])> {
        let field = self.fields.get(at)?;
        Some(field.bytes.split_at(field.name_len))
    }

    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + FIELD_OVERHEAD;
        // One that is too large empties the table, and is not in it (RFC 7541, 4.4).
        self.shrink(self.size_max.saturating_sub(size));
        if size <= self.size_max {
            self.size += size;
            self.fields.push_front(Field {
                name_len: name.len(),
                bytes: [name, value].concat().into(),
            });
        }
    }

    pub(super) fn resize(&mut self, size_max: usize) {
        self.size_max = size_max;
        self.shrink(size_max);
    }

    fn shrink(&mut self, to: usize) {
        while self.size > to {
            let Some(oldest) = self.fields.pop_back() else { break };
            self.size -= oldest.bytes.len() + FIELD_OVERHEAD;
        }
    }
}
