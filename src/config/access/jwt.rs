//! Tokens that someone else signs.

use super::super::codec::{Codec as _, Custom, OneOrMore, Span, Text};
use super::super::end_rules::{ANY, TEXT};
use super::super::field::Presence as _;
use super::super::files::UpstreamTls;
use super::super::item::{Item, Section};
use super::super::shape::Shape;
use super::super::table::{nested, section};
use super::super::upstream::{Target, Upstream};
use super::super::url::STREAM_URL;
use super::key::{ALGORITHM, JwtAlgorithm, JwtKey, KEY_FILE};
use crate::redaction::mask_secrets;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// More than clocks that are set by anything differ.
const LEEWAY: Span = Span(Duration::ZERO..=Duration::from_secs(3600));

section! {
    /// Tokens that someone else signs.
    #[derive(Debug, Clone, PartialEq)]
    pub struct JwtAccess {
        /// URL of the keys, as a JSON Web Key Set (RFC 7517).
        pub jwks: Option<Upstream> = JWKS.optional(),
        /// A file with the key, instead of `jwks`: a public key as PEM, or a secret for HS256.
        pub key("key_file"): Option<JwtKey> = KEY_FILE.optional(),
        /// Algorithms that are taken; without it, all that the keys can be for.
        pub algorithms: Vec<JwtAlgorithm> = OneOrMore(ALGORITHM).or("[]"),
        /// Who has to have made the token (`iss`): one of these.
        pub issuer: Vec<String> = OneOrMore(TEXT).or("[]"),
        /// For whom the token has to be made (`aud`): one of these.
        pub audience: Vec<String> = OneOrMore(TEXT).or("[]"),
        /// Claims that the token has to have: equal, or in the array that stands there. Of a list, one.
        pub claims: Vec<(String, Json)> = CLAIMS.or("{}"),
        /// By how much clocks may differ.
        pub leeway: Duration = LEEWAY.or("30s"),
        /// The claim that says who the user is.
        pub user_claim: String = TEXT.or("sub"),
        /// The cookie in which the token may come too.
        pub cookie: Option<String> = COOKIE.optional(),
        /// The query parameter in which the token may come too; false: none.
        pub query: Option<String> = QUERY.or("false"),
        /// TLS towards `jwks`.
        pub tls: UpstreamTls = nested().or("{}"),
    }
    check = check;
}

/// Where keys are fetched from.
const JWKS: Custom<Upstream> = Custom {
    shape: || STREAM_URL.shape(),
    read: fetched_url,
    print: |upstream| match &upstream.target {
        Target::Urls(urls) => urls.first().map(|url| mask_secrets(url).into()),
        Target::Feed(_) => None,
    },
};

/// A URL that is fetched with the settings of an upstream.
pub(super) fn fetched_url(item: &Item<'_>) -> Option<Upstream> {
    let url = STREAM_URL.read(item)?;
    if !url.parameters.is_empty() {
        item.mistake(
            format!("{} has a parameter", item.found()),
            "a URL without `{parameters}`",
        );
        return None;
    }
    Some(Upstream::defaults(item.peek()?))
}

/// RFC 6265, 4.1.1: a token.
pub(super) const COOKIE: Text<String> = Text {
    form: "a cookie's name",
    examples: &["session", "__Host-token"],
    parse: |text| match text.parse::<hyper::header::HeaderName>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(""),
    },
    show: String::clone,
};

const PARAMETER: Text<String> = Text {
    form: "a query parameter's name, or `false`",
    examples: &["access_token", "token"],
    parse: |text| match text {
        // They have a meaning of their own.
        "lastEventId" | "wait" | "expires" | "key" | "signature" | "source" => {
            Err("a parameter that means something else")
        }
        _ if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) => Err(""),
        _ => Ok(text.to_owned()),
    },
    show: String::clone,
};

const QUERY: Custom<Option<String>> = Custom {
    shape: || Shape::Either(vec![PARAMETER.shape(), Shape::Word(vec!["false"])]),
    read: |item| match item.peek() {
        Some("false") => Some(None),
        _ => PARAMETER.read(item).map(Some),
    },
    print: |name| Some(name.as_deref().map_or(Json::Bool(false), Json::from)),
};

const CLAIMS: Custom<Vec<(String, Json)>> = Custom {
    shape: || Shape::Named(Box::new(ANY.shape())),
    read: |item| {
        let entries = item.entries("a mapping from claims to values")?;
        let read = entries
            .iter()
            .map(|(entry, item)| Some((entry.key.clone(), ANY.read(item)?)));
        read.collect()
    },
    print: |claims| Some(Json::Object(claims.iter().cloned().collect::<Map<_, _>>())),
};

/// What a JWKS may hold: keys that only verify.
const PUBLIC: [JwtAlgorithm; 3] = [JwtAlgorithm::Rs256, JwtAlgorithm::Es256, JwtAlgorithm::EdDsa];

fn check(section: &Section<'_>, jwt: Option<&mut JwtAccess>) {
    match (section.present("jwks"), section.present("key_file")) {
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) => section.item.mistake("no keys", "one of `jwks`, `key_file`"),
        (Some(_), Some(_)) => section.item.mistake("`jwks` and `key_file`", "one of them"),
    }
    if section
        .get("jwks")
        .and_then(|url| url.peek())
        .is_some_and(|url| url.starts_with("http://"))
        && is_remote(section)
    {
        section.warn_at("jwks", "keys over `http`: whoever is on the way can put in their own");
    }
    let Some(jwt) = jwt else { return };
    if let (Some(jwks), tls) = (&mut jwt.jwks, &jwt.tls) {
        jwks.tls = tls.clone();
    }
    let possible: &[JwtAlgorithm] = match &jwt.key {
        Some(key) => &[key.algorithm],
        None => &PUBLIC,
    };
    let name = |algorithm: &JwtAlgorithm| {
        ALGORITHM
            .print(algorithm)
            .and_then(|name| Some(name.as_str()?.to_owned()))
    };
    let expected: Vec<String> = possible.iter().filter_map(name).collect();
    if jwt.algorithms.is_empty() {
        jwt.algorithms = possible.to_vec();
    } else if jwt.key.is_some() && !jwt.algorithms.contains(&possible[0]) {
        section.mistake_at("algorithms", "none that the key is for", &expected.join(", "));
    } else if jwt.key.is_none()
        && let Some(wrong) = jwt.algorithms.iter().find(|algorithm| !possible.contains(algorithm))
    {
        let what = format!("{} with `jwks`", name(wrong).unwrap_or_default());
        section.mistake_at("algorithms", what, &expected.join(", "));
    }
}

/// Whether the keys come from another machine.
fn is_remote(section: &Section<'_>) -> bool {
    let url = section.get("jwks").and_then(|item| url::Url::parse(item.peek()?).ok());
    match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name != "localhost",
        Some(url::Host::Ipv4(address)) => !address.is_loopback(),
        Some(url::Host::Ipv6(address)) => !address.is_loopback(),
        None => false,
    }
}
