//! The events that the origin and the floor write: a stamp ([`Stamp`]), filled up to the size asked for.
//!
//! A hint's data is the same every time, so its stamp is its id: `id:
//! {"seq":7,"t_ns":1234,"t_sched":1230}`.

pub use fanfare::crowd::stamp::Stamp;
pub(crate) use fanfare::crowd::stamp::write_data;
use std::io::Write;
use std::net::SocketAddr;

/// What a hint says has changed.
pub(crate) const HINT_PATH: &str = "/changelog/section/22";

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

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec can't fail");
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
}
