//! The PROXY protocol's header, whatever comes.

use super::proxy_protocol::{HEADER_BYTES_MAX, parse};

/// However the bytes are cut up, the same is said of them, and it is said in time.
pub fn proxy_protocol(bytes: &[u8]) {
    let whole = parse(bytes);
    if let Ok(Some(header)) = whole {
        assert!((1..=HEADER_BYTES_MAX.min(bytes.len())).contains(&header.len));
    }
    if bytes.len() >= HEADER_BYTES_MAX {
        assert_ne!(whole, Ok(None), "waits for more than fits");
    }
    // A decision stands, whatever comes behind it.
    let decided = (0..bytes.len())
        .map(|cut| parse(&bytes[..cut]))
        .find(|said| *said != Ok(None));
    if let Some(decided) = decided {
        assert_eq!(decided, whole);
    }
}
