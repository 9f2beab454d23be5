//! What the tests of this folder share.

use crate::config::{Target, Upstream, UpstreamTls};
use std::time::Duration;

/// An upstream as it is configured by nothing but its URL.
pub(super) fn config(url: &str) -> Upstream {
    Upstream {
        name: "test".to_owned(),
        target: Target::Urls(vec![url.to_owned()]),
        credentials: None,
        headers: Vec::new(),
        tls: UpstreamTls::default(),
        http2: false,
        silence: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(10),
        reconnect: Duration::from_secs(3),
        reconnect_max: Duration::from_secs(60),
    }
}
