//! What fills up an event: records as an API would send them, then words. So it compresses as events
//! do, and not as one letter that is repeated.

use std::io::Write as _;

const KINDS: [&str; 4] = ["created", "update", "published", "archived"];
/// Beginnings of words.
const HEADS: [&str; 32] = [
    "al", "bar", "cen", "dor", "el", "fen", "gra", "hol", "in", "jun", "ka", "lor", "mar", "ne", "or", "pel", "quo",
    "re", "sta", "ter", "un", "ver", "wes", "xen", "yar", "zo", "bri", "cha", "dis", "pro", "con", "sub",
];
/// Ends of words.
const TAILS: [&str; 32] = [
    "ate", "ber", "ce", "dine", "ed", "fication", "ger", "hood", "ing", "ject", "ket", "lo", "ment", "ness", "or",
    "port", "que", "ress", "sion", "tion", "um", "vent", "ward", "x", "yte", "zon", "al", "ble", "cal", "der", "ism",
    "ty",
];
/// More than a record takes.
const RECORD_BYTES_MAX: usize = 256;

/// Appends so many bytes, which end an object whose last member has been written; for the same
/// number the same. Less than a member takes becomes the smallest that there can be.
pub(super) fn write(out: &mut Vec<u8>, number: u64, bytes: usize) {
    const AROUND_RECORDS: usize = ",\"items\":[]".len();
    const PAD: &[u8] = b",\"pad\":\"";
    let end = (out.len() + bytes).max(out.len() + PAD.len() + 2);
    let mut random = Random::new(number);
    if end - out.len() > AROUND_RECORDS + RECORD_BYTES_MAX + PAD.len() + 2 {
        out.extend_from_slice(b",\"items\":[");
        loop {
            random.record(out);
            if end - out.len() <= RECORD_BYTES_MAX + PAD.len() + 4 {
                break;
            }
            out.push(b',');
        }
        out.push(b']');
    }
    out.extend_from_slice(PAD);
    while out.len() + 2 < end {
        random.word(out);
        out.push(b' ');
    }
    out.truncate(end - 2);
    out.extend_from_slice(b"\"}");
}

/// A xorshift generator (Marsaglia), which never comes to 0 from anything else.
struct Random(u64);

impl Random {
    fn new(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn one_of(&mut self, texts: &'static [&'static str]) -> &'static [u8] {
        texts[(self.next() >> 32) as usize % texts.len()].as_bytes()
    }

    fn word(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.one_of(&HEADS));
        out.extend_from_slice(self.one_of(&TAILS));
    }

    /// About 150 bytes.
    fn record(&mut self, out: &mut Vec<u8>) {
        let [id, article, version] = [self.next(), self.next() % 100_000, self.next() % 40];
        // Writing to a Vec can't fail.
        let _ = write!(out, "{{\"id\":\"{id:016x}\",\"kind\":\"");
        out.extend_from_slice(self.one_of(&KINDS));
        let _ = write!(
            out,
            "\",\"path\":\"/content/articles/{article}\",\"version\":{version},\"public\":{},\"title\":\"",
            article % 3 > 0
        );
        for _ in 0..3 {
            self.word(out);
            out.push(b' ');
        }
        out.extend_from_slice(b"now\"}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_json_as_long_as_asked() {
        for bytes in [0, 9, 10, 11, 100, 250, 280, 300, 700, 2_000, 16_384] {
            let mut out = b"{\"seq\":7".to_vec();
            write(&mut out, 7, bytes);
            assert_eq!(out.len(), 8 + bytes.max(10), "{bytes}");
            let json: serde_json::Value = serde_json::from_slice(&out).expect("it is JSON");
            assert_eq!(json["seq"], 7);
        }
    }

    #[test]
    fn it_compresses_as_events_do_and_is_always_the_same() {
        let text = |numbers: std::ops::Range<u64>| {
            let mut out = Vec::new();
            numbers.for_each(|number| write(&mut out, number, 900));
            out
        };
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&text(0..500)).expect("memory");
        let share = encoder.finish().expect("memory").len() as f64 / (500.0 * 900.0);
        assert!((0.15..0.35).contains(&share), "{share}");
        assert_eq!(text(3..5), text(3..5));
    }
}
