//! The scanner against a plain reference, on every split of the bytes.

use fanfare_loadtest::scan::{BadBody, Found, Framing, Progress, Scanner};
use fanfare_loadtest::stamp::Stamp;

const GAP: &[u8] = b"fanfare.gap";

#[test]
fn events_that_are_given_out_together_are_counted_one_by_one() {
    let line = |seq| format!("data:{{\"seq\":{seq},\"t_ns\":1,\"t_sched\":1,\"pad\":\"\"}}\n");
    let together = format!(
        "event: data\n{}{}data:\n\nevent: control\ndata:{{}}\n\n{}\n",
        line(1),
        line(2),
        line(3)
    );
    for cut in 0..together.len() {
        let mut scanner = Scanner::new(Framing::ToEnd, Vec::new());
        scanner.count_lines();
        let mut found = Vec::new();
        for piece in [&together[..cut], &together[cut..]] {
            let fed = scanner.feed(piece.as_bytes(), GAP, &mut |what| found.push(what));
            assert_eq!(fed, Ok(Progress::Open));
        }
        let seqs: Vec<u64> = found
            .iter()
            .filter_map(|found| match found {
                Found::Event(stamp) => Some(stamp.seq),
                _ => None,
            })
            .collect();
        assert_eq!(seqs, [1, 2, 3], "{cut}: {found:?}");
        assert_eq!(found.len(), 4, "{cut}: {found:?}");
    }
}

/// A stream with everything that the scanner looks at, and the line ends that the standard allows.
const STREAM: &[&str] = &[
    "\u{FEFF}retry: 2500\n:a comment\n\n",
    "id: e.0\n\n",
    "id: e.1\ndata: {\"seq\":1,\"t_ns\":100,\"t_sched\":90,\"pad\":\"xxxx\"}\n\n",
    "data: {\"seq\":2,\"t_ns\":200,\"t_sched\":190,\"ch\":7,\"pad\":\"\"}\r\nid: e.2\r\n\r\n",
    "data: ping\n\n",
    "id: {\"seq\":4,\"t_ns\":9,\"t_sched\":8}\ndata: hint\n\n",
    "data: inherits its id\n\n",
    "event: fanfare.gap\ndata: {\"reason\":\"evicted\",\"source\":\"x\"}\n\n",
    "event: other\rdata:{\"seq\":18446744073709551615,\"t_ns\":1,\"t_sched\":1}\rid\r\r",
    "data\n\n",
    "id: e.9\0\ndata: more\ndata: {\"seq\":3,\"t_ns\":1,\"t_sched\":1}\n\n",
    "retry: soon\nretry: 7\nevent: fanfare.gap\n\n",
    "id: never\ndata: an event that isn't finished\n",
];

fn found() -> Vec<Found> {
    let event = |seq, written_ns, scheduled_ns, channel| {
        Found::Event(Stamp {
            seq,
            written_ns,
            scheduled_ns,
            channel,
        })
    };
    vec![
        Found::Retry(2500),
        event(1, 100, 90, None),
        event(2, 200, 190, Some(7)),
        Found::Other,
        event(4, 9, 8, None),
        Found::Other,
        Found::Gap,
        event(u64::MAX, 1, 1, None),
        Found::Other,
        Found::Other,
        Found::Retry(7),
    ]
}

fn scan<'a>(
    framing: Framing,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Found>, Vec<u8>, Result<Progress, BadBody>) {
    let mut scanner = Scanner::new(framing, Vec::new());
    let mut all = Vec::new();
    let mut progress = Ok(Progress::Open);
    for part in parts {
        progress = scanner.feed(part, GAP, &mut |found| all.push(found));
        if progress.is_err() {
            break;
        }
    }
    (all, scanner.last_id().to_vec(), progress)
}

fn plain() -> Vec<u8> {
    STREAM.concat().into_bytes()
}

/// The same stream in chunks that end in the middle of events, with an extension and a trailer.
fn chunked(length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, chunk) in plain().chunks(length).enumerate() {
        let extension = if index % 3 == 1 { ";name=\"a;b\"" } else { "" };
        out.extend_from_slice(format!("{:X}{extension}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\nX-Trailer: yes\r\n\r\n");
    out
}

#[test]
fn every_split_in_two_finds_the_same() {
    let plain = plain();
    for cut in 0..=plain.len() {
        let (head, tail) = plain.split_at(cut);
        let (all, last_id, progress) = scan(Framing::ToEnd, [head, tail]);
        assert_eq!(all, found(), "cut at {cut}");
        // The empty id of the seventh block reset it, and an id with NUL is ignored.
        assert_eq!(last_id, b"", "cut at {cut}");
        assert_eq!(progress, Ok(Progress::Open));
    }
}

#[test]
fn every_split_of_chunks_finds_the_same() {
    for length in [1, 2, 7, 64, 100_000] {
        let bytes = chunked(length);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            let (all, _, progress) = scan(Framing::Chunked, [head, tail]);
            assert_eq!(all, found(), "chunks of {length}, cut at {cut}");
            assert_eq!(progress, Ok(Progress::Ended), "chunks of {length}, cut at {cut}");
        }
    }
}

#[test]
fn reads_of_any_length_find_the_same() {
    let (plain, chunked) = (plain(), chunked(33));
    for length in 1..40 {
        assert_eq!(scan(Framing::ToEnd, plain.chunks(length)).0, found());
        assert_eq!(scan(Framing::Chunked, chunked.chunks(length)).0, found());
    }
}

#[test]
fn a_length_ends_the_body() {
    let mut bytes = plain();
    let length = bytes.len() as u64;
    bytes.extend_from_slice(b"data: of another response\n\n");
    let (all, _, progress) = scan(Framing::Length(length), bytes.chunks(50));
    assert_eq!((all, progress), (found(), Ok(Progress::Ended)));
}

#[test]
fn an_id_is_in_force_from_its_blank_line_on() {
    let mut scanner = Scanner::new(Framing::ToEnd, b"before".to_vec());
    let mut feed = |bytes: &[u8]| {
        let _ = scanner.feed(bytes, GAP, &mut |_| {});
        scanner.last_id().to_vec()
    };
    assert_eq!(feed(b"id: after\ndata: x\n"), b"before");
    assert_eq!(feed(b"\n"), b"after");
}

#[test]
fn broken_chunks_are_noticed() {
    for broken in [
        &b"zz\r\n"[..],
        b"\r\n",
        b"3\r\nabcX\r\n",
        b"3\r\nabc\rX",
        b"11111111111111111\r\n",
    ] {
        assert_eq!(scan(Framing::Chunked, broken.chunks(1)).2, Err(BadBody), "{broken:?}");
    }
}

#[test]
fn a_long_line_is_looked_at_only_at_its_beginning() {
    let mut bytes = b"data: {\"seq\":5,\"t_ns\":1,\"t_sched\":1,\"pad\":\"".to_vec();
    bytes.resize(300_000, b'x');
    bytes.extend_from_slice(b"\"}\n\n");
    let wanted = vec![Found::Event(Stamp {
        seq: 5,
        written_ns: 1,
        scheduled_ns: 1,
        channel: None,
    })];
    assert_eq!(scan(Framing::ToEnd, bytes.chunks(1000)).0, wanted);
    assert_eq!(scan(Framing::ToEnd, [bytes.as_slice()]).0, wanted);
}
