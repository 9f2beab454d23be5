//! From a request's first byte to the place that its path leads to.

use super::head::ReadAhead;
use super::request::{client_address, last_event_id, parameter, wants};
use crate::config::Network;
use crate::path::{Template, normalise};
use crate::upstream::Url;
use std::net::{Ipv4Addr, SocketAddr};

/// Longest head that is read: longer than a parameter, so that too long ones are found.
const BYTES_MAX: usize = 1024;

/// A source with two parameters, and where its stream is at the origin.
const PATH: &str = "/jobs/{job}/{part}";
const UPSTREAM: &str = "http://origin.example/x/{job}/{part}?of={job}&part={part}";

/// What a request says leads to the origin that was configured, and within it to one path and one
/// query of the configured form.
pub fn routing(bytes: &[u8]) {
    let mut ahead = ReadAhead::default();
    ahead.push(bytes);
    let Ok(Some(head)) = ahead.next(BYTES_MAX) else { return };
    let request = head.request;
    wants(&request);
    parameter(&request, "wait");
    let id = last_event_id(&request);
    assert!(id.is_none_or(|id| id.len() <= BYTES_MAX));
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let trusted: Vec<Network> = "127.0.0.0/8".parse().into_iter().collect();
    client_address(&request, peer, &trusted);
    let Ok(normal) = normalise(request.uri().path()) else {
        return;
    };
    let Some(Ok(parameters)) = Template::new(PATH).fit(&normal) else {
        return;
    };
    let filled = parameters.fill(UPSTREAM);
    let url = Url::parse(&filled).unwrap_or_else(|error| panic!("{filled:?}: {error}"));
    assert_eq!(url.origin(), "http://origin.example", "{filled:?}");
    let target = url.path_and_query();
    assert!(
        target.path().starts_with("/x/") && target.path().split('/').count() == 4,
        "{target}"
    );
    let query = target.query().unwrap_or_default();
    assert!(
        query.split('&').count() == 2 && query.split('=').count() == 3,
        "{target}"
    );
    // What was filled in says the same again.
    let again = format!("/jobs/{}", &target.path()["/x/".len()..]);
    let again = normalise(&again).ok().and_then(|path| Template::new(PATH).fit(&path));
    assert_eq!(again, Some(Ok(parameters)), "{target}");
}
