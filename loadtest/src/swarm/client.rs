//! What the swarm's clients are: those of a [crowd](fanfare::crowd), by a setup for all processes.

use super::socket::Socket;
use crate::control::{SwarmSetup, Target};
use fanfare::crowd::Asked;

pub(crate) use fanfare::crowd::{Kind, Stage};

/// One client.
pub(crate) type Client = fanfare::crowd::Client<Socket>;

/// The kind of the client with this number: the shares are spread evenly, so that every process
/// gets its ratio of each kind.
pub(crate) fn kind_of(number: usize, setup: &SwarmSetup) -> Kind {
    let chosen = |share: f64, offset: f64| {
        let before = (number as f64).mul_add(share, offset).floor();
        ((number + 1) as f64).mul_add(share, offset).floor() > before
    };
    if chosen(setup.stalled_share, 0.0) {
        Kind::Stalled
    } else if setup.slow_share > 0.0 && chosen(setup.slow_share / (1.0 - setup.stalled_share).max(1e-9), 0.5) {
        Kind::Slow
    } else {
        Kind::Reader
    }
}

/// Writes a client's request to `out`.
pub(crate) fn write_request(out: &mut Vec<u8>, target: &Target, setup: &SwarmSetup, number: usize, last_id: &[u8]) {
    let asked = Asked {
        authority: &target.authority,
        path: &path(target, setup, number),
        last_id: if setup.resume { last_id } else { &[] },
    };
    let authorization = setup
        .authorization
        .iter()
        .map(|value| format!("Authorization: {value}"));
    asked.write(out, authorization.chain(setup.headers.iter().cloned()));
}

/// The path with its placeholders filled in.
pub(crate) fn path(target: &Target, setup: &SwarmSetup, number: usize) -> String {
    if !target.path.contains('{') {
        return target.path.clone();
    }
    let stream = number % setup.streams.max(1);
    target
        .path
        .replace("{client}", &number.to_string())
        .replace("{stream}", &stream.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_kept() {
        let setup = SwarmSetup {
            stalled_share: 0.1,
            slow_share: 0.2,
            ..SwarmSetup::default()
        };
        let count = |kind| (0..1000).filter(|number| kind_of(*number, &setup) == kind).count();
        assert_eq!(count(Kind::Stalled), 100);
        assert!((190..=210).contains(&count(Kind::Slow)), "{}", count(Kind::Slow));
    }

    #[test]
    fn a_request_names_what_it_wants() {
        let target = Target {
            tls: false,
            address: ([127, 0, 0, 1], 80).into(),
            authority: "localhost:80".to_owned(),
            path: "/jobs/{stream}?c={client}".to_owned(),
        };
        let setup = SwarmSetup {
            resume: true,
            streams: 5,
            authorization: Some("Bearer x".to_owned()),
            ..SwarmSetup::default()
        };
        let mut out = Vec::new();
        write_request(&mut out, &target, &setup, 12, b"e.7");
        let text = String::from_utf8(out).expect("ASCII");
        assert!(
            text.starts_with("GET /jobs/2?c=12 HTTP/1.1\r\nHost: localhost:80\r\n"),
            "{text}"
        );
        assert!(
            text.ends_with("Authorization: Bearer x\r\nLast-Event-ID: e.7\r\n\r\n"),
            "{text}"
        );
    }
}
