//! A listener for clients: its address, and how its connections begin.

use super::addresses::{ADDRESS, ADDRESS_FORM, Listen, Network};
use super::codec::{Codec as _, Custom, Flag};
use super::field::Presence as _;
use super::item::Section;
use super::listener_tls::ListenerTls;
use super::node::Value;
use super::shape::Shape;
use super::table::{Table as _, section};
use serde_json::Value as Json;

section! {
    /// A listener for clients.
    #[derive(Debug, Clone, PartialEq)]
    pub struct ClientListener {
        /// An address and port, or `unix:/path`.
        pub address: Listen = ADDRESS.needed(ADDRESS_FORM),
        /// TLS, and its certificates; `false` or nothing: clear text.
        pub tls: Option<ListenerTls> = TLS.or("false"),
        /// Whether every connection begins with a PROXY protocol header (version 1 or 2), from one
        /// of `trusted_proxies`.
        pub proxy_protocol: bool = Flag.or("false"),
    }
}

/// A listener: its address, or a mapping with it.
pub(super) const LISTENER: Custom<ClientListener> = Custom {
    shape: || Shape::Either(vec![ADDRESS.shape(), Shape::Section(ClientListener::keys())]),
    read: |item| match &item.node.value {
        Value::Map(_) => ClientListener::read(item),
        _ => ADDRESS.read(item).map(Into::into),
    },
    print: |listener| match listener == &listener.address {
        true => ADDRESS.print(&listener.address),
        false => Some(Json::Object(listener.print())),
    },
};

/// A mapping, or the word that turns it off.
const TLS: Custom<Option<ListenerTls>> = Custom {
    shape: || Shape::Either(vec![Shape::Section(ListenerTls::keys()), Shape::Word(vec!["false"])]),
    read: |item| match item.peek() {
        Some("false") => Some(None),
        _ => ListenerTls::read(item).map(Some),
    },
    print: |tls| tls.as_ref().map(|tls| Json::Object(tls.print())),
};

impl From<Listen> for ClientListener {
    fn from(address: Listen) -> Self {
        Self {
            address,
            tls: None,
            proxy_protocol: false,
        }
    }
}

/// A listener is an address where nothing else is said of it.
impl PartialEq<Listen> for ClientListener {
    fn eq(&self, address: &Listen) -> bool {
        self.address == *address && self.tls.is_none() && !self.proxy_protocol
    }
}

/// A header counts only from a trusted proxy: where none is named, every connection would be
/// refused. A Unix socket's permissions say who may connect.
pub(super) fn check(section: &Section<'_>, listeners: &[ClientListener], trusted: &[Network]) {
    let asks = |listener: &&ClientListener| listener.proxy_protocol && matches!(listener.address, Listen::Tcp(_));
    if let Some(listener) = listeners.iter().find(asks)
        && trusted.is_empty()
    {
        let what = format!("`proxy_protocol` at {}, and no proxy is trusted", listener.address);
        section.mistake_at("listen", what, "the proxies' addresses in `trusted_proxies`");
    }
}
