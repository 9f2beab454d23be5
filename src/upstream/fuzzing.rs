//! What an origin says in heads and feeds, whatever it is.

use super::answer::{Meaning, meaning};
use super::discovery::stream_in;
pub use super::http1::fuzzing::body;
use super::redirect::next;
use super::request::{ConfiguredOrigin, Wanted};
use super::url::Url;
use super::{Failure, Reason};
use crate::config::{self, Upstream};
use crate::fuzzing::{assert_may_be_shown, response_head};
use hyper::header::{AUTHORIZATION, HOST};

/// An upstream with secrets, and a `Host` of its own.
const FILE: &str = "
sources:
  s:
    path: /s
    upstream:
      url: https://origin.example:8443/a/sse?b=c
      username: relay
      password: hunter2
      headers: { Host: public.example, X-Token: hunter2 }
";

fn upstream() -> Upstream {
    match config::read(FILE, "fuzz.yaml", &|_| None) {
        Ok(loaded) => loaded.config.sources[0].upstreams[0].clone(),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

/// An answer is a stream, its end, or a failure that can be told; and where a redirect leads, what
/// is secret goes to the configured origin only.
pub fn answer(bytes: &[u8]) {
    let Some(head) = response_head(bytes) else { return };
    if let Meaning::Failure(refusal) = meaning(&head) {
        assert_may_be_shown(&refusal.failure.detail);
    }
    with_origin(|origin| match next(origin, origin.url(), &head) {
        Ok(url) => assert_secrets_stay(origin, &url),
        Err(failure) => assert_may_be_shown(&failure.detail),
    });
}

/// The same for the stream that a feed names.
pub fn discovery(bytes: &[u8]) {
    with_origin(|origin| match stream_in(bytes, origin.url()) {
        Ok(url) => assert_secrets_stay(origin, &origin.locate(url)),
        Err(why) => assert_may_be_shown(&Failure::new(Reason::Feed, why).detail),
    });
}

fn with_origin(look: impl FnOnce(&ConfiguredOrigin<'_>)) {
    let upstream = upstream();
    let config::Target::Urls(urls) = &upstream.target else {
        return;
    };
    let url = Url::parse(&urls[0]).unwrap_or_else(|error| panic!("{error}"));
    look(&ConfiguredOrigin::new(&upstream, url));
}

fn assert_secrets_stay(origin: &ConfiguredOrigin<'_>, url: &Url) {
    assert_may_be_shown(&url.redacted());
    let written = format!("{}{}", url.origin(), url.path_and_query());
    assert_eq!(
        Url::parse(&written).map(|url| url.origin()),
        Ok(url.origin()),
        "{written}"
    );
    for wanted in [Wanted::Feed, Wanted::Stream(None)] {
        let request = origin.request(url, wanted);
        let headers = request.headers();
        let told = [AUTHORIZATION.as_str(), "x-token"].map(|name| headers.contains_key(name));
        assert_eq!(told, [origin.is(url); 2], "{written}");
        let host = headers
            .get(HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default();
        let expected = if origin.is(url) {
            "public.example".to_owned()
        } else {
            url.host_field()
        };
        assert_eq!(host, expected, "{written}");
    }
}
