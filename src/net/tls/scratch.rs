//! Memory of a thread for one record at a time.

use std::cell::RefCell;

/// The plaintext of a record (RFC 8446, 5.1): a batch up to this size is one record.
pub(super) const RECORD_BYTES: usize = 16 * 1024;

/// What encryption adds, and room for what the library sends before a record of ours: an answer to
/// a key update, which is less than 100 bytes.
const EXTRA_BYTES: usize = 1024;

/// A record of a peer that pads as much as it may in TLS 1.2 (RFC 5246, 6.2.3) fits.
const BUFFER_BYTES: usize = RECORD_BYTES + 2 * EXTRA_BYTES + 5;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; BUFFER_BYTES].into_boxed_slice());
}

/// Lends the thread's buffer. Not to be called within itself: the inner one gets a buffer of its
/// own then.
pub(super) fn with_buffer<T>(f: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => f(&mut buffer),
        Err(_) => f(&mut vec![0; BUFFER_BYTES]),
    })
}
