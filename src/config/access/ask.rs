//! The origin, which is asked about each request.

use super::super::codec::{ANY_DURATION, Codec as _, Custom, OneOrMore, SOME_DURATION};
use super::super::field::Presence as _;
use super::super::files::UpstreamTls;
use super::super::item::Section;
use super::super::shape::Shape;
use super::super::table::{nested, section};
use super::super::upstream::{Target, Upstream};
use super::super::url::STREAM_URL;
use super::jwt::{COOKIE, fetched_url};
use crate::redaction::mask_secrets;
use hyper::header::HeaderName;
use std::time::Duration;

section! {
    /// The origin, which is asked about each request.
    #[derive(Debug, Clone, PartialEq)]
    pub struct AskAccess {
        /// Where it is asked, with a GET: a status of 2xx lets in.
        pub url: Upstream = URL.needed("a URL"),
        /// How long an answer holds for requests that say the same; 0s: each is asked about.
        pub cache: Duration = ANY_DURATION.or("30s"),
        /// How long an answer may take.
        pub timeout: Duration = SOME_DURATION.or("5s"),
        /// Cookies that are sent on.
        pub cookies: Vec<String> = OneOrMore(COOKIE).or("[]"),
        /// The header of the answer that says who the user is.
        pub user_header: Option<HeaderName> = USER_HEADER.optional(),
        /// TLS towards `url`.
        pub tls: UpstreamTls = nested().or("{}"),
    }
    check = check;
}

const URL: Custom<Upstream> = Custom {
    shape: || STREAM_URL.shape(),
    read: |item| {
        let upstream = fetched_url(item)?;
        if upstream.credentials.is_some() {
            item.mistake("credentials in the URL", "none: the client's own are sent");
            return None;
        }
        Some(upstream)
    },
    print: |upstream| match &upstream.target {
        Target::Urls(urls) => urls.first().map(|url| mask_secrets(url).into()),
        Target::Feed(_) => None,
    },
};

const USER_HEADER: Custom<HeaderName> = Custom {
    shape: || Shape::Text(&["x-user"]),
    read: |item| {
        let form = "a header's name";
        item.checked(HeaderName::from_bytes(item.text(form)?.as_bytes()).ok(), form)
    },
    print: |name| Some(name.as_str().into()),
};

fn check(_: &Section<'_>, ask: Option<&mut AskAccess>) {
    if let Some(ask) = ask {
        ask.url.tls = ask.tls.clone();
    }
}
