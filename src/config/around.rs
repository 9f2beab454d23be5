//! Ways around who may read: a `pass` through which the origin of a restricted source is reached.

use super::url::OriginUrl;
use crate::path::normalise;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// How a prefix of `pass` and the path of a source's upstream meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meeting {
    /// Not at all.
    No,
    /// For some values of its parameters.
    Some,
    /// The whole of it is passed.
    All,
}

/// How the prefix, in its normal form, meets the upstream's path.
pub(super) fn meeting(prefix: &str, upstream: &OriginUrl) -> Meeting {
    let fixed = upstream.path.split('{').next().unwrap_or_default();
    let has_parameters = fixed.len() < upstream.path.len();
    // Nothing else of a path that was checked has no normal form.
    let fixed = normalise(fixed).unwrap_or_else(|_| fixed.into());
    if fixed.starts_with(prefix) {
        return Meeting::All;
    }
    match has_parameters && prefix.starts_with(&*fixed) {
        true => Meeting::Some,
        false => Meeting::No,
    }
}

/// Whether both are the same origin, as far as can be said without resolving names.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    let port = a.port_or_known_default() == b.port_or_known_default();
    a.origin() == b.origin() || (a.scheme() == b.scheme() && port && is_local(a) && is_local(b))
}

/// All spellings of this machine.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip == Ipv4Addr::UNSPECIFIED,
        Some(Host::Ipv6(ip)) => ip.is_loopback() || ip == Ipv6Addr::UNSPECIFIED,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_paths_meet() {
        for (prefix, path, expected) in [
            ("/", "/a", Meeting::All),
            ("/a", "/a", Meeting::All),
            ("/a/", "/a", Meeting::No),
            ("/b", "/a", Meeting::No),
            ("/jobs/", "/jobs/{job}/sse", Meeting::All),
            ("/jobs/x", "/jobs/{job}/sse", Meeting::Some),
            ("/job", "/jobs/{job}", Meeting::All),
            ("/jobz", "/jobs/{job}", Meeting::No),
            ("/a~b", "/a%7Eb", Meeting::All),
        ] {
            let upstream = OriginUrl::parse(&format!("http://h{path}")).expect(path);
            assert_eq!(meeting(prefix, &upstream), expected, "{prefix} {path}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        let same = |a: &str, b: &str| same_origin(&Url::parse(a).expect(a), &Url::parse(b).expect(b));
        assert!(same("http://localhost:80/", "http://127.0.0.1/") && same("http://[::1]:81/", "http://localhost:81/"));
        assert!(same("https://H/a", "https://h:443/b"));
        assert!(!same("http://localhost:80/", "http://127.0.0.1:81/") && !same("http://a/", "http://b/"));
        assert!(!same("https://localhost/", "http://localhost:443/"));
    }
}
