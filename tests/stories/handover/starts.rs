//! What a client is told when it has caught up, it is told once, by whichever process.

use super::House;
use super::numbered::NumberedOrigin;
use crate::support::client::{TestClient, get};
use crate::support::relay::{PATH, Setup};

/// The events up to the one with this data, by their types.
async fn types(client: &mut TestClient, last: u64) -> Vec<String> {
    let mut types = Vec::new();
    loop {
        let event = client.next_event().await;
        types.push(event.event_type.clone());
        if event.event_type == "message" && super::numbered::number(&event.data) == last {
            return types;
        }
    }
}

fn count(types: &[String], wanted: &str) -> usize {
    types.iter().filter(|found| *found == wanted).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_is_not_told_again_and_who_was_not_is() {
    let origin = NumberedOrigin::start(100_000).await;
    let setup = Setup::at(&origin.url).source("live_event: live\nend_event: end\nslow_client: { bytes: 64MiB }");
    let house = House::of(setup.top("drain: { spread: 0s, timeout: 5s }\n"));
    let mut process = house.start().await;
    process.logged("connected to the origin").await;
    let mut live = get(PATH).open(process.address).await;
    assert_eq!(live.next_event().await.event_type, "live");
    for _ in 1..=40 {
        origin.publish();
    }
    assert_eq!(count(&types(&mut live, 40).await, "message"), 40);
    let behind = get(&format!("{PATH}?start=earliest")).small_receive_buffer();
    let mut behind = behind.open(process.address).await;
    for _ in 0..2 {
        let new = house.take_over().await;
        process.exit().await;
        process = new;
    }
    origin.publish();
    assert_eq!(types(&mut live, 41).await, ["message"]);
    let mut seen = types(&mut behind, 41).await;
    if count(&seen, "live") == 0 {
        seen.push(behind.next_event().await.event_type);
    }
    assert_eq!(
        (count(&seen, "message"), count(&seen, "live"), count(&seen, "end")),
        (41, 1, 0)
    );
    let first = seen.iter().position(|found| found == "live");
    assert!(first >= Some(40), "before what was there: {first:?}");
    origin.publish();
    for client in [&mut live, &mut behind] {
        assert_eq!(types(client, 42).await, ["message"]);
    }
}
