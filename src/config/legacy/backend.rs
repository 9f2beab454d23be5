//! The old proxy's origins: `backends`.

use crate::config::codec::{Codec as _, Custom, OneOrMore, Text};
use crate::config::credentials::{self, Credentials};
use crate::config::field::Presence as _;
use crate::config::headers;
use crate::config::item::Item;
use crate::config::secret::Secret;
use crate::config::shape::Shape;
use crate::config::table::{Table as _, section};
use crate::config::upstream::Upstream;
use crate::config::url::OriginUrl;
use hyper::header::{HeaderName, HeaderValue};
use std::time::Duration;

/// What the vendor's daemon takes for a dead connection.
const READ_TIMEOUT: Duration = Duration::from_secs(600);

section! {
    /// One origin.
    struct Backend {
        /// Where its stream is.
        uri: OriginUrl = URI.needed(URI_FORM),
        /// Basic authentication.
        credentials: Option<Option<Credentials>> = CREDENTIALS.optional(),
        /// Headers of the request.
        headers("httpHeaders"): Option<Vec<(HeaderName, HeaderValue)>> = HEADERS.optional(),
    }
}

section! {
    /// User name and password: both, or neither.
    struct Basic {
        /// The user name.
        username: Option<()> = PRESENT.optional(),
        /// The password.
        password: Option<()> = PRESENT.optional(),
    }
}

pub(super) const BACKENDS_FORM: &str = "a list of backends, each with a `uri`";
const URI_FORM: &str =
    "the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`";

const URI: Text<OriginUrl> = Text {
    form: URI_FORM,
    examples: &["http://o/sse"],
    parse: |text| match OriginUrl::parse(text)? {
        url if url.parameters.is_empty() => Ok(url),
        _ => Err("a URL with a parameter"),
    },
    show: |url| url.url.clone(),
};

/// One of them, as an upstream of ours.
pub(super) const BACKEND: Custom<Upstream> = Custom {
    shape: || Shape::Section(Backend::keys()),
    read: backend,
    print: |_| None,
};

fn backend(item: &Item<'_>) -> Option<Upstream> {
    let backend = Backend::read(item)?;
    let beside = backend.credentials.flatten();
    if beside.is_some() && backend.uri.userinfo.is_some() {
        item.mistake("credentials in the `uri` and beside it", "one of them");
        return None;
    }
    let within = backend.uri.userinfo.clone();
    let within = within.map(|(username, password)| Credentials::Basic { username, password });
    Some(Upstream {
        credentials: beside.or(within),
        headers: backend.headers.unwrap_or_default(),
        read_timeout: READ_TIMEOUT,
        ..Upstream::defaults(&backend.uri.url)
    })
}

const PRESENT: Custom<()> = Custom {
    shape: || Shape::Text(&[]),
    read: |item| item.secret_text().map(|_| ()),
    print: |()| None,
};

const CREDENTIALS: Custom<Option<Credentials>> = Custom {
    shape: || Shape::Section(Basic::keys()),
    read: |item| {
        let basic = Basic::read(item)?;
        match (basic.username, basic.password, item.at("username"), item.at("password")) {
            (None, None, ..) => Some(None),
            (Some(()), Some(()), Some(username), Some(password)) => {
                // Read once already, with whatever there was to say.
                let password = Secret(password.peek()?.to_owned());
                credentials::basic(&username, password).map(Some)
            }
            _ => {
                item.mistake("only one of `username` and `password`", "both, or none");
                None
            }
        }
    },
    print: |_| None,
};

/// A mapping; or a list of mappings, all of them together.
const HEADERS: Custom<Vec<(HeaderName, HeaderValue)>> = Custom {
    shape: || Shape::Any,
    read: |item| {
        let all: Vec<_> = OneOrMore(headers::HEADERS).read(item)?.into_iter().flatten().collect();
        for (index, (name, _)) in all.iter().enumerate() {
            if all[..index].iter().any(|(known, _)| known == name) {
                item.mistake(format!("the header `{name}` a second time"), "each header once");
            }
        }
        Some(all)
    },
    print: |_| None,
};
