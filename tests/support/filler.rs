//! Text for events of which only the size matters.

/// As many characters of base64, without a pattern: compressed, three quarters of it are left, so a
/// client that does not read is noticed as soon as one in clear. The same for the same length.
pub fn filler(len: usize) -> String {
    nth_filler(0, len)
}

/// Another one: short ones that come one after the other would be found in the one before.
pub fn nth_filler(n: usize, len: usize) -> String {
    const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = fastrand::Rng::with_seed((n * 31 + len) as u64);
    (0..len).map(|_| char::from(CHARACTERS[random.usize(..64)])).collect()
}
