//! From names of any form to names of folders.

use aws_lc_rs::digest::{SHA256, digest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt::Write as _;

/// What stands in a name as it is.
const AS_IT_IS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// A longer name is cut, and told apart by its digest: a file system takes 255 bytes.
const NAME_BYTES_MAX: usize = 100;
/// Bytes of a digest: no two names of a source will share them.
const DIGEST_BYTES: usize = 16;

/// The folder of a plain source's one channel.
pub(super) const PLAIN: &str = "stream";

/// The folder of a source.
pub(super) fn of_source(name: &str) -> String {
    let encoded = utf8_percent_encode(name, AS_IT_IS).to_string();
    match encoded.len() {
        0..=NAME_BYTES_MAX => encoded,
        _ => format!("{}-{}", &encoded[..NAME_BYTES_MAX], hashed(name)),
    }
}

/// What the folder of a templated source's channel begins with. Values may be secrets: they are not
/// in it.
pub(super) fn of_channel(parameters: &str) -> String {
    hashed(parameters)
}

fn hashed(name: &str) -> String {
    let digest = digest(&SHA256, name.as_bytes());
    digest.as_ref()[..DIGEST_BYTES]
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // A string takes all that is written to it.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_folders() {
        assert_eq!(of_source("changelog"), "changelog");
        assert_eq!(of_source("../a b"), "%2E%2E%2Fa%20b");
        let long = [of_source(&"é".repeat(200)), of_source(&"é".repeat(201))];
        assert_ne!(long[0], long[1]);
        assert!(long.iter().all(|name| name.len() < 200), "{long:?}");
        assert_ne!(of_channel("job=1"), of_channel("job=2"));
        assert_eq!(of_channel("job=1").len(), 32);
    }
}
