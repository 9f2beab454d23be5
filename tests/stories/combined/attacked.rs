//! What clients can send to a combined path that was not meant.

use super::{ALL, Pair, data, gap_of};
use crate::support::client::{ask, get};

#[tokio::test]
async fn sources_are_picked_however_they_are_written() {
    let mut pair = Pair::passing().await;
    let mut clients = Vec::new();
    for query in [
        "source=a&".repeat(1_000),
        "s%6furce=%61".to_owned(),
        "x&&source=a&=".to_owned(),
    ] {
        clients.push(pair.open(&get(&format!("{ALL}?{query}"))).await);
    }
    assert_eq!(pair.relay.metric("fanfare_derived_channels{source=\"/all\"}"), 1.0);
    pair.publish(1..=1).await;
    for client in &mut clients {
        assert_eq!(client.next_event().await.id(), "a:1");
    }
    for query in [
        "source",
        "source=a&source",
        "source=a%2Cb",
        "source=A",
        "source=%ff",
        "source=a%00",
    ] {
        let bad = get(&format!("{ALL}?{query}"));
        bad.answer(pair.relay.address).await.assert_problem(400);
        let poll = ask("GET", &format!("{ALL}?wait=0&{query}")).header("Accept", "application/json");
        poll.answer(pair.relay.address).await.assert_problem(400);
        let head = ask("HEAD", &format!("{ALL}?{query}")).answer(pair.relay.address).await;
        assert_eq!(head.head.status, 400, "{query}");
    }
}

/// What a client claims to have had may be anything: it is told what can't be had, and goes on.
#[tokio::test]
async fn an_id_may_be_anything() {
    let mut pair = Pair::passing().await;
    pair.publish(1..=2).await;
    let long = "x".repeat(1_100);
    let (many, doubled) = ("a:1,".repeat(3_000), format!("a:2,{}b:2", "a:1,".repeat(500)));
    let mut n = 2;
    for (id, gaps) in [
        ("a:1,b:1", ""),
        ("b:1,a:1", ""),
        ("a:1,a:2,b:1", ""),
        (&*doubled, ""),
        ("x:1,a:2,y:7,b:2", ""),
        ("a:2,b:2/zzz", ""),
        ("a:2/,b:2/", ""),
        // Of which nothing is known, the oldest comes first.
        ("a:77,b:2", "a"),
        (&*format!("a:{long},b:{long}"), "a b"),
        (&*many, "a b"),
        ("~", "a b"),
        ("~d-22b765bdnf", "a b"),
        ("~d-22b765bdnf.0", "a b"),
        ("~d-22b765bdnf.99999999999999999999999999", "a b"),
        ("a:1,b:%", "a b"),
        ("a:1,,b:1", "a b"),
        ("a:1;b:1", "a"),
        (",", "a b"),
        (":", ""),
        ("a:,b:", "a b"),
    ] {
        let mut client = pair.open(&get(ALL).last_event_id(id)).await;
        n += 1;
        pair.publish(n..=n).await;
        let events = client.until_data(&format!("b{n}")).await;
        let told = events.iter().filter(|event| event.gap().is_some());
        let told: Vec<String> = told.map(|event| gap_of(event).1).collect();
        assert_eq!(told.join(" "), gaps, "{id}");
        assert_eq!(client.last_event_id, format!("a:{n},b:{n}").as_bytes(), "{id}");
        let poll = ask("GET", &format!("{ALL}?wait=0")).header("Accept", "application/json");
        let answer = poll.last_event_id(id).answer(pair.relay.address).await;
        assert_eq!(answer.head.status, 200, "{id}");
        let head = ask("HEAD", ALL).last_event_id(id).answer(pair.relay.address).await;
        assert_eq!(head.head.status, 200, "{id}");
    }
}

/// An id of another path, or of another numbering, leads to no place of these sources.
#[tokio::test]
async fn an_id_of_another_numbering_is_a_gap() {
    let source = "ids: assign, log: { ask_origin: 0s }";
    let mut pair = Pair::start([source; 2], super::COMBINE).await;
    pair.publish(1..=2).await;
    let mut client = pair
        .open(&get(ALL).last_event_id("a:d-0000000000.1,b:7/d-0000000000.9"))
        .await;
    let gaps = [gap_of(&client.next_event().await), gap_of(&client.next_event().await)];
    assert_eq!(gaps.map(|(_, source)| source), ["a", "b"]);
    assert_eq!(data(&mut client, 4).await, ["a1", "b1", "a2", "b2"]);
}
