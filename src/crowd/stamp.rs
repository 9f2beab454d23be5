//! What is written into each event and read back by its clients: sequence number, time of the write,
//! time of the schedule.
//!
//! `{"seq":7,"t_ns":1234,"t_sched":1230,"pad":"stament"}`: the stamp stands first, so that a scanner
//! needs only the beginning of a line. `ch` follows where there are several streams, to notice an
//! event that strayed into another stream. Times are CLOCK_MONOTONIC nanoseconds: they compare on
//! one machine only.

use super::filler;
use std::io::Write;

/// What one event says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the event in its stream, from 1.
    pub seq: u64,
    /// When the origin wrote it.
    pub written_ns: u64,
    /// When the origin's schedule meant it to be written: what a latency free of coordinated
    /// omission starts from.
    pub scheduled_ns: u64,
    /// The stream it belongs to, in runs with several.
    pub channel: Option<u32>,
}

/// The terminal event's mark in the stamp, for streams with an end.
const END_MARK: &str = ",\"state\":\"COMPLETED\"";

/// Appends the data of one event to `out`, filled up to `size_bytes`.
pub fn write_data(out: &mut Vec<u8>, stamp: &Stamp, size_bytes: usize, end: bool) {
    let from = out.len();
    put(
        out,
        format_args!(
            "{{\"seq\":{},\"t_ns\":{},\"t_sched\":{}",
            stamp.seq, stamp.written_ns, stamp.scheduled_ns
        ),
    );
    if let Some(channel) = stamp.channel {
        put(out, format_args!(",\"ch\":{channel}"));
    }
    if end {
        out.extend_from_slice(END_MARK.as_bytes());
    }
    let missing = size_bytes.saturating_sub(out.len() - from);
    filler::write(out, stamp.seq, missing);
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec can't fail");
}

impl Stamp {
    /// Reads the stamp from the beginning of an event's data; `None` if the event isn't one of
    /// ours.
    pub fn parse(data: &[u8]) -> Option<Stamp> {
        let rest = data.strip_prefix(b"{\"seq\":")?;
        let (seq, rest) = digits(rest)?;
        let (written_ns, rest) = digits(rest.strip_prefix(b",\"t_ns\":")?)?;
        let (scheduled_ns, rest) = digits(rest.strip_prefix(b",\"t_sched\":")?)?;
        let channel = match rest.strip_prefix(b",\"ch\":") {
            Some(rest) => Some(u32::try_from(digits(rest)?.0).ok()?),
            None => None,
        };
        Some(Stamp {
            seq,
            written_ns,
            scheduled_ns,
            channel,
        })
    }
}

fn digits(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    let mut len = 0;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            break;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        len += 1;
    }
    (len > 0).then_some((value, &bytes[len..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        seq: 42,
        written_ns: 1_234_567_890_123,
        scheduled_ns: 1_234_567_000_000,
        channel: None,
    };

    #[test]
    fn what_is_written_is_read_back() {
        for channel in [None, Some(0), Some(17)] {
            let stamp = Stamp { channel, ..STAMP };
            let mut out = Vec::new();
            write_data(&mut out, &stamp, 0, false);
            assert_eq!(Stamp::parse(&out), Some(stamp));
            let json: serde_json::Value = serde_json::from_slice(&out).expect("the data is JSON");
            assert_eq!(json["seq"], 42);
        }
    }

    #[test]
    fn the_terminal_event_says_so() {
        let mut out = Vec::new();
        write_data(&mut out, &STAMP, 100, true);
        let json: serde_json::Value = serde_json::from_slice(&out).expect("the data is JSON");
        assert_eq!(json["state"], "COMPLETED");
    }

    #[test]
    fn foreign_data_has_no_stamp() {
        for data in [
            &b"ping"[..],
            b"{}",
            b"{\"seq\":}",
            b"{\"seq\":99999999999999999999999,\"t_ns\":1,\"t_sched\":1",
        ] {
            assert_eq!(Stamp::parse(data), None);
        }
    }
}
