//! Where keys are fetched from.

use super::key_set::KeySet;
use crate::config::{Target, Upstream};
use crate::redaction::redact;
use crate::upstream::{Document, fetch};
use std::time::Duration;
use tokio::time::Instant;

/// How long a fetch may take: so long a client waits for its answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest key set: a key with its certificates has a few KiB.
const BYTES_MAX: usize = 512 * 1024;

/// A URL of keys.
pub(super) struct Jwks {
    /// Whose access it is, for logs.
    pub(super) source: String,
    pub(super) upstream: Upstream,
}

impl Jwks {
    /// The keys that are there now; else why not, without secrets.
    pub(super) async fn fetch(&self) -> Result<KeySet, String> {
        let document = Document {
            accept: "application/jwk-set+json, application/json;q=0.9, */*;q=0.1",
            bytes_max: BYTES_MAX,
        };
        let body = fetch(&self.upstream, document, Instant::now() + TIMEOUT).await;
        let keys = KeySet::parse(&body.map_err(|failure| failure.to_string())?)?;
        match keys.len() {
            0 => Err("no key in it can be used".to_owned()),
            _ => Ok(keys),
        }
    }

    pub(super) fn say_fetched(&self, keys: usize) {
        tracing::info!(source = self.source, url = self.url(), keys, "keys for tokens fetched");
    }

    pub(super) fn say_failed(&self, why: &str, has_old: bool) {
        let (source, url) = (&*self.source, self.url());
        match has_old {
            true => tracing::warn!(
                source,
                url,
                why,
                "keys for tokens can't be fetched: the old ones are used for a while"
            ),
            false => tracing::warn!(source, url, why, "keys for tokens can't be fetched: no token is let in"),
        }
    }

    fn url(&self) -> String {
        match &self.upstream.target {
            Target::Urls(urls) => urls.first().map_or_else(String::new, |url| redact(url)),
            Target::Feed(url) => redact(url),
        }
    }
}
