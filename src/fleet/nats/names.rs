//! What a source's log is called in the engine. Names come from the configuration, keys from
//! requests: both are encoded, so that none of them is ever a wildcard or a separator.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The key of a source without parameters: no encoded one is that.
const NO_KEY: &str = "_";

/// The names of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) stream: String,
    /// All subjects of the stream.
    pub(super) subjects: String,
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
            subject: format!("{fleet}.{source}.{NO_KEY}"),
            bucket: format!("{fleet}-leases"),
            lease: source,
        }
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
        assert_eq!(Names::of("fanfare", "changelog").stream, "fanfare-Y2hhbmdlbG9n");
    }
}
