//! Frames on their way to the socket.

/// Frames in the order in which they were written, and how many of their bytes have left.
#[derive(Debug, Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    left: usize,
}

impl Output {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.left
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.left..]
    }

    /// So much has been written to the socket.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.left += bytes;
        debug_assert!(self.left <= self.bytes.len());
        if self.left == self.bytes.len() {
            self.bytes.clear();
            self.left = 0;
        }
    }

    /// Where further frames are written.
    pub(super) fn end(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The memory, if nothing is in it.
    pub(super) fn take_memory(&mut self) -> Option<Vec<u8>> {
        (self.len() == 0 && self.bytes.capacity() > 0).then(|| std::mem::take(&mut self.bytes))
    }

    /// Memory to write to, where there is none.
    pub(super) fn give_memory(&mut self, give: impl FnOnce() -> Vec<u8>) {
        if self.bytes.capacity() == 0 {
            self.bytes = give();
            debug_assert!(self.bytes.is_empty());
        }
    }

    /// Makes room where what has left takes more than what has not.
    pub(super) fn compact(&mut self) {
        if self.left > self.bytes.len() / 2 {
            self.bytes.drain(..self.left);
            self.left = 0;
        }
    }
}
