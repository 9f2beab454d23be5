//! What a source's log is called in the engine. Names come from the configuration, keys from
//! requests: both are encoded, so that none of them is ever a wildcard or a separator.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The key of a source without parameters: no encoded one is that.
const NO_KEY: &str = "_";
/// A key that is longer than this, as encoded, goes by its digest.
const KEY_BYTES_MAX: usize = 128;

/// The names of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) stream: String,
    /// All subjects of the stream.
    pub(super) subjects: String,
    /// What all of them begin with.
    prefix: String,
    /// The one that messages of the source go to.
    pub(super) subject: String,
    pub(super) bucket: String,
    /// Of the lease, in the bucket.
    pub(super) lease: String,
}

impl Names {
    pub(super) fn of(fleet: &str, source: &str) -> Self {
        let source = BASE64_URL_SAFE_NO_PAD.encode(source);
        Self {
            stream: format!("{fleet}-{source}"),
            subjects: format!("{fleet}.{source}.*"),
            prefix: format!("{fleet}.{source}."),
            subject: format!("{fleet}.{source}.{NO_KEY}"),
            bucket: format!("{fleet}-leases"),
            lease: source,
        }
    }

    /// What messages of a channel go to.
    pub(super) fn subject_of(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The key of a subject.
    pub(super) fn key_of<'a>(&self, subject: &'a str) -> &'a str {
        subject.strip_prefix(&self.prefix).unwrap_or(subject)
    }

    /// In the bucket: by what a process gives signs of life.
    pub(super) fn sign_of(&self, process: &str) -> String {
        // One token, as all of the bucket's keys. No encoded source holds the sign between.
        format!("{}={process}", self.lease)
    }
}

/// A channel's key: one token, which stands for no other channel.
pub(super) fn key(channel: &str) -> String {
    let encoded = BASE64_URL_SAFE_NO_PAD.encode(channel);
    match encoded.len() > KEY_BYTES_MAX {
        // No encoded key begins so.
        true => format!(
            "={}",
            BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, channel.as_bytes()))
        ),
        false => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_wildcard() {
        for source in ["changelog", "*", ">", "a.b", "a b", "ä\n", "..", "$SYS"] {
            let names = Names::of("fanfare", source);
            let tokens: Vec<&str> = names.subject.split('.').collect();
            assert_eq!(tokens.len(), 3, "{names:?}");
            let is_plain = |token: &&str| {
                token
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            };
            assert!(tokens.iter().all(is_plain) && is_plain(&&*names.stream), "{names:?}");
            assert_eq!(names.lease, tokens[1]);
        }
        let long = "k".repeat(2000);
        let keys: Vec<String> = ["a=*", "a=>", "a=.", "a= ", "a=%2A", "a=\u{e4}", "", &long, &long[1..]]
            .into_iter()
            .map(key)
            .collect();
        for (n, key) in keys.iter().enumerate() {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte);
            assert!(key.bytes().all(is_plain) && key.len() <= KEY_BYTES_MAX, "{key}");
            assert!(!keys[..n].contains(key) && key != NO_KEY);
        }
        assert_eq!(Names::of("fanfare", "changelog").stream, "fanfare-Y2hhbmdlbG9n");
    }
}
