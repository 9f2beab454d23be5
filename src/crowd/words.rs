//! Text that fills up an event: words as if of a language, so that it compresses as text does, and not
//! as one letter that is repeated.

/// Beginnings of words.
const HEADS: [&str; 32] = [
    "al", "bar", "cen", "dor", "el", "fen", "gra", "hol", "in", "jun", "ka", "lor", "mar", "ne", "or", "pel", "quo",
    "re", "sta", "ter", "un", "ver", "wes", "xen", "yar", "zo", "bri", "cha", "dis", "pro", "con", "sub",
];
/// Ends of words.
const TAILS: [&str; 32] = [
    "ate ",
    "ber ",
    "ce ",
    "dine ",
    "ed ",
    "fication ",
    "ger ",
    "hood ",
    "ing ",
    "ject ",
    "ket ",
    "lo ",
    "ment ",
    "ness ",
    "or ",
    "port ",
    "que ",
    "ress ",
    "sion ",
    "tion ",
    "um ",
    "vent ",
    "ward ",
    "x ",
    "yte ",
    "zon ",
    "al ",
    "ble ",
    "cal ",
    "der ",
    "ism ",
    "ty ",
];

/// Appends so many bytes of text; for the same number the same.
pub(super) fn write(out: &mut Vec<u8>, number: u64, bytes: usize) {
    let end = out.len() + bytes;
    // A xorshift generator (Marsaglia), which never comes to 0 from anything else.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while out.len() < end {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [head, tail] = [state >> 40, state >> 50].map(|part| (part % 32) as usize);
        out.extend_from_slice(HEADS[head].as_bytes());
        out.extend_from_slice(TAILS[tail].as_bytes());
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_long_as_asked_and_compresses_as_text_does() {
        let mut text = Vec::new();
        (0..500).for_each(|number| write(&mut text, number, 700));
        assert_eq!(text.len(), 500 * 700);
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, &text).expect("memory");
        let share = encoder.finish().expect("memory").len() as f64 / text.len() as f64;
        assert!((0.2..0.4).contains(&share), "{share}");
        let mut again = Vec::new();
        write(&mut again, 0, 700);
        assert_eq!(again, text[..700]);
    }
}
