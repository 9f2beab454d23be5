use super::*;
use proptest::prelude::*;

fn back(record: &Record) -> Option<Record> {
    let message = record.message();
    let field = |name: &str| {
        let of = message.fields.iter().filter(|(field, _)| *field == name);
        of.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    Record::read(field, message.payload.clone())
}

fn record(content: Content) -> Record {
    let term = u64::from(!matches!(content, Content::Term { .. })) * 7;
    Record {
        epoch: "bcdfghjklmnp".to_owned(),
        era: 0,
        term,
        number: term * 3,
        read: term * 2,
        places: vec![Bytes::new(), Bytes::from_static(b"a b%\xff\t")],
        by: "0123456789abcdef.7".to_owned(),
        content,
    }
}

#[test]
fn every_kind_comes_back() {
    for content in [
        Content::Events {
            upstream: 0,
            blocks: Bytes::from_static(b"data: 1\n\ndata: 2\n\n"),
        },
        Content::Comment {
            upstream: 1,
            line: Bytes::from_static(b": x\n"),
        },
        Content::Retry {
            upstream: 0,
            time: Duration::from_millis(1500),
        },
        Content::Gap {
            upstream: 2,
            reason: GapReason::Skipped,
            skipped: Some(3),
        },
        Content::Ended { upstream: 1 },
        Content::Reopened { upstream: 0 },
        Content::Checkpoint,
        Content::Opened,
        Content::Refused {
            upstream: 1,
            status: 410,
        },
        Content::Released,
        Content::Names(vec![(7, "bcdf".to_owned()), (0, "ghjk".to_owned())]),
        Content::Term {
            token: "t.1".to_owned(),
            instance: "relay 1 ä\u{1}".to_owned(),
            resumes: true,
        },
    ] {
        let record = record(content);
        assert_eq!(back(&record).as_ref(), Some(&record));
        let headers = record.message().fields;
        let is_plain = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        assert!(headers.iter().all(|(_, value)| is_plain(value)), "{headers:?}");
    }
}

#[test]
fn what_is_none_of_ours_is_none() {
    assert_eq!(Record::read(|_| Vec::new(), Bytes::from_static(b"hello")), None);
    let later = |name: &str| match name {
        fields::EPOCH => vec!["e"],
        fields::NUMBER => vec!["1.1"],
        fields::READ => vec!["1"],
        fields::KIND => vec!["of a later version"],
        _ => Vec::new(),
    };
    assert_eq!(Record::read(later, Bytes::new()), None);
}

proptest! {
    #[test]
    fn places_are_any_bytes(id in proptest::collection::vec(any::<u8>(), 1..40)) {
        let record = Record { places: vec![id.into()], ..record(Content::Checkpoint) };
        prop_assert_eq!(back(&record), Some(record));
    }

    #[test]
    fn blocks_are_told_apart(texts in proptest::collection::vec("[a-z]{0,9}", 0..9)) {
        let wanted: Vec<String> = texts.iter().map(|text| format!("data: {text}\n\n")).collect();
        let payload = Bytes::from(wanted.concat());
        let found: Vec<Bytes> = blocks(&payload).collect();
        prop_assert_eq!(found, wanted.into_iter().map(Bytes::from).collect::<Vec<_>>());
    }
}
