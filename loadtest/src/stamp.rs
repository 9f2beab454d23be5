//! What the harness writes into each event, and reads back: sequence number, time of the write,
//! time of the schedule.
//!
//! `data: {"seq":7,"t_ns":1234,"t_sched":1230,"pad":"xxx"}`: the stamp stands first, so that a
//! scanner needs only the beginning of a line. `ch` follows in runs with several streams, to notice
//! an event that strayed into another stream. Times are CLOCK_MONOTONIC nanoseconds: they compare
//! on one machine only.
//!
//! A hint's data is the same every time, so its stamp is its id: `id:
//! {"seq":7,"t_ns":1234,"t_sched":1230}`.

use std::io::Write;
use std::net::SocketAddr;

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
/// What a hint says has changed.
pub(crate) const HINT_PATH: &str = "/changelog/section/22";
const PAD: [u8; 256] = [b'x'; 256];

/// Form of the events that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Bytes of the whole block on the wire, blank line included, chunk framing not. Less than the
    /// stamp needs means as small as the stamp allows.
    pub(crate) size_bytes: usize,
    /// Whether blocks carry an `id` line with the sequence number.
    pub(crate) ids: bool,
    /// Whether events are hints, all with the same data: that something at this address has
    /// changed. The size is then what it is.
    pub(crate) hint: Option<SocketAddr>,
}

/// Appends one block to `out`.
pub(crate) fn write_block(out: &mut Vec<u8>, stamp: &Stamp, form: Form, end: bool) {
    if let Some(address) = form.hint {
        return write_hint(out, stamp, address);
    }
    let from = out.len();
    if form.ids {
        put(out, format_args!("id: {}\n", stamp.seq));
    }
    out.extend_from_slice(b"data: ");
    let used = out.len() - from + 2; // the two line ends
    write_data(out, stamp, form.size_bytes.saturating_sub(used), end);
    out.extend_from_slice(b"\n\n");
}

/// Appends a hint: its data is the URL of what has changed, and its stamp is its id.
fn write_hint(out: &mut Vec<u8>, stamp: &Stamp, address: SocketAddr) {
    put(
        out,
        format_args!(
            "id: {{\"seq\":{},\"t_ns\":{},\"t_sched\":{}}}\ndata: http://{address}{HINT_PATH}\n\n",
            stamp.seq, stamp.written_ns, stamp.scheduled_ns
        ),
    );
}

/// The number of the event whose id this is.
pub(crate) fn seq_of_id(id: &str) -> Option<u64> {
    match Stamp::parse(id.as_bytes()) {
        Some(stamp) => Some(stamp.seq),
        None => id.parse().ok(),
    }
}

/// Appends the data of one event to `out`, padded to `size_bytes`.
pub(crate) fn write_data(out: &mut Vec<u8>, stamp: &Stamp, size_bytes: usize, end: bool) {
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
    out.extend_from_slice(b",\"pad\":\"");
    let mut missing = size_bytes.saturating_sub(out.len() - from + 2);
    while missing > 0 {
        let take = missing.min(PAD.len());
        out.extend_from_slice(&PAD[..take]);
        missing -= take;
    }
    out.extend_from_slice(b"\"}");
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
    fn a_block_has_the_size_asked_for() {
        for (ids, size_bytes) in [(false, 200), (true, 200), (false, 1024), (true, 16_384)] {
            let mut out = vec![b'?'; 3];
            let form = Form {
                size_bytes,
                ids,
                hint: None,
            };
            write_block(&mut out, &STAMP, form, false);
            assert_eq!(out.len() - 3, size_bytes);
            assert!(out.ends_with(b"\"}\n\n"));
        }
    }

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
    fn a_hint_has_its_stamp_in_its_id() {
        let form = Form {
            size_bytes: 200,
            ids: true,
            hint: Some(([127, 0, 0, 1], 80).into()),
        };
        let mut out = Vec::new();
        write_block(&mut out, &STAMP, form, false);
        let text = String::from_utf8(out).expect("ASCII");
        let (id, data) = text.split_once('\n').expect("two lines");
        assert_eq!(data, "data: http://127.0.0.1:80/changelog/section/22\n\n");
        let id = id.strip_prefix("id: ").expect("an id");
        assert_eq!(Stamp::parse(id.as_bytes()), Some(STAMP));
        assert_eq!(
            (seq_of_id(id), seq_of_id("7"), seq_of_id("x")),
            (Some(42), Some(7), None)
        );
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
