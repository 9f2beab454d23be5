//! Where a client says that its stream is to start: `?start=`, `?last=` or `?since=`.

use super::request;
use crate::config::{Source, Start, parse_duration};
use crate::log::WantedStart;
use crate::timestamp::Timestamp;
use hyper::Request;
use std::time::{Duration, SystemTime};

/// Why a request says it in a way that can't be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadStart {
    #[error("the query parameter start is live, latest or earliest")]
    Start,
    #[error("the query parameter last is a number of events, as in last=10")]
    Last,
    #[error("the query parameter since is a length of time, as in since=10m, or a time of RFC 3339")]
    Since,
    #[error("of the query parameters start, last and since, one says where a stream starts")]
    Several,
}

/// What a request says; `None`: nothing, or its source does not let clients say it.
pub(super) fn wanted<B>(request: &Request<B>, source: &Source) -> Result<Option<WantedStart>, BadStart> {
    if !source.client_start || request.uri().query().is_none() {
        return Ok(None);
    }
    let [start, last, since] = ["start", "last", "since"].map(|name| request::parameter(request, name));
    match (start, last, since) {
        (None, None, None) => Ok(None),
        (Some(start), None, None) => parse_start(&start).map(Some),
        (None, Some(last), None) => parse_last(&last).map(Some),
        (None, None, Some(since)) => parse_since(&since, SystemTime::now()).map(Some),
        _ => Err(BadStart::Several),
    }
}

fn parse_start(value: &[u8]) -> Result<WantedStart, BadStart> {
    match value {
        b"live" => Ok(WantedStart::As(Start::Live)),
        b"latest" => Ok(WantedStart::As(Start::Latest)),
        b"earliest" => Ok(WantedStart::As(Start::Earliest)),
        _ => Err(BadStart::Start),
    }
}

/// A number that no machine word holds is more than there is, too.
fn parse_last(value: &[u8]) -> Result<WantedStart, BadStart> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(BadStart::Last);
    }
    let digits = std::str::from_utf8(value).map_err(|_| BadStart::Last)?;
    Ok(WantedStart::Last(digits.parse().unwrap_or(u64::MAX)))
}

/// A time that is to come is now. One whose `+` was not percent-encoded has a space in its place.
fn parse_since(value: &[u8], now: SystemTime) -> Result<WantedStart, BadStart> {
    let text = std::str::from_utf8(value).map_err(|_| BadStart::Since)?;
    if let Ok(age) = parse_duration(text) {
        return Ok(WantedStart::Since(age));
    }
    let decoded = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't', ' ']) => format!("{time}+{offset}"),
        _ => text.to_owned(),
    };
    let Timestamp(time) = Timestamp::parse(&decoded).ok_or(BadStart::Since)?;
    let age: Duration = now.duration_since(time).unwrap_or_default();
    Ok(WantedStart::Since(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_an_age_or_a_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_383_245);
        let age = |seconds| Ok(WantedStart::Since(Duration::from_secs(seconds)));
        for (value, expected) in [
            ("10m", age(600)),
            ("1h30m", age(5400)),
            ("0s", age(0)),
            ("2026-11-22T21:33:05Z", age(60)),
            ("2026-11-22T22:33:05+01:00", age(60)),
            // As `+` is decoded.
            ("2026-11-22T22:33:05 01:00", age(60)),
            ("2027-01-01T00:00:00Z", age(0)),
            ("", Err(BadStart::Since)),
            ("10", Err(BadStart::Since)),
            ("-10m", Err(BadStart::Since)),
            ("yesterday", Err(BadStart::Since)),
            ("2026-11-22", Err(BadStart::Since)),
        ] {
            assert_eq!(parse_since(value.as_bytes(), now), expected, "{value}");
        }
    }

    #[test]
    fn last_is_a_number() {
        for (value, expected) in [
            ("0", Ok(0)),
            ("10", Ok(10)),
            ("99999999999999999999999", Ok(u64::MAX)),
            ("", Err(BadStart::Last)),
            ("+1", Err(BadStart::Last)),
            ("-1", Err(BadStart::Last)),
            ("1.5", Err(BadStart::Last)),
        ] {
            assert_eq!(parse_last(value.as_bytes()), expected.map(WantedStart::Last), "{value}");
        }
    }
}
