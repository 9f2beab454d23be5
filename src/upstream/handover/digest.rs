//! Whether two processes would make the same connection: compared by a digest, so that no secret
//! goes from one to the other.

use crate::config::{Credentials, Target, Upstream};
use crate::event_stream::ParserOptions;
use aws_lc_rs::digest::{Context, SHA256};
use std::path::Path;

/// A digest of what a connection was made with, and is read with. Times are not in it: they are in
/// force from now on, whatever the connection.
pub(crate) fn digest(config: &Upstream, parser: ParserOptions) -> [u8; 32] {
    let mut parts = Parts(Context::new(&SHA256));
    match &config.target {
        Target::Urls(urls) => parts.list("urls", urls.iter().map(String::as_bytes)),
        Target::Feed(url) => parts.list("feed", [url.as_bytes()]),
    }
    match &config.credentials {
        Some(Credentials::Basic { username, password }) => {
            parts.list("basic", [username.as_bytes(), password.0.as_bytes()]);
        }
        Some(Credentials::Bearer(token)) => parts.list("bearer", [token.0.as_bytes()]),
        None => {}
    }
    let headers = config.headers.iter();
    let fields: Vec<_> = headers
        .flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()])
        .collect();
    parts.list("headers", fields);
    let tls = &config.tls;
    for (name, path) in [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)] {
        parts.list(name, path.as_deref().map(path_bytes));
    }
    parts.list("server_name", tls.server_name.as_ref().map(String::as_bytes));
    parts.list("http2", [&[u8::from(config.http2)][..]]);
    let event_bytes_max = parser.event_bytes_max as u64;
    parts.list(
        "parser",
        [&event_bytes_max.to_be_bytes()[..], &[u8::from(parser.comments)]],
    );
    let mut digest = [0; 32];
    digest.copy_from_slice(parts.0.finish().as_ref());
    digest
}

fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Parts with their lengths, so that no two lists of them make the same bytes.
struct Parts(Context);

impl Parts {
    fn list<'a>(&mut self, name: &str, values: impl IntoIterator<Item = &'a [u8]>) {
        let values: Vec<_> = values.into_iter().collect();
        self.bytes(name.as_bytes());
        self.0.update(&(values.len() as u64).to_be_bytes());
        values.into_iter().for_each(|value| self.bytes(value));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::upstream::testing::config;
    use std::time::Duration;

    const PARSER: ParserOptions = ParserOptions {
        event_bytes_max: 1000,
        comments: false,
    };

    fn differs(change: impl Fn(&mut Upstream)) -> bool {
        let before = config("http://h/a");
        let mut after = before.clone();
        change(&mut after);
        digest(&before, PARSER) != digest(&after, PARSER)
    }

    #[test]
    fn what_makes_another_connection_makes_another_digest() {
        let header = |value: &'static str| ("x".parse().unwrap(), value.parse().unwrap());
        assert!(differs(
            |config| config.target = Target::Urls(vec!["http://h/b".to_owned()])
        ));
        assert!(differs(|config| config.target = Target::Feed("http://h/a".to_owned())));
        assert!(differs(
            |config| config.credentials = Some(Credentials::Bearer(Secret("a".to_owned())))
        ));
        assert!(differs(|config| config.headers.push(header("1"))));
        assert!(differs(|config| config.http2 = true));
        assert!(differs(|config| config.tls.ca = Some("ca.pem".into())));
        let longer = ParserOptions {
            event_bytes_max: 1001,
            ..PARSER
        };
        assert_ne!(
            digest(&config("http://h/"), PARSER),
            digest(&config("http://h/"), longer)
        );
    }

    #[test]
    fn times_and_names_make_none() {
        assert!(!differs(|config| config.read_timeout = Duration::from_secs(7)));
        assert!(!differs(|config| config.reconnect = Duration::from_secs(7)));
        assert!(!differs(|config| config.name = "other".to_owned()));
    }
}
