use super::*;
use crate::fleet::member::News;
use crate::fleet::record::Record;

fn event(id: u64) -> Content {
    Content::Events {
        upstream: 0,
        blocks: format!("id: {id}\ndata: {id}\n\n").into(),
    }
}

fn record(number: u64, id: u64) -> Record {
    Record {
        epoch: "e".to_owned(),
        era: 0,
        term: 4,
        by: String::new(),
        number,
        read: 4,
        places: vec![id.to_string().into()],
        content: event(id),
    }
}

const NEWS: News = News {
    skipped: false,
    counts: true,
    is_anew: false,
};

/// A leader whose clients had an event that is not in the log, since that begins behind it: they have had
/// nothing of what it has sent, and are told that something is missing.
#[test]
fn what_clients_have_not_had_is_not_passed_over() {
    let now = Instant::now();
    let mut local = Local::new(1, Some(Duration::from_secs(5)));
    local.leave(&[], None, false, now);
    assert_eq!(local.given(&event(1)), Some(1));
    local.back(None, now);
    local.leave(&["2".into()], Some("e"), true, now);
    assert_eq!([local.given(&event(3)), local.given(&event(4))], [None, None]);
    local.back(Some(2), now);
    assert_eq!((local.had(), local.is_together()), (0, false));
    let first = local.take(5, Some(&record(1, 3)), NEWS, Some(1), now);
    assert_eq!(first, None, "it is looked for");
    let second = local.take(6, Some(&record(2, 4)), NEWS, Some(1), now + LOOK_FOR_MAX);
    assert!(second.unwrap().back.unwrap().gap.is_some(), "{second:?}");
}
